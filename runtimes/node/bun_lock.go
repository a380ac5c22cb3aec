package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/layerbuild/layerbuild/runtimes"
)

// maxBunNesting bounds how deep the brackets of a lock file are nested; those of
// real ones are five deep.
const maxBunNesting = 100

// bunAgain is the hint for a lock file that bun would not have written so.
const bunAgain = "`bun install` writes it anew; then commit it"

// bunDocument is a bun.lock.
type bunDocument struct {
	Version    *int                         `json:"lockfileVersion"`
	Workspaces map[string]bunProject        `json:"workspaces"` // by folder, "" for the lock's own
	Patched    map[string]string            `json:"patchedDependencies"`
	Overrides  map[string]json.RawMessage   `json:"overrides"`
	Catalog    map[string]string            `json:"catalog"`
	Catalogs   map[string]map[string]string `json:"catalogs"`
	Packages   map[string]bunEntry          `json:"packages"`
}

// bunWants is what a package or a project asks for.
type bunWants struct {
	Dependencies map[string]string `json:"dependencies,omitempty"`
	Optional     map[string]string `json:"optionalDependencies,omitempty"`
	Peers        map[string]string `json:"peerDependencies,omitempty"`
	OptionalPeer []string          `json:"optionalPeers,omitempty"`
}

// list lists them, sorted by name.
func (w bunWants) list() []dependency {
	meta := peerMeta{}
	for _, name := range w.OptionalPeer {
		entry := meta[name]
		entry.Optional = true
		meta[name] = entry
	}
	return wants(w.Dependencies, w.Optional, w.Peers, meta)
}

// bunProject is a project of the lock: a member of the workspace, or its root.
type bunProject struct {
	bunWants
	Name    string            `json:"name"`
	Version looseString       `json:"version"`
	Dev     map[string]string `json:"devDependencies"`
}

// bunEntry is a package of a bun.lock: its name and where it comes from
// ("debug@4.3.7", "one@workspace:packages/one"), the address of its file where
// that is not the default registry's, what its package.json says, and its hash.
// Which of them there are depends on where it comes from.
type bunEntry struct {
	id        string
	address   string
	info      bunInfo
	integrity string
}

type bunInfo struct {
	bunWants
	OS      looseList `json:"os"`
	CPU     looseList `json:"cpu"`
	Libc    looseList `json:"libc"`
	Bundled bool      `json:"bundled"`
	Scripts bool      `json:"hasInstallScript"`
}

func (e *bunEntry) UnmarshalJSON(data []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	if len(parts) == 0 || json.Unmarshal(parts[0], &e.id) != nil {
		return errors.New("a package's entry does not begin with its name")
	}
	var words []string // before and after what package.json says
	told := 0
	for _, part := range parts[1:] {
		var word string
		if json.Unmarshal(part, &word) == nil {
			words = append(words, word)
			continue
		}
		if err := json.Unmarshal(part, &e.info); err != nil {
			return fmt.Errorf("%s: %w", e.id, err)
		}
		told = len(words)
	}
	if told > 0 {
		e.address = words[0]
	}
	// What comes from version control has the name of a folder, too.
	if last := len(words) - 1; last >= told && validIntegrity(strongest(words[last])) {
		e.integrity = words[last]
	}
	return nil
}

// split splits the entry's id into the package's own name, and its version or
// where it comes from.
func (e bunEntry) split() (name, from string) {
	if e.id == "" {
		return "", ""
	}
	at := strings.IndexByte(e.id[1:], '@') // not the one that a scope begins with
	if at < 0 {
		return e.id, ""
	}
	return e.id[:at+1], e.id[at+2:]
}

// readBunLock reads a bun.lock.
func readBunLock(project fs.FS, file string) (*npmLock, *bunDocument, error) {
	data, err := readFile(project, file)
	if err != nil {
		return nil, nil, err
	}
	return parseBunLock(file, data)
}

func parseBunLock(file string, data []byte) (*npmLock, *bunDocument, error) {
	doc := &bunDocument{}
	if err := decodeBun(file, data, doc); err != nil {
		return nil, nil, err
	}
	l := newBunLock(file, data)
	switch version := doc.Version; {
	case version == nil:
		return nil, nil, &runtimes.InputError{File: file, Problem: "holds no lockfileVersion: it was cut short, or is no lock file of bun", Hint: bunAgain}
	case *version < 0 || *version > 2:
		return nil, nil, &runtimes.InputError{
			File: file, Line: l.lineOf("lockfileVersion"), Problem: fmt.Sprintf("lockfileVersion %d is not known", *version),
			Hint: "0, 1 and 2 can be read; a newer layerbuild may know it",
		}
	default:
		// Before version 2, nothing is said of install scripts, nor of C libraries.
		l.complete = *version == 2
	}
	if len(doc.Packages) > maxNPMPackages {
		return nil, nil, &runtimes.InputError{File: file, Problem: fmt.Sprintf("holds more than %d packages", maxNPMPackages)}
	}
	g := &bunGraph{lock: l, doc: doc}
	if err := g.build(); err != nil {
		return nil, nil, err
	}
	return l, doc, nil
}

// decodeBun decodes a bun.lock: JSON with trailing commas, and with comments
// where somebody wrote some.
func decodeBun(file string, data []byte, doc *bunDocument) error {
	if conflict := conflictIn(file, data); conflict != nil {
		return conflict
	}
	if line := tooNested(data); line > 0 {
		return &runtimes.InputError{File: file, Line: line, Problem: "nests deeper than any lock file of bun", Hint: bunAgain}
	}
	plain, err := hujson.Standardize(data) // which keeps the places of all that stays
	if err != nil {
		return &runtimes.InputError{File: file, Problem: "is no JSON, not even with comments and trailing commas", Err: err, Hint: "restore it, or " + bunAgain}
	}
	if err := json.Unmarshal(plain, doc); err != nil {
		return jsonProblem(file, data, err)
	}
	return nil
}

// tooNested is the line on which brackets are nested deeper than maxBunNesting,
// 0 where none are. Comments count as if they were none: who writes a hundred
// brackets into one has to take them out.
func tooNested(data []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted && c == '\n':
			quoted = false // a quote in a comment; strings hold no line breaks
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxBunNesting {
				return lineAt(data, i)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return 0
}
