package python

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/layerbuild/layerbuild/runtimes"
)

// uvLock is a uv.lock of version 1: the universal resolution of a project or
// a workspace, for every platform at once. Later revisions only add fields.
type uvLock struct {
	Version        int            `toml:"version"`
	RequiresPython string         `toml:"requires-python"`
	Supported      []string       `toml:"supported-markers"`
	Conflicts      [][]uvConflict `toml:"conflicts"`
	Manifest       uvManifest     `toml:"manifest"`
	Packages       []uvPackage    `toml:"package"`
}

// uvConflict is one member of a set of which only one may be installed: an
// extra, a group, or the package's own dependencies.
type uvConflict struct {
	Package string `toml:"package"`
	Extra   string `toml:"extra"`
	Group   string `toml:"group"`
}

// uvManifest is what a workspace has beside its members' own tables.
type uvManifest struct {
	Members []string                   `toml:"members"`
	Groups  map[string][]uvRequirement `toml:"dependency-groups"`
}

type uvPackage struct {
	Name         string                    `toml:"name"`
	Version      string                    `toml:"version"` // "" for a local project whose version is dynamic
	Source       uvSource                  `toml:"source"`
	Markers      []string                  `toml:"resolution-markers"`
	Dependencies []uvDependency            `toml:"dependencies"`
	Extras       map[string][]uvDependency `toml:"optional-dependencies"`
	Groups       map[string][]uvDependency `toml:"dev-dependencies"`
	Sdist        *uvFile                   `toml:"sdist"`
	Wheels       []uvFile                  `toml:"wheels"`
	Metadata     uvMetadata                `toml:"metadata"`
}

// uvSource says where a package comes from; exactly one field is set.
type uvSource struct {
	Registry  string `toml:"registry"`
	Git       string `toml:"git"`
	URL       string `toml:"url"`
	Path      string `toml:"path"`
	Directory string `toml:"directory"`
	Editable  string `toml:"editable"`
	Virtual   string `toml:"virtual"`
}

// tree returns the folder of a local project, as a path below the lock's.
func (s uvSource) tree() (dir string, ok bool) {
	for _, dir := range []string{s.Virtual, s.Editable, s.Directory} {
		if dir != "" {
			return path.Clean(dir), true
		}
	}
	return "", false
}

func (s uvSource) String() string {
	for _, k := range []struct{ kind, value string }{
		{"git ", s.Git}, {"url ", s.URL}, {"path ", s.Path}, {"folder ", s.Directory},
		{"editable folder ", s.Editable}, {"folder ", s.Virtual}, {"registry ", s.Registry},
	} {
		if k.value != "" {
			return k.kind + withoutUser(k.value)
		}
	}
	return "unknown source"
}

// uvDependency is an edge of the graph. Version and Source are there where
// the lock holds several packages of the name.
type uvDependency struct {
	Name    string   `toml:"name"`
	Version string   `toml:"version"`
	Source  uvSource `toml:"source"`
	Extras  []string `toml:"extra"`
	Marker  string   `toml:"marker"`
}

type uvFile struct {
	URL      string `toml:"url"`
	Path     string `toml:"path"`
	Filename string `toml:"filename"`
	Hash     string `toml:"hash"`
	Size     int64  `toml:"size"`
}

// uvMetadata is what a local project required when it was locked.
type uvMetadata struct {
	RequiresDist   []uvRequirement            `toml:"requires-dist"`
	ProvidesExtras []string                   `toml:"provides-extras"`
	RequiresDev    map[string][]uvRequirement `toml:"requires-dev"`
}

// uvRequirement is a requirement as uv writes it, after tool.uv.sources.
type uvRequirement struct {
	Name      string   `toml:"name"`
	Extras    []string `toml:"extras"`
	Marker    string   `toml:"marker"`
	Specifier string   `toml:"specifier"`
	Git       string   `toml:"git"`
	URL       string   `toml:"url"`
	Path      string   `toml:"path"`
	Directory string   `toml:"directory"`
	Editable  string   `toml:"editable"`
	Virtual   string   `toml:"virtual"`
}

// local tells whether the requirement names its source and so no versions.
func (r uvRequirement) local() bool {
	return r.Git != "" || r.URL != "" || r.Path != "" || r.Directory != "" || r.Editable != "" || r.Virtual != ""
}

// maxLock bounds what is read of a lock file: the largest that were seen have
// a few megabytes.
const maxLock = 64 << 20

// readFile reads a file that the user committed.
func readFile(project fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(project, name)
	if err == nil && info.Size() > maxLock {
		return nil, &runtimes.InputError{File: name, Problem: fmt.Sprintf("%d bytes, too large to be what its name says", info.Size())}
	}
	if err == nil && info.IsDir() {
		return nil, &runtimes.InputError{File: name, Problem: "a folder, not a file"}
	}
	data, err := fs.ReadFile(project, name)
	if err != nil {
		return nil, &runtimes.InputError{File: name, Problem: "cannot be read", Err: reason(err)}
	}
	return data, nil
}

// reason drops the path, which an InputError says itself.
func reason(err error) error {
	if pathError := (*fs.PathError)(nil); errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// parseUVLock reads the lock file named name, for messages, from data.
func parseUVLock(name string, data []byte) (*uvLock, error) {
	var lock uvLock
	if err := decodeTOML(name, data, &lock); err != nil {
		// A later version may well have other types: say that first.
		var head struct {
			Version int `toml:"version"`
		}
		if toml.Unmarshal(data, &head) == nil && head.Version > 1 {
			return nil, unknownVersion(name, data, head.Version)
		}
		return nil, err
	}
	if lock.Version != 1 {
		return nil, unknownVersion(name, data, lock.Version)
	}
	if len(lock.Packages) == 0 && len(lock.Manifest.Members) > 0 {
		return nil, &runtimes.InputError{File: name, Problem: "holds no packages: it was cut short", Hint: uvLockHint}
	}
	return &lock, nil
}

const uvLockHint = "make it anew with `uv lock`, or restore the committed one"

func unknownVersion(name string, data []byte, version int) error {
	if version == 0 {
		return &runtimes.InputError{File: name, Problem: "has no version: this is not a lock file of uv", Hint: uvLockHint}
	}
	return &runtimes.InputError{
		File:    name,
		Line:    lineOf(data, "version = "),
		Problem: fmt.Sprintf("version %d of uv's lock format is not known, only version 1", version),
		Hint:    "use a newer layerbuild, or lock with an older uv",
	}
}

// decodeTOML decodes a file that the user wrote or committed, and says where
// it is wrong.
func decodeTOML(name string, data []byte, v any) error {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	err := toml.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	if conflict := checkConflict(name, data, "resolve the merge, then run `uv lock`"); conflict != nil {
		return conflict
	}
	problem := &runtimes.InputError{File: name, Problem: "cannot be read as TOML", Err: err}
	if decode := (*toml.DecodeError)(nil); errors.As(err, &decode) {
		problem.Line, _ = decode.Position()
		problem.Err = errors.New(plainTOML(decode.Error()))
		if key := decode.Key(); len(key) > 0 {
			problem.Problem = fmt.Sprintf("cannot be read as TOML, at %s", strings.Join(key, "."))
		}
		if problem.Line >= bytes.Count(bytes.TrimRight(data, "\n"), []byte("\n"))+1 {
			problem.Hint = "the file seems to be cut short: restore it"
		}
	}
	return problem
}

// plainTOML says what the decoder says without the names of Go's types.
func plainTOML(message string) string {
	message = strings.TrimPrefix(message, "toml: ")
	found, wanted, ok := strings.Cut(strings.TrimPrefix(message, "cannot decode TOML "), " into struct field ")
	if !ok {
		return message
	}
	kind := wanted[strings.LastIndexByte(wanted, ' ')+1:]
	switch {
	case strings.HasPrefix(kind, "[]"):
		kind = "array"
	case strings.HasPrefix(kind, "map["), strings.Contains(kind, "."):
		kind = "table"
	case strings.HasPrefix(kind, "int"):
		kind = "integer"
	}
	return withArticle(found) + ", not " + withArticle(kind)
}

func withArticle(noun string) string {
	if noun != "" && strings.IndexByte("aeiou", noun[0]) >= 0 {
		return "an " + noun
	}
	return "a " + noun
}

// conflictMarker returns the line of the first mark that a merge left, or 0.
func conflictMarker(data []byte) int {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if bytes.HasPrefix(line, []byte("<<<<<<< ")) || bytes.HasPrefix(line, []byte(">>>>>>> ")) {
			return n
		}
	}
	return 0
}

// lineOf returns the line of data that begins with prefix, or 0.
func lineOf(data []byte, prefix string) int {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if bytes.HasPrefix(line, []byte(prefix)) {
			return n
		}
	}
	return 0
}

// withoutUser drops the user and password of a URL.
func withoutUser(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	authority, tail, slash := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	if slash {
		authority += "/"
	}
	return scheme + "://" + authority + tail
}
