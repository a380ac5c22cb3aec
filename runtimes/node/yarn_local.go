package node

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// tarball is a package that a "file:" dependency names as a tarball in the
// project.
func (r *yarnReader) tarball(at string, d dependency) (*yarnNode, error) {
	entry := r.localEntry(at, d)
	if entry == nil {
		return nil, &runtimes.InputError{
			File: r.lock.file, Problem: fmt.Sprintf("is stale: it lacks %s, which is %s", d.name, d.spec),
			Hint: "run `yarn install` and commit yarn.lock",
		}
	}
	file, data, err := localTarball(r.yarnProject, at)
	if err != nil {
		return nil, err
	}
	if _, locked, ok := strings.Cut(entry.resolved, "#"); ok {
		if sum := sha1.Sum(data); hex.EncodeToString(sum[:]) != locked {
			return nil, &runtimes.DigestError{What: at, Want: locked, Got: hex.EncodeToString(sum[:]), From: "the project"}
		}
	}
	id := "file:" + at
	if r.nodes[id] == nil {
		r.nodes[id] = &yarnNode{name: d.name, version: entry.version, file: file, at: r.lock.file, line: entry.line, entry: entry}
	}
	return r.nodes[id], nil
}

// localEntry is the entry of a path in the project. yarn writes it relative
// to the lock file, in more than one way.
func (r *yarnReader) localEntry(at string, d dependency) *yarnEntry {
	for _, e := range r.lock.entries {
		if slices.ContainsFunc(e.keys, func(key string) bool {
			name, spec := splitYarnKey(key)
			return name == d.name && kindOf(spec) == folderSpec && path.Join(path.Dir(r.lock.file), yarnFolder(spec)) == at
		}) {
			return e
		}
	}
	return nil
}

// localTarball is a tarball of the project as a file of a recipe.
func localTarball(p *yarnProject, at string) (runtimes.File, []byte, error) {
	data, err := readFile(p.fs, at)
	if err != nil {
		return runtimes.File{}, nil, err
	}
	return archiveFile(at, data), data, nil
}

// mustLocal is the content of a file of the project, which is in memory.
func mustLocal(f runtimes.File) []byte {
	data, _ := readLocal(f.Local) // memory cannot fail to be read
	return data
}
