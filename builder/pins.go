package builder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// LockName is the file that holds what no other lock file does; it lies
// beside the configuration and is committed with it.
const LockName = "layerbuild.lock"

const lockVersion = 1

const lockHeader = "# Written by layerbuild: what no other lock file holds. Commit it.\n"

// lockDocument is layerbuild.lock as YAML. Maps are written in key order, so
// equal content gives equal bytes.
type lockDocument struct {
	Version      int                         `yaml:"version"`
	Images       map[string]string           `yaml:"images,omitempty"`
	Tools        map[string]lockedTool       `yaml:"tools,omitempty"`
	Requirements map[string]lockedResolution `yaml:"requirements,omitempty"`
	Builds       map[string]lockedResolution `yaml:"builds,omitempty"`
}

type lockedTool struct {
	Version string            `yaml:"version"`
	Files   map[string]string `yaml:"files"` // name → "sha256:…" or "sha512-…"
}

type lockedResolution struct {
	Input    string              `yaml:"input"`    // "sha256:…"
	For      []string            `yaml:"for,flow"` // "python3.11 x86_64", …
	Packages map[string][]string `yaml:"packages"` // requirement → "sha256:…", with " " and the file's name where Pinned has one
}

var (
	sha256Pattern    = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	integrityPattern = regexp.MustCompile(`^sha512-[A-Za-z0-9+/]{86}==$`)
)

// readPins reads layerbuild.lock; sum is the hash of its content, "" where it
// is not there.
func readPins(file string) (pins runtimes.Pins, sum string, err error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return newPins(), "", nil
	}
	if err != nil {
		return runtimes.Pins{}, "", err
	}
	pins, err = parsePins(file, data)
	return pins, hexSum(data), err
}

func newPins() runtimes.Pins {
	return runtimes.Pins{
		Images: map[string]string{}, Tools: map[string]runtimes.Tool{},
		Requirements: map[string]runtimes.Resolution{}, Builds: map[string]runtimes.Resolution{},
	}
}

// parsePins reads layerbuild.lock; its errors are [*runtimes.InputError]s.
func parsePins(file string, data []byte) (runtimes.Pins, error) {
	pins := newPins()
	problem := func(err error) error {
		input := &runtimes.InputError{
			File: asGiven(".", file), Problem: "cannot be used", Err: err,
			Hint: "restore it from version control, or delete it and make it anew: layerbuild lock",
		}
		if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
			input.Line, _ = strconv.Atoi(m[1])
			input.Err = errors.New("not valid YAML: " + m[2])
		}
		if err == io.EOF {
			input.Err = errors.New("it is empty")
		}
		return input
	}
	if line := conflictLine(data); line > 0 {
		return pins, &runtimes.InputError{
			File: asGiven(".", file), Line: line, Problem: "holds a merge conflict",
			Hint: "take either side (git checkout --ours " + LockName + "), then run: layerbuild lock",
		}
	}
	// First, since a newer file may well have other fields.
	var head struct{ Version int }
	if yaml.Unmarshal(data, &head) == nil && head.Version > lockVersion {
		return pins, &runtimes.InputError{
			File: asGiven(".", file), Problem: fmt.Sprintf("version %d: this layerbuild knows version %d only", head.Version, lockVersion),
			Hint: "a newer layerbuild wrote it: upgrade layerbuild",
		}
	}
	var doc lockDocument
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&doc); err != nil {
		return pins, problem(err)
	}
	if doc.Version != lockVersion {
		return pins, problem(fmt.Errorf("version %d: this layerbuild knows version %d only", doc.Version, lockVersion))
	}
	for ref, digest := range doc.Images {
		if !sha256Pattern.MatchString(digest) {
			return pins, problem(fmt.Errorf("image %s: %q is no digest (sha256:… with 64 hex digits)", ref, digest))
		}
		pins.Images[ref] = digest
	}
	for name, tool := range doc.Tools {
		t := runtimes.Tool{Version: tool.Version}
		for _, file := range slices.Sorted(maps.Keys(tool.Files)) {
			digest := tool.Files[file]
			switch {
			case sha256Pattern.MatchString(digest):
				t.Files = append(t.Files, runtimes.File{Name: file, SHA256: strings.TrimPrefix(digest, "sha256:")})
			case integrityPattern.MatchString(digest):
				t.Files = append(t.Files, runtimes.File{Name: file, Integrity: digest})
			default:
				return pins, problem(fmt.Errorf("tool %s: %s: %q is no digest (sha256:… with 64 hex digits)", name, file, digest))
			}
		}
		pins.Tools[name] = t
	}
	for _, part := range []struct {
		from map[string]lockedResolution
		to   map[string]runtimes.Resolution
	}{{doc.Requirements, pins.Requirements}, {doc.Builds, pins.Builds}} {
		for name, locked := range part.from {
			res, err := locked.parse()
			if err != nil {
				return pins, problem(fmt.Errorf("%s: %w", name, err))
			}
			part.to[name] = res
		}
	}
	return pins, nil
}

func (l lockedResolution) parse() (runtimes.Resolution, error) {
	res := runtimes.Resolution{Input: strings.TrimPrefix(l.Input, "sha256:"), Places: l.For}
	if !sha256Pattern.MatchString(l.Input) {
		return res, fmt.Errorf("input: %q is no digest (sha256:… with 64 hex digits)", l.Input)
	}
	for _, requirement := range slices.Sorted(maps.Keys(l.Packages)) {
		p := runtimes.Pinned{Requirement: requirement}
		for _, digest := range l.Packages[requirement] {
			digest, p.File, _ = strings.Cut(digest, " ")
			if !sha256Pattern.MatchString(digest) {
				return res, fmt.Errorf("%s: %q is no digest (sha256:… with 64 hex digits)", requirement, digest)
			}
			p.SHA256 = append(p.SHA256, strings.TrimPrefix(digest, "sha256:"))
		}
		if slices.Sort(p.SHA256); len(p.SHA256) == 0 {
			return res, fmt.Errorf("%s has no hash", requirement)
		}
		res.Packages = append(res.Packages, p)
	}
	return res, nil
}

func lockResolutions(all map[string]runtimes.Resolution) map[string]lockedResolution {
	locked := make(map[string]lockedResolution)
	for name, res := range all {
		l := lockedResolution{"sha256:" + res.Input, res.Places, map[string][]string{}}
		for _, p := range res.Packages {
			for _, digest := range p.SHA256 {
				l.Packages[p.Requirement] = append(l.Packages[p.Requirement], strings.TrimSuffix("sha256:"+digest+" "+p.File, " "))
			}
		}
		locked[name] = l
	}
	return locked
}

// conflictLine is the line of the first mark that a merge left, 0 without one.
func conflictLine(data []byte) int {
	line := 0
	for text := range bytes.Lines(data) {
		line++
		for _, mark := range []string{"<<<<<<<", "=======", ">>>>>>>"} {
			if bytes.HasPrefix(text, []byte(mark)) {
				return line
			}
		}
	}
	return 0
}

func writePins(file string, pins runtimes.Pins) error {
	data, err := formatPins(pins)
	if err != nil {
		return err
	}
	return cache.WriteFile(file, data)
}

// formatPins is layerbuild.lock's one form.
func formatPins(pins runtimes.Pins) ([]byte, error) {
	doc := lockDocument{
		Version: lockVersion, Images: pins.Images, Tools: map[string]lockedTool{},
		Requirements: lockResolutions(pins.Requirements), Builds: lockResolutions(pins.Builds),
	}
	for name, tool := range pins.Tools {
		files := make(map[string]string)
		for _, f := range tool.Files {
			if files[f.Name] = f.Integrity; f.SHA256 != "" {
				files[f.Name] = "sha256:" + f.SHA256
			}
		}
		doc.Tools[name] = lockedTool{tool.Version, files}
	}
	var buf bytes.Buffer
	buf.WriteString(lockHeader)
	encoder := yaml.NewEncoder(&buf)
	encoder.SetIndent(2)
	err := encoder.Encode(doc)
	return buf.Bytes(), err
}
