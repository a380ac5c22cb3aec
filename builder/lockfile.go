package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/layerbuild/layerbuild/runtimes"
)

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
