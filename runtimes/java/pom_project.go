package java

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// poms are the files of the project that decide what a module depends on: its
// own pom, its parents and the sibling modules that it names, with theirs.
type poms struct {
	project  fs.FS
	module   *pom
	files    map[string]*pom   // by file, read; nil for one that is not there
	siblings []*pom            // in the order in which they were met
	reactor  map[string]string // the files of all modules, by "group:artifact"; nil before it is needed
}

// maxPoms bounds how many poms are read for one layer.
const maxPoms = 2000

func readPoms(project fs.FS, file string) (*poms, error) {
	p := &poms{project: project, files: make(map[string]*pom)}
	var err error
	if p.module, err = p.read(file); err != nil {
		return nil, err
	}
	if p.module == nil {
		return nil, &runtimes.InputError{File: file, Problem: "there is no such file"}
	}
	return p, p.follow(p.module, map[string]bool{file: true})
}

// read reads a pom with its parents in the project. It returns nil where there
// is no file.
func (p *poms) read(file string) (*pom, error) {
	read, err := p.readOne(file)
	if err != nil || read == nil {
		return nil, err
	}
	seen := []string{read.file}
	for child := read; child.parent == nil; child = child.parent {
		parent, err := p.parentOf(child)
		if err != nil || parent == nil {
			return read, err
		}
		if slices.Contains(seen, parent.file) {
			return nil, &runtimes.InputError{File: child.file, Line: child.root.child("parent").line, Problem: "is its own parent, by way of " + strings.Join(seen, ", ")}
		}
		seen = append(seen, parent.file)
		child.parent = parent
	}
	return read, nil
}

// readOne reads a pom once; a folder stands for the pom.xml in it.
func (p *poms) readOne(file string) (*pom, error) {
	if !fs.ValidPath(file) {
		return nil, nil // outside of the project
	}
	if read, known := p.files[file]; known {
		return read, nil
	}
	if len(p.files) >= maxPoms {
		return nil, &runtimes.InputError{File: file, Problem: fmt.Sprintf("more than %d poms belong to the project", maxPoms)}
	}
	if info, err := fs.Stat(p.project, file); err == nil && info.IsDir() {
		p.files[file] = nil
		read, err := p.readOne(path.Join(file, pomName))
		p.files[file] = read
		return read, err
	}
	read, err := readPom(p.project, file)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	p.files[file] = read
	return read, err
}

// parentOf is a pom's parent in the project, nil where there is none.
func (p *poms) parentOf(child *pom) (*pom, error) {
	file := child.parentFile()
	if file == "" {
		return nil, nil
	}
	parent, err := p.readOne(file)
	if err != nil || parent == nil || !parent.isParent(child) {
		return nil, err
	}
	return parent, nil
}

// follow finds the sibling modules that a pom and its parents name.
func (p *poms) follow(from *pom, seen map[string]bool) error {
	for _, q := range from.chain() {
		for _, d := range q.dependencies() {
			if d.managed && !d.imports {
				continue
			}
			file, err := p.sibling(d.module())
			if err != nil {
				return err
			}
			if file == "" || seen[file] {
				continue
			}
			seen[file] = true
			sibling, err := p.read(file)
			if err != nil {
				return err
			}
			p.siblings = append(p.siblings, sibling)
			if err := p.follow(sibling, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// sibling is the file of a module of the project, "" for one that is none.
func (p *poms) sibling(module string) (string, error) {
	if p.reactor == nil {
		p.reactor = make(map[string]string)
		for dir := path.Dir(p.module.file); ; dir = path.Dir(dir) {
			if err := p.addModules(path.Join(dir, pomName)); err != nil {
				return "", err
			}
			if dir == "." {
				break
			}
		}
	}
	return p.reactor[module], nil
}

// addModules adds the module in a file, and those that it names, to the
// reactor.
func (p *poms) addModules(file string) error {
	m, err := p.read(file)
	if err != nil || m == nil {
		return err
	}
	if p.reactor[m.module()] != "" {
		return nil
	}
	p.reactor[m.module()] = m.file
	for _, next := range m.modules() {
		if err := p.addModules(next); err != nil {
			return err
		}
	}
	return nil
}

// needed lists all poms that Maven must see, sorted by file.
func (p *poms) needed() []*pom {
	var all []*pom
	for _, q := range append([]*pom{p.module}, p.siblings...) {
		for _, q := range q.chain() {
			if !slices.Contains(all, q) {
				all = append(all, q)
			}
		}
	}
	slices.SortFunc(all, func(a, b *pom) int { return strings.Compare(a.file, b.file) })
	return all
}

// profiles are the names of the profiles that the project's poms have.
func (p *poms) profiles() []string {
	var names []string
	for _, q := range p.needed() {
		for _, profile := range q.root.list("profiles") {
			names = append(names, profile.value("id"))
		}
	}
	return names
}

// Repository is one that a pom names. Its id leads to its login.
type Repository struct{ ID, Address string }

// Repositories are those that the poms of t's project name, none where they
// cannot be read or name none.
func Repositories(project fs.FS, t runtimes.Target) []Repository {
	found, err := findLock(project, t)
	if err != nil || found.gradle {
		return nil
	}
	p, err := readPoms(project, found.file)
	if err != nil {
		return nil
	}
	all, err := p.repositories()
	if err != nil {
		return nil
	}
	return all
}

// repositories are those that the poms name.
func (p *poms) repositories() ([]Repository, error) {
	var all []Repository
	for _, q := range p.module.chain() {
		properties := p.module.properties()
		for _, scope := range q.scopes() {
			for _, r := range scope.list("repositories") {
				address := strings.TrimSuffix(fill(r.value("url"), properties), "/")
				if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") {
					continue // a folder; or a property that only Maven knows
				}
				if authority, _, _ := strings.Cut(address[strings.Index(address, "//")+2:], "/"); strings.Contains(authority, "@") {
					return nil, &runtimes.InputError{
						File: q.file, Line: r.line, Problem: "the address of a repository holds a user or password",
						Hint: "credentials do not belong in a pom: put them under servers in ~/.m2/settings.xml, by the repository's id",
					}
				}
				if !slices.ContainsFunc(all, func(o Repository) bool { return o.Address == address }) {
					all = append(all, Repository{fill(r.value("id"), properties), address})
				}
			}
		}
	}
	return all, nil
}

// open lists the dependencies whose version a pom leaves open, with where they
// stand.
func (p *poms) open() []string {
	var all []string
	for _, q := range p.needed() {
		for _, d := range q.dependencies() {
			if isOpen(d.version) && p.reactor[d.module()] == "" {
				all = append(all, fmt.Sprintf("%s %s (%s:%d)", d.module(), d.version, q.file, d.element.line))
			}
		}
	}
	return all
}
