package node

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// complete asks the registry for what the lock file does not say: which packages
// have install scripts, since version 9.0 says so no more, and a hash that will
// do where it has a SHA-1 only. Where an answer is lacking, the error is a
// [*runtimes.Incomplete] with all that is to be asked.
func (c *pnpmClosure) complete() error {
	incomplete := &runtimes.Incomplete{LockFile: c.lock.file}
	asked := map[string]bool{}
	for _, n := range c.nodes {
		if !n.ofRegistry() || c.lock.old && strongest(n.pkg.Resolution.Integrity) != "" {
			continue
		}
		q := runtimes.FileRequest{Ecosystem: "npm", Name: n.name, Version: n.version, Indexes: c.target.Indexes}
		if hash := n.hash(); hash != "" {
			q.Hashes = []string{hash}
		}
		answer, ok := c.target.Files[q.Key()]
		if !ok {
			if !asked[q.Key()] {
				incomplete.Requests = append(incomplete.Requests, q)
			}
			asked[q.Key()] = true
			continue
		}
		if n.answered = bestAnswer(answer, n.hash()); n.answered == nil {
			return c.lock.errorf(n.id, "check which registry is configured: it may have dropped the release; or lock again",
				"the registry has no file of %s %s with the hash that is locked: %q", n.name, n.version, n.hash())
		}
	}
	if len(incomplete.Requests) > 0 {
		return incomplete
	}
	return nil
}

// bestAnswer is the file with a hash, by its strongest one: a registry may name
// the same file twice, by a SHA-1 and by a stronger hash.
func bestAnswer(answer []runtimes.File, hash string) *runtimes.File {
	if hash != "" && !slices.ContainsFunc(answer, func(f runtimes.File) bool { return f.Integrity == hash }) {
		return nil
	}
	for i, f := range answer {
		if strong := strongest(f.Integrity); strong != "" && (strongest(hash) == "" || strong == hash) {
			return &answer[i]
		}
	}
	return nil
}

// ofRegistry tells whether a package is a release of a registry.
func (n *pnpmNode) ofRegistry() bool {
	r := n.pkg.Resolution
	_, version := splitPnpmID(n.id)
	return n.folder == "" && r.Type == "" && !r.GitHosted && !strings.HasPrefix(r.Tarball, "file:") && validVersion(version)
}

// hash is the best one that the lock file has, "" where it has none.
func (n *pnpmNode) hash() string {
	integrity := n.pkg.Resolution.Integrity
	if hash := strongest(integrity); hash != "" {
		return hash
	}
	hash, _, _ := strings.Cut(strings.TrimSpace(integrity), " ")
	return hash
}

// packages are the files of the closure's nodes, one for each file, with
// whatever peers it is installed.
func (c *pnpmClosure) packages() ([]runtimes.Package, error) {
	var all []runtimes.Package
	index := map[string]int{}
	var weak []string
	for _, n := range c.nodes {
		p, err := c.file(n)
		if err != nil {
			return nil, err
		}
		key := strings.Join([]string{p.Name, p.Version, p.File.Digest()}, "\n")
		if _, ok := index[key]; ok {
			continue
		}
		index[key] = len(all)
		all = append(all, p)
		if n.answered != nil && strongest(n.hash()) == "" {
			weak = append(weak, n.name)
		}
	}
	if len(weak) > 0 {
		c.notes = append(c.notes, fmt.Sprintf("%s locks these by SHA-1 only; their SHA-512 is the registry's, for the file with that SHA-1: %s", c.lock.file, few(weak)))
	}
	return all, nil
}

// file is what a package is installed from.
func (c *pnpmClosure) file(n *pnpmNode) (runtimes.Package, error) {
	p := runtimes.Package{Name: n.name, Version: n.version}
	r := n.pkg.Resolution
	var err error
	switch {
	case n.folder != "":
		n.local, err = c.localFolder(n)
		p.Version, p.File = n.version, n.local
		return p, err
	case strings.HasPrefix(r.Tarball, "file:"):
		n.local, err = c.localTarball(n)
		p.File = n.local
		return p, err
	case r.Type == "git" || r.GitHosted || r.Integrity == "" && r.Type == "":
		what := "comes from version control"
		if r.Type == "" && !r.GitHosted {
			what = "is locked without a hash, as what comes from version control is"
		}
		return p, c.lock.errorf(n.id, fmt.Sprintf("depend on a release of it, or list %s under exclude and put it into the function itself", n.name),
			"%s %s, and cannot be installed from there yet", n.name, what)
	case r.Type != "":
		return p, c.lock.errorf(n.id, "depend on a release of it, or exclude it", "%s is of a kind that is not known here: %q", n.name, r.Type)
	case r.Tarball == "" && !n.ofRegistry():
		return p, c.lock.errorf(n.id, pnpmAgain, "%q is neither a release nor at an address", n.id)
	}
	if n.answered != nil {
		p.File = runtimes.File{Integrity: strongest(n.answered.Integrity), Scripts: n.answered.Scripts, URL: n.answered.URL}
	} else {
		p.File = runtimes.File{Integrity: n.hash(), Scripts: n.pkg.RequiresBuild}
	}
	p.File.Name = tarballName(n.name, n.version)
	if !validIntegrity(p.File.Integrity) || strongest(p.File.Integrity) == "" {
		return p, c.lock.errorf(n.id, pnpmAgain, "%s is locked without a hash that will do: %q", n.name, r.Integrity)
	}
	if r.Tarball != "" {
		p.File.URL = r.Tarball
	}
	return p, c.checkAddress(n, r.Tarball)
}

// checkAddress refuses an address that must not stand in a lock file.
func (c *pnpmClosure) checkAddress(n *pnpmNode, address string) error {
	if address == "" {
		return nil // the registry knows
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return c.lock.errorf(n.id, pnpmAgain, "%s cannot be fetched: its address is neither https nor http", n.name)
	}
	if u.User != nil {
		return c.lock.errorf(n.id, "credentials do not belong in a lock file: lock again without them", "the address of %s holds a user or password", n.name)
	}
	return nil
}

// localFolder packs a folder of the project.
func (c *pnpmClosure) localFolder(n *pnpmNode) (runtimes.File, error) {
	m, err := readManifest(c.project, n.folder)
	if err != nil {
		return runtimes.File{}, err
	}
	if n.name == "" || !validName(n.name) {
		return runtimes.File{}, &runtimes.InputError{File: m.file, Problem: fmt.Sprintf("is installed as a package, and has no name that will do: %q", n.name), Hint: "give it a name"}
	}
	n.version = cmp.Or(m.Version, "0.0.0")
	if !validVersion(n.version) {
		return runtimes.File{}, &runtimes.InputError{File: m.file, Problem: fmt.Sprintf("%q is no version", n.version)}
	}
	f, err := packFolder(c.project, packJob{folder: n.folder, above: c.lock.dir, manifest: m})
	f.Name = tarballName(strings.ReplaceAll(strings.TrimPrefix(n.name, "@"), "/", "-"), n.version)
	return f, err
}

// localTarball is a tarball of the project. It must be the one that was locked.
func (c *pnpmClosure) localTarball(n *pnpmNode) (runtimes.File, error) {
	name := strings.TrimPrefix(n.pkg.Resolution.Tarball, "file:")
	file, ok := inProject(c.lock.dir, name)
	if !ok {
		return runtimes.File{}, c.lock.errorf(n.id, outsideHint, "%s is outside of the project", name)
	}
	data, err := readFile(c.project, file)
	if err != nil {
		return runtimes.File{}, err
	}
	f := archiveFile(file, data)
	f.Scripts = n.pkg.RequiresBuild
	if locked := n.hash(); strings.HasPrefix(locked, "sha512-") && locked != f.Integrity {
		return f, c.lock.errorf(n.id, "restore the file, or run `pnpm install`", "%s is not the file that was locked: its hash is %s", file, f.Integrity)
	}
	return f, nil
}
