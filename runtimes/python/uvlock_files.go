package python

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// withProject adds the project itself to the packages to install.
func (g *uvGraph) withProject(p *uvPackage, packages []*uvPackage) ([]*uvPackage, error) {
	if p == nil || p.Source.Virtual != "" {
		return nil, &runtimes.InputError{
			File:    g.file,
			Problem: "project: true asks for the project itself, which is no package",
			Hint:    "give its pyproject.toml a [build-system] and run `uv lock`, or leave project out",
		}
	}
	return append(packages, p), nil
}

// files lists the files that a package can be installed from.
func (g *uvGraph) files(project fs.FS, p *uvPackage) (lockedPackage, error) {
	locked := lockedPackage{name: pep.NormaliseName(p.Name), version: p.Version}
	switch dir, ok := p.Source.tree(); {
	case ok:
		folder, ok := inProject(path.Dir(g.file), dir)
		if !ok {
			return locked, outside(g.file, g.lineOf(p.Name), p.Source.String()+", where "+p.Name+" is,")
		}
		local, err := readLocalProject(project, folder, locked.name, p.Version)
		if err != nil {
			return locked, err
		}
		return local.locked(), nil
	case p.Source.Path != "":
		return g.localArchive(project, p, locked)
	case p.Source.Git != "":
		return lockedGit(g.file, g.lineOf(p.Name), locked, gitFromURL(p.Source.Git))
	case p.Source.Registry == "" && p.Source.URL == "":
		return locked, g.errorf(p.Name, "%s comes from an unknown source", p.Name)
	}
	if len(p.Wheels) == 0 && p.Sdist == nil {
		return locked, g.noFile(p)
	}
	if withoutUser(p.Source.Registry) != p.Source.Registry {
		return locked, holdsUser(g.file, g.lineOf(p.Name), "the index of "+p.Name)
	}
	locked.files = make([]runtimes.File, 0, len(p.Wheels)+1)
	for i := range p.Wheels {
		locked.files = append(locked.files, p.Wheels[i].file(p.Source))
	}
	if p.Sdist != nil {
		locked.files = append(locked.files, p.Sdist.file(p.Source))
	}
	return locked, nil
}

func (g *uvGraph) noFile(p *uvPackage) error {
	return g.errorf(p.Name, "no file of %s %s is locked: the lock was cut short or edited", p.Name, p.Version)
}

// file is what the lock says of a file. Whether the hash is one is asked of the
// chosen file only: a lock holds ten times as many.
func (f *uvFile) file(source uvSource) runtimes.File {
	address := *f
	if address.URL == "" && address.Path == "" {
		address.URL = source.URL // of its only file
	}
	return runtimes.File{
		Name: address.name(), URL: address.URL, SHA256: strings.TrimPrefix(f.Hash, "sha256:"), Size: max(f.Size, 0),
	}
}

// localArchive is a wheel or source archive that lies in the project. It must
// be the one that was locked.
func (g *uvGraph) localArchive(project fs.FS, p *uvPackage, locked lockedPackage) (lockedPackage, error) {
	name, ok := inProject(path.Dir(g.file), p.Source.Path)
	if !ok {
		return locked, outside(g.file, g.lineOf(p.Name), p.Source.String()+", where "+p.Name+" is,")
	}
	entry := p.Sdist
	if len(p.Wheels) > 0 {
		entry = &p.Wheels[0]
	}
	if entry == nil {
		return locked, g.noFile(p)
	}
	f, err := localFile(project, name)
	if err != nil {
		return locked, err
	}
	if entry.Hash != "sha256:"+f.SHA256 {
		return locked, &runtimes.InputError{
			File: g.file, Line: g.lineOf(p.Name),
			Problem: fmt.Sprintf("%s is not the file that was locked: its hash is sha256:%s", name, f.SHA256),
			Hint:    "restore the file, or run `uv lock`",
		}
	}
	locked.files = []runtimes.File{f}
	return locked, nil
}

// name is the file's name as wheels are named.
func (f *uvFile) name() string {
	if f.Filename != "" {
		return f.Filename
	}
	address, _, _ := strings.Cut(cmp.Or(f.URL, f.Path), "#")
	address, _, _ = strings.Cut(address, "?")
	name := address[strings.LastIndexByte(address, '/')+1:]
	if strings.ContainsRune(name, '%') {
		if plain, err := url.PathUnescape(name); err == nil {
			return plain
		}
	}
	return name
}
