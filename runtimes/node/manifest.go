package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// maxLockBytes bounds the files that are read: the largest locks of real
// projects have a tenth of it.
const maxLockBytes = 64 << 20

// manifest is a package.json.
type manifest struct {
	Name                 string            `json:"name"`
	Version              string            `json:"version"`
	PackageManager       string            `json:"packageManager"`
	Dependencies         map[string]string `json:"dependencies"`
	DevDependencies      map[string]string `json:"devDependencies"`
	OptionalDependencies map[string]string `json:"optionalDependencies"`
	PeerDependencies     map[string]string `json:"peerDependencies"`
	PeerMeta             peerMeta          `json:"peerDependenciesMeta"`
	Workspaces           workspaceGlobs    `json:"workspaces"`
	Overrides            json.RawMessage   `json:"overrides"`
	Resolutions          json.RawMessage   `json:"resolutions"`
	Files                []string          `json:"files"`
	Scripts              map[string]any    `json:"scripts"`
	Gypfile              any               `json:"gypfile"`
	Main                 looseString       `json:"main"`
	Browser              looseString       `json:"browser"`
	Bin                  binPaths          `json:"bin"`
	Bundle               bundleNames       `json:"bundleDependencies"`
	Bundled              bundleNames       `json:"bundledDependencies"`

	file string // as a path in the project
	data []byte
}

// hasInstallScripts tells whether npm would run something of the package when it
// is installed, given whether it has a binding.gyp.
func (m *manifest) hasInstallScripts(bindings bool) bool {
	for _, name := range []string{"preinstall", "install", "postinstall"} {
		if _, ok := m.Scripts[name].(string); ok {
			return true
		}
	}
	return bindings && m.Gypfile != false
}

type peerMeta map[string]struct {
	Optional bool `json:"optional"`
}

// workspaceGlobs are the folders of a workspace's members, in either form that
// package.json has for them.
type workspaceGlobs []string

func (w *workspaceGlobs) UnmarshalJSON(data []byte) error {
	var list []string
	if json.Unmarshal(data, &list) == nil {
		*w = list
		return nil
	}
	var object struct {
		Packages []string `json:"packages"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	*w = object.Packages
	return nil
}

// looseString is a string, or "" for what is none: registries hold every kind
// of package.json.
type looseString string

func (s *looseString) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*s = looseString(text)
	}
	return nil
}

// looseList is a list of strings, or a single one.
type looseList []string

func (l *looseList) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*l = looseList{one}
		return nil
	}
	var list []string
	if json.Unmarshal(data, &list) == nil {
		*l = list
	}
	return nil
}

// binPaths are the files of a package's commands.
type binPaths []string

func (b *binPaths) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*b = binPaths{one}
		return nil
	}
	var named map[string]string
	if json.Unmarshal(data, &named) == nil {
		for _, name := range sortedKeys(named) {
			*b = append(*b, named[name])
		}
	}
	return nil
}

// bundleNames are the dependencies that a package's tarball brings itself.
type bundleNames struct {
	All   bool
	Names []string
}

func (b *bundleNames) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &b.All) == nil {
		return nil
	}
	_ = json.Unmarshal(data, &b.Names) // what is neither bundles nothing
	return nil
}

// readManifest reads the package.json of a folder of the project.
func readManifest(project fs.FS, dir string) (*manifest, error) {
	m := &manifest{file: path.Join(dir, "package.json")}
	var err error
	if m.data, err = readJSON(project, m.file, m); err != nil {
		return nil, err
	}
	return m, nil
}

// dependency is one thing that a package.json, or a lock's entry, asks for.
type dependency struct {
	name, spec string
	optional   bool // it may be absent
	peer       bool
	dev        bool
}

// wants lists what m asks for, sorted by name, each once: as npm reads it,
// optional dependencies win over others of their name.
func (m *manifest) wants(dev bool) []dependency {
	all := wants(m.Dependencies, m.OptionalDependencies, m.PeerDependencies, m.PeerMeta)
	if !dev {
		return all
	}
	for _, name := range sortedKeys(m.DevDependencies) {
		if !slices.ContainsFunc(all, func(d dependency) bool { return d.name == name && !d.peer }) {
			all = slices.DeleteFunc(all, func(d dependency) bool { return d.name == name })
			all = append(all, dependency{name: name, spec: m.DevDependencies[name], dev: true})
		}
	}
	slices.SortFunc(all, func(a, b dependency) int { return strings.Compare(a.name, b.name) })
	return all
}

func wants(plain, optional, peers map[string]string, meta peerMeta) []dependency {
	all := make([]dependency, 0, len(plain)+len(optional)+len(peers))
	for name, spec := range plain {
		if _, is := optional[name]; !is {
			all = append(all, dependency{name: name, spec: spec})
		}
	}
	for name, spec := range optional {
		all = append(all, dependency{name: name, spec: spec, optional: true})
	}
	for name, spec := range peers {
		_, is := plain[name]
		_, isOptional := optional[name]
		if !is && !isOptional {
			all = append(all, dependency{name: name, spec: spec, peer: true, optional: meta[name].Optional})
		}
	}
	slices.SortFunc(all, func(a, b dependency) int { return strings.Compare(a.name, b.name) })
	return all
}

// readJSON reads a JSON file of the project into v, and returns its text.
func readJSON(project fs.FS, file string, v any) ([]byte, error) {
	data, err := readFile(project, file)
	if err != nil {
		return nil, err
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if err := json.Unmarshal(data, v); err != nil {
		return nil, jsonProblem(file, data, err)
	}
	return data, nil
}

// readFile reads a file of the project, of a bounded size.
func readFile(project fs.FS, file string) ([]byte, error) {
	info, err := fs.Stat(project, file)
	if err == nil && info.Size() > maxLockBytes {
		return nil, &runtimes.InputError{File: file, Problem: fmt.Sprintf("larger than %d MiB, which no such file is", maxLockBytes>>20)}
	}
	if err != nil {
		return nil, &runtimes.InputError{File: file, Problem: "cannot be read", Err: reason(err)}
	}
	data, err := fs.ReadFile(project, file)
	if err != nil {
		return nil, &runtimes.InputError{File: file, Problem: "cannot be read", Err: reason(err)}
	}
	return data, nil
}

// reason is why a file cannot be read, without its path, which the message has.
func reason(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

func jsonProblem(file string, data []byte, err error) error {
	if conflict := conflictIn(file, data); conflict != nil {
		return conflict
	}
	problem := &runtimes.InputError{File: file, Problem: "is no JSON of its kind", Err: err, Hint: "restore it, or have its package manager write it anew"}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		problem.Problem = "is no JSON"
		problem.Line = lineAt(data, int(syntax.Offset))
	case errors.As(err, &kind):
		problem.Line = lineAt(data, int(kind.Offset))
	}
	return problem
}

// conflictIn is an error where a file holds the marks of a merge conflict, else
// nil.
func conflictIn(file string, data []byte) error {
	line := 0
	for text := range bytes.Lines(data) {
		line++
		if bytes.HasPrefix(text, []byte("<<<<<<< ")) {
			return &runtimes.InputError{
				File: file, Line: line, Problem: "holds a merge conflict",
				Hint: "resolve it, and have the package manager write the lock file anew: `npm install --package-lock-only`, `pnpm install --lockfile-only`, `yarn install` and `bun install` do",
			}
		}
	}
	return nil
}

// lineAt is the line of a byte.
func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:max(0, min(offset, len(data)))], []byte("\n"))
}

func exists(project fs.FS, file string) bool {
	info, err := fs.Stat(project, file)
	return err == nil && !info.IsDir()
}

// inProject gives the path in the project of what a file of it names by a path
// relative to dir; ok is false where that is outside of the project.
func inProject(dir, name string) (at string, ok bool) {
	at = path.Join(dir, name)
	return at, !path.IsAbs(name) && !strings.Contains(name, `\`) && fs.ValidPath(at)
}
