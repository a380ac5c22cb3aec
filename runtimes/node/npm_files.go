package node

import (
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// complete finds what is installed where, and asks the registry for what the
// lock file does not say: hashes, and of some versions also platforms and install
// scripts. Where t lacks an answer, the error is a [*runtimes.Incomplete] with
// all that is to be asked.
func (c *npmClosure) complete() (map[string]*npmNode, error) {
	placed, err := c.find()
	if err != nil {
		return nil, err
	}
	incomplete := &runtimes.Incomplete{LockFile: c.lock.file}
	asked := map[string]bool{}
	var weak, unhashed []string
	for _, place := range sortedKeys(placed) {
		n := placed[place]
		if !c.lacks(n) {
			continue
		}
		request := c.request(n)
		answer, ok := c.target.Files[request.Key()]
		if !ok {
			if !asked[request.Key()] {
				incomplete.Requests = append(incomplete.Requests, request)
			}
			asked[request.Key()] = true
			continue
		}
		hashed := strongest(n.integrity) != ""
		if err := n.completeFrom(answer, request.Hashes); err != nil {
			return nil, c.lock.errorf(n.location, "check which registry is configured: it may have dropped the release; or lock again", "%v", err)
		}
		switch {
		case hashed:
		case len(request.Hashes) > 0:
			weak = append(weak, n.name)
		default:
			unhashed = append(unhashed, n.name)
		}
	}
	if len(incomplete.Requests) > 0 {
		return nil, incomplete
	}
	if len(weak) > 0 {
		c.notes = append(c.notes, fmt.Sprintf("%s locks these by SHA-1 only; their SHA-512 is the registry's, for the file with that SHA-1: %s", c.lock.file, few(slices.Compact(weak))))
	}
	if len(unhashed) > 0 {
		c.notes = append(c.notes, fmt.Sprintf("%s locks these without a hash; it is the one that the registry had when it was asked: %s", c.lock.file, few(slices.Compact(unhashed))))
	}
	c.notes = slices.Compact(c.notes)
	if c.lock.complete {
		return placed, nil
	}
	notes := c.notes
	placed, err = c.find() // now that the platforms are known
	c.notes = notes
	return placed, err
}

// lacks tells whether the registry has to say something of a package.
func (c *npmClosure) lacks(n *npmNode) bool {
	if n.folder || n.bundled || n.completed || !n.ofRegistry() {
		return false
	}
	return !c.lock.complete || strongest(n.integrity) == ""
}

// ofRegistry tells whether a package came of a registry, and not of the project,
// of version control or of an address of its own.
func (n *npmNode) ofRegistry() bool {
	switch kindOf(n.resolved) {
	case folderSpec, gitSpec:
		return false
	case urlSpec:
		return !n.fromURL
	}
	return true
}

func (c *npmClosure) request(n *npmNode) runtimes.FileRequest {
	q := runtimes.FileRequest{Ecosystem: "npm", Name: n.name, Version: n.version, Indexes: c.target.Indexes}
	if hash := strongest(n.integrity); hash != "" {
		q.Hashes = []string{hash}
	} else if n.integrity != "" {
		q.Hashes = slices.DeleteFunc(strings.Fields(n.integrity), func(hash string) bool { return !strings.HasPrefix(hash, "sha1-") })
		slices.Sort(q.Hashes)
	}
	return q
}

// completeFrom takes what a registry says of a package. Where the lock has a
// SHA-1 only, the registry names its file twice, by that and by a stronger hash.
func (n *npmNode) completeFrom(answer []runtimes.File, hashes []string) error {
	for _, hash := range hashes {
		if !slices.ContainsFunc(answer, func(f runtimes.File) bool { return f.Integrity == hash }) {
			return fmt.Errorf("the registry has no file of %s %s with the hash %s", n.name, n.version, hash)
		}
	}
	for _, f := range answer {
		if strongest(f.Integrity) == "" || strongest(n.integrity) != "" && f.Integrity != strongest(n.integrity) {
			continue
		}
		n.completed, n.platform, n.scripts, n.integrity = true, f.Platform, n.scripts || f.Scripts, f.Integrity
		if n.resolved == "" {
			n.resolved = f.URL
		}
		return nil
	}
	return fmt.Errorf("the registry has no file of %s %s with a SHA-512", n.name, n.version)
}

// strongest is the best hash of a subresource integrity, "" where none will do.
func strongest(integrity string) string {
	for _, algorithm := range []string{"sha512-", "sha384-", "sha256-"} {
		for _, hash := range strings.Fields(integrity) {
			hash, _, _ = strings.Cut(hash, "?")
			if strings.HasPrefix(hash, algorithm) {
				return hash
			}
		}
	}
	return ""
}

// packages are the files of the placed nodes, one for each file, however often
// it is placed. What a tarball brings itself is no package of its own.
func (c *npmClosure) packages(project fs.FS, placed map[string]*npmNode) ([]runtimes.Package, error) {
	var all []runtimes.Package
	index := map[string]int{}
	known := map[*npmNode]runtimes.Package{}
	for _, place := range sortedKeys(placed) {
		n := placed[place]
		if n.bundled {
			continue
		}
		p, ok := known[n]
		if !ok {
			var err error
			if p, err = c.file(project, n); err != nil {
				return nil, err
			}
			known[n] = p
		}
		key := strings.Join([]string{p.Name, p.Version, p.File.Digest()}, "\n")
		i, ok := index[key]
		if !ok {
			i = len(all)
			index[key] = i
			all = append(all, p)
		}
		all[i].Places = append(all[i].Places, place)
	}
	return all, nil
}

// file is what a package is installed from.
func (c *npmClosure) file(project fs.FS, n *npmNode) (runtimes.Package, error) {
	p := runtimes.Package{Name: n.name, Version: n.version}
	var err error
	switch kind := kindOf(n.resolved); {
	case n.folder:
		p.Name, p.Version, p.File, err = c.localFolder(project, n)
		return p, err
	case !validName(n.name) || !validVersion(n.version) && kind != urlSpec && kind != folderSpec && kind != gitSpec:
		return p, c.lock.errorf(n.location, c.lock.again, "%q %q are no name and version of a package", n.name, n.version)
	case kind == gitSpec:
		return p, c.lock.errorf(n.location, fmt.Sprintf("depend on a release of it, or list %s under exclude and put it into the function itself", n.name),
			"%s comes from version control, which cannot be installed from yet", n.name)
	case kind == folderSpec:
		p.File, err = c.localArchive(project, n)
		return p, err
	}
	hash := strongest(n.integrity)
	if hash == "" || !validIntegrity(hash) {
		return p, c.lock.errorf(n.location, c.lock.again, "is locked without a hash that will do: %q", n.integrity)
	}
	p.File = runtimes.File{Name: tarballName(n.name, n.version), Integrity: hash, Scripts: n.scripts}
	if p.File.URL, err = c.address(n); err != nil {
		return p, err
	}
	return p, nil
}

// address is where the lock file says that a package is, without what may
// follow as a fragment.
func (c *npmClosure) address(n *npmNode) (string, error) {
	address, _, _ := strings.Cut(n.resolved, "#")
	if address == "" {
		return "", nil // the registry knows
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", c.lock.errorf(n.location, c.lock.again, "cannot be fetched: its address is neither https nor http")
	}
	if u.User != nil {
		return "", c.lock.errorf(n.location, "credentials do not belong in a lock file: lock again without them", "its address holds a user or password")
	}
	return address, nil
}

// tarballName is a package's file as registries name it.
func tarballName(name, version string) string { return path.Base(name) + "-" + version + ".tgz" }

func validVersion(version string) bool {
	return version != "" && len(version) <= 256 && !strings.ContainsAny(version, "/\\ \t\r\n") && kindOf(version) == rangeSpec
}

// validIntegrity tells whether a hash is one: an algorithm and base64.
func validIntegrity(hash string) bool {
	_, digest, ok := strings.Cut(hash, "-")
	return ok && len(digest) >= 44 && len(digest) <= 88 && !strings.ContainsFunc(digest, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '+' && r != '/' && r != '='
	})
}

// localFolder packs a folder of the project.
func (c *npmClosure) localFolder(project fs.FS, n *npmNode) (name, version string, f runtimes.File, err error) {
	folder, ok := inProject(c.lock.dir, path.Join(".", n.location))
	if !ok {
		return "", "", f, c.lock.errorf(n.location, outsideHint, "is outside of the project")
	}
	m, err := readManifest(project, folder)
	if err != nil {
		if !exists(project, path.Join(folder, "package.json")) {
			return "", "", f, c.lock.errorf(n.location, "restore the folder, or lock again without it", "is a local package, and %s is not there", path.Join(folder, "package.json"))
		}
		return "", "", f, err
	}
	if n != c.root {
		if err := c.lock.checkManifest(m, n, []byte(`"`)); err != nil {
			return "", "", f, err
		}
	}
	name, version = m.Name, m.Version
	if name == "" {
		name = n.name
	}
	if !validName(name) {
		return "", "", f, &runtimes.InputError{File: m.file, Problem: fmt.Sprintf("%q is no name of a package", name)}
	}
	if version == "" {
		version = "0.0.0"
	}
	job := packJob{folder: folder, manifest: m}
	if isMember(c.workspaces, n.location) {
		job.above = c.lock.dir
	}
	f, err = packFolder(project, job)
	f.Name = tarballName(name, version)
	return name, version, f, err
}

const outsideHint = "move it below the folder of the configuration, or move the configuration up"

// localArchive is a tarball of the project. It must be the one that was locked.
func (c *npmClosure) localArchive(project fs.FS, n *npmNode) (runtimes.File, error) {
	name := strings.TrimPrefix(n.resolved, "file:")
	file, ok := inProject(c.lock.dir, name)
	if !ok {
		return runtimes.File{}, c.lock.errorf(n.location, outsideHint, "%s is outside of the project", name)
	}
	if !isTarball(name) {
		f, err := packAt(project, file)
		f.Name = tarballName(n.name, n.version)
		return f, err
	}
	data, err := readFile(project, file)
	if err != nil {
		return runtimes.File{}, err
	}
	f := archiveFile(file, data)
	f.Scripts = n.scripts
	if locked := strongest(n.integrity); strings.HasPrefix(locked, "sha512-") && locked != f.Integrity {
		return f, c.lock.errorf(n.location, "restore the file, or run `"+c.lock.manager+" install`", "%s is not the file that was locked: its hash is %s", file, f.Integrity)
	}
	return f, nil
}
