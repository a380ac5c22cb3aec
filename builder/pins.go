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
	Version int                   `yaml:"version"`
	Images  map[string]string     `yaml:"images,omitempty"`
	Tools   map[string]lockedTool `yaml:"tools,omitempty"`
}

type lockedTool struct {
	Version string            `yaml:"version"`
	Files   map[string]string `yaml:"files"` // name → "sha256:…"
}

var sha256Pattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func readPins(file string) (runtimes.Pins, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return runtimes.Pins{Images: map[string]string{}, Tools: map[string]runtimes.Tool{}}, nil
	}
	if err != nil {
		return runtimes.Pins{}, err
	}
	return parsePins(file, data)
}

// parsePins reads layerbuild.lock; its errors are [*runtimes.InputError]s.
func parsePins(file string, data []byte) (runtimes.Pins, error) {
	pins := runtimes.Pins{Images: map[string]string{}, Tools: map[string]runtimes.Tool{}}
	problem := func(err error) error {
		input := &runtimes.InputError{
			File: asGiven(".", file), Problem: "cannot be used", Err: err,
			Hint: "restore it from version control, or delete it and build once without --locked to make it anew",
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
			if !sha256Pattern.MatchString(digest) {
				return pins, problem(fmt.Errorf("tool %s: %s: %q is no digest (sha256:… with 64 hex digits)", name, file, digest))
			}
			t.Files = append(t.Files, runtimes.File{Name: file, SHA256: strings.TrimPrefix(digest, "sha256:")})
		}
		pins.Tools[name] = t
	}
	return pins, nil
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
	doc := lockDocument{Version: lockVersion, Images: pins.Images, Tools: map[string]lockedTool{}}
	for name, tool := range pins.Tools {
		files := make(map[string]string)
		for _, f := range tool.Files {
			files[f.Name] = "sha256:" + f.SHA256
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
