package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

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

// lockFile is layerbuild.lock in memory, shared by all targets of a run.
type lockFile struct {
	path string
	mu   sync.Mutex
	pins runtimes.Pins
}

func openLockFile(root string) (*lockFile, error) {
	l := &lockFile{path: filepath.Join(root, LockName)}
	pins, err := readPins(l.path)
	l.pins = pins
	return l, err
}

func (l *lockFile) current() runtimes.Pins {
	l.mu.Lock()
	defer l.mu.Unlock()
	return clonePins(l.pins)
}

func clonePins(p runtimes.Pins) runtimes.Pins {
	return runtimes.Pins{Images: maps.Clone(p.Images), Tools: maps.Clone(p.Tools)}
}

var sha256Pattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func readPins(file string) (runtimes.Pins, error) {
	pins := runtimes.Pins{Images: map[string]string{}, Tools: map[string]runtimes.Tool{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return pins, nil
	}
	if err != nil {
		return pins, err
	}
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
	if err := encoder.Encode(doc); err != nil {
		return err
	}
	return cache.WriteFile(file, buf.Bytes())
}

// resolve finds out what a recipe needs and layerbuild.lock lacks, and writes
// it there.
func (l *lockFile) resolve(ctx context.Context, needs []runtimes.Need, images ContainerEngine, index Index, indexes []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Read again: another process may have resolved meanwhile.
	pins, err := readPins(l.path)
	if err != nil {
		return err
	}
	changed := false
	for _, need := range needs {
		if need.Image != "" && pins.Images[need.Image] == "" {
			digest, err := images.ResolveImage(ctx, need.Image)
			if err != nil {
				return fmt.Errorf("resolve image %s: %w", need.Image, err)
			}
			pins.Images[need.Image] = digest
			changed = true
		}
		if tool, ok := pins.Tools[need.Tool]; need.Tool != "" && (!ok || tool.Version != need.Version) {
			files, err := toolFiles(ctx, need, index, indexes)
			if err != nil {
				return fmt.Errorf("resolve %s %s: %w", need.Tool, need.Version, err)
			}
			pins.Tools[need.Tool] = runtimes.Tool{Version: need.Version, Files: files}
			changed = true
		}
	}
	if changed {
		if err := writePins(l.path, pins); err != nil {
			return fmt.Errorf("write %s: %w", LockName, err)
		}
	}
	l.pins = pins
	return nil
}

// toolWheel matches the wheels of a tool that Lambda's images can run.
var toolWheel = regexp.MustCompile(`manylinux[0-9_.a-z]*_(x86_64|aarch64)\.`)

func toolFiles(ctx context.Context, need runtimes.Need, index Index, indexes []string) ([]runtimes.File, error) {
	all, err := index.Files(ctx, runtimes.FileRequest{Ecosystem: "pypi", Name: need.Tool, Version: need.Version, Indexes: indexes})
	if err != nil {
		return nil, err
	}
	var files []runtimes.File
	for _, f := range all {
		if toolWheel.MatchString(f.Name) {
			files = append(files, runtimes.File{Name: f.Name, SHA256: f.SHA256})
		}
	}
	if len(files) == 0 {
		return nil, errors.New("the package index has no file of it for Linux")
	}
	slices.SortFunc(files, func(a, b runtimes.File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}
