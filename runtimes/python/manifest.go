package python

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// readLock reads a lock file that some tool wrote.
func readLock(project fs.FS, file, relock string) ([]byte, error) {
	data, err := readFile(project, file)
	if err != nil {
		return nil, err
	}
	return data, checkConflict(file, data, fmt.Sprintf("resolve the merge, then run `%s`", relock))
}

// checkConflict refuses a file that a merge has left with its markers.
func checkConflict(file string, data []byte, hint string) error {
	if line := conflictMarker(data); line > 0 {
		return &runtimes.InputError{File: file, Line: line, Problem: "holds merge conflict markers", Hint: hint}
	}
	return nil
}

// staleLock refuses a lock file that its manifest has left behind.
func staleLock(file, manifest, difference, relock string) error {
	return &runtimes.InputError{
		File: file, Problem: fmt.Sprintf("does not fit %s: %s", manifest, difference),
		Hint: fmt.Sprintf("run `%s` and commit the result", relock),
	}
}

// unknownLockVersion refuses a lock file whose format is not known.
func unknownLockVersion(file string, line int, version, manager, known string) error {
	if version == "" {
		return &runtimes.InputError{File: file, Problem: "has no version: this is not a lock file of " + manager, Hint: "restore the committed file, or make it anew"}
	}
	return &runtimes.InputError{
		File: file, Line: line,
		Problem: fmt.Sprintf("version %s of %s's lock format is not known, only %s", shortText(version), manager, known),
		Hint:    "use a newer layerbuild, or lock with another " + manager,
	}
}

// lockHead is where lock files in TOML have their version.
type lockHead struct {
	Pylock   any `toml:"lock-version"`
	Metadata struct {
		Poetry any `toml:"lock-version"`
		PDM    any `toml:"lock_version"`
	} `toml:"metadata"`
}

// parseVersioned reads a lock file in TOML. Its version is looked at first: a
// newer one may well be of another shape. The major number must be one of
// majors; key is what the file calls the version, manager who writes it.
func parseVersioned[T any](file string, data []byte, manager, key string, of func(lockHead) any, majors ...string) (*T, error) {
	var head lockHead
	if err := decodeTOML(file, data, &head); err != nil {
		return nil, err
	}
	version, _ := of(head).(string)
	if major, _, _ := strings.Cut(version, "."); !slices.Contains(majors, major) {
		return nil, unknownLockVersion(file, lineOf(data, key), version, manager, strings.Join(majors, " and "))
	}
	var lock T
	if err := decodeTOML(file, data, &lock); err != nil {
		return nil, err
	}
	return &lock, nil
}

// ifNew advises to lock again what a lock file may be too old to have.
func ifNew(relock string) string { return fmt.Sprintf("run `%s` if it is new", relock) }

// askedNames normalises the extras or groups that a layer asks for, and refuses
// those that are not there; advice says what to do then.
func askedNames(file, kind string, names []string, known map[string]bool, advice string) ([]string, error) {
	var list []string
	for _, name := range names {
		normal := pep.NormaliseName(name)
		if !known[normal] {
			have := "it has none"
			if len(known) > 0 {
				have = "it has " + strings.Join(sortedKeys(known), ", ")
			}
			return nil, &runtimes.InputError{
				File: file, Problem: fmt.Sprintf("the project has no %s %q", kind, name),
				Hint: have + "; " + advice,
			}
		}
		if !slices.Contains(list, normal) {
			list = append(list, normal)
		}
	}
	return list, nil
}

// lockedFor refuses a target whose Python the lock file does not promise to
// know. Text is a limit in the lock's own words.
func lockedFor(file string, line int, t runtimes.Target, text string, admitted bool, relock string) error {
	if admitted {
		return nil
	}
	return &runtimes.InputError{
		File: file, Line: line,
		Problem: fmt.Sprintf("is locked for python%s, which %s is not", text, t.Runtime.Name),
		Hint:    fmt.Sprintf("widen the range of Python in the manifest and run `%s`, or choose another runtime", relock),
	}
}

// requirementEdge is a requirement in the words of PEP 508 as an edge.
func requirementEdge(text string, env pep.Environment) (lockEdge, error) {
	r, err := pep.ParseRequirement(text)
	if err != nil {
		return lockEdge{}, err
	}
	e := lockEdge{name: pep.NormaliseName(r.Name), extras: r.Extras, text: text}
	if !r.Marker.IsZero() {
		e.holds = func(extras []string) bool {
			with := env
			with.Extras = extras
			return r.Marker.Eval(with)
		}
	}
	if r.URL == "" && !r.Specifiers.IsEmpty() {
		e.admits = r.Specifiers.Contains
	}
	return e, nil
}

// includedGroup lists what a dependency group (PEP 735) and those that it
// includes hold; ok is false where that cannot be told.
func includedGroup(groups map[string][]any, name string, within []string) (list []string, ok bool) {
	if slices.Contains(within, name) {
		return nil, false
	}
	entries, ok := byNormalName(groups, name)
	for _, entry := range entries {
		switch entry := entry.(type) {
		case string:
			list = append(list, entry)
		case map[string]any:
			included, _ := entry["include-group"].(string)
			more, known := includedGroup(groups, pep.NormaliseName(included), append(within, name))
			if !known {
				return nil, false
			}
			list = append(list, more...)
		default:
			return nil, false
		}
	}
	return list, ok
}

// withExtras puts the place of what a project's own extras hold where one of
// them includes others: "demo[fast]" in demo's list.
func withExtras(own string, extras map[string][]string, list []string, within []string) []string {
	var all []string
	for _, text := range list {
		r, err := pep.ParseRequirement(text)
		if err != nil || own == "" || pep.NormaliseName(r.Name) != own {
			all = append(all, text)
			continue
		}
		for _, extra := range r.Extras {
			if more, ok := byNormalName(extras, extra); ok && !slices.Contains(within, extra) {
				all = append(all, withExtras(own, extras, more, append(within, extra))...)
			}
		}
	}
	return all
}

// firstDifference is what of a manifest's requirements a set does not meet, in
// people's words, or "". Versions are those of the set, by name.
func firstDifference(edges []lockEdge, versions map[string][]pep.Version) string {
	for _, e := range edges {
		if e.holds != nil && !e.holds(nil) {
			continue
		}
		have := versions[e.name]
		if len(have) == 0 {
			return e.name + " was added"
		}
		if e.admits != nil && !slices.ContainsFunc(have, e.admits) {
			return fmt.Sprintf("it asks for %s, and the lock has %s", strings.TrimSpace(shortText(e.text)), have[0])
		}
	}
	return ""
}

// fingerprint is the SHA-256 of a value as Python's json.dumps(sort_keys=True)
// writes it; ok is false where a value has no such form.
func fingerprint(value any, comma, colon string) (sum string, ok bool) {
	var b bytes.Buffer
	if err := pythonJSON(&b, value, comma, colon, 0); err != nil {
		return "", false
	}
	digest := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(digest[:]), true
}

var errNoJSON = errors.New("no JSON of Python's")

// maxNesting bounds tables within tables: no manifest has more.
const maxNesting = 64

func pythonJSON(b *bytes.Buffer, value any, comma, colon string, depth int) error {
	if depth > maxNesting {
		return errNoJSON
	}
	switch v := value.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case string:
		return pythonString(b, v)
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteString(comma)
			}
			if err := pythonJSON(b, item, comma, colon, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, key := range sortedKeys(v) {
			if i > 0 {
				b.WriteString(comma)
			}
			if err := pythonString(b, key); err != nil {
				return err
			}
			b.WriteString(colon)
			if err := pythonJSON(b, v[key], comma, colon, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	default: // a date or a float, which Python writes in ways of its own
		return errNoJSON
	}
	return nil
}

// pythonString writes a string with every letter beyond ASCII escaped.
func pythonString(b *bytes.Buffer, s string) error {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	start := b.Len()
	if err := encoder.Encode(s); err != nil {
		return err
	}
	text := strings.TrimSuffix(string(b.Bytes()[start:]), "\n")
	b.Truncate(start)
	for _, r := range text {
		switch {
		case r == 0x7f || r < 0x7f:
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
	}
	return nil
}

// readTables reads a TOML file as plain tables; it is nil where there is none.
func readTables(project fs.FS, name string) (map[string]any, error) {
	if !exists(project, name) {
		return nil, nil
	}
	data, err := readFile(project, name)
	if err != nil {
		return nil, err
	}
	var tables map[string]any
	if err := decodeTOML(name, data, &tables); err != nil {
		return nil, err
	}
	return tables, nil
}

// tableAt finds a table within tables.
func tableAt(tables map[string]any, keys ...string) map[string]any {
	for _, key := range keys {
		tables, _ = tables[key].(map[string]any)
	}
	return tables
}

// besideLock is the path of a file in the lock file's folder.
func besideLock(lock, name string) string { return path.Join(path.Dir(lock), name) }
