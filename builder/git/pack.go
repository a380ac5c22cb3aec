package git

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Bounds of a commit: more is hardly a package's source.
const (
	maxBytes = 256 << 20
	maxFiles = 50_000
)

// treeFile is a file of a commit.
type treeFile struct {
	name string
	mode string // git's: "100644", "100755", "120000" for a link
	blob string
	size int64
}

// pack writes what a commit holds as a zip archive that compresses nothing:
// names, modes and contents, and nothing of git's. Links to files become files.
func (r repository) pack(ctx context.Context, address, commit string) ([]byte, error) {
	files, err := r.list(ctx, address, commit)
	if err != nil {
		return nil, err
	}
	blobs, err := r.contents(ctx, files)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]treeFile, len(files))
	for _, f := range files {
		byName[f.name] = f
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		target, ok := follow(f, byName, blobs)
		if !ok {
			continue // a link to nowhere, or to a folder: no build tool packs these
		}
		data := blobs[target.blob]
		header := &zip.FileHeader{Name: f.name, Method: zip.Store, Modified: fixedTime}
		header.SetMode(0o644)
		if target.mode == "100755" {
			header.SetMode(0o755)
		}
		entry, err := w.CreateHeader(header)
		if err != nil {
			return nil, fmt.Errorf("pack %s of %s: %w", f.name, address, err)
		}
		_, _ = entry.Write(data) // into memory
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack %s: %w", address, err)
	}
	return out.Bytes(), nil
}

// fixedTime is the first that a zip archive can hold.
var fixedTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// maxLinks bounds how many links lead on to others.
const maxLinks = 8

// follow finds the file that f is, or links to.
func follow(f treeFile, byName map[string]treeFile, blobs map[string][]byte) (treeFile, bool) {
	for range maxLinks {
		if f.mode != "120000" {
			return f, true
		}
		to := path.Join(path.Dir(f.name), string(blobs[f.blob]))
		next, ok := byName[to]
		if !ok {
			return f, false
		}
		f = next
	}
	return f, false
}

// list lists a commit's files, sorted by name.
func (r repository) list(ctx context.Context, address, commit string) ([]treeFile, error) {
	out, err := r.run(ctx, nil, "ls-tree", "-r", "-z", "-l", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	var files []treeFile
	var total int64
	for _, record := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		facts, name, ok := strings.Cut(record, "\t")
		fields := strings.Fields(facts)
		if !ok || len(fields) != 4 {
			return nil, fmt.Errorf("git lists %q, which cannot be read", record)
		}
		if fields[1] == "commit" {
			return nil, &runtimes.InputError{
				Problem: fmt.Sprintf("%s at %s has a submodule, %s, which is not fetched", address, commit, name),
				Hint:    "take the package from an index, or as a source archive that holds all of it",
			}
		}
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("git lists %q, which cannot be read", record)
		}
		files = append(files, treeFile{name: name, mode: fields[0], blob: fields[2], size: size})
		if total += size; total > maxBytes || len(files) > maxFiles {
			return nil, &runtimes.InputError{
				Problem: fmt.Sprintf("%s at %s holds more than %d MiB or %d files, which is no package's source", address, commit, maxBytes>>20, maxFiles),
				Hint:    "take the package from an index",
			}
		}
	}
	slices.SortFunc(files, func(a, b treeFile) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// contents reads the files' blobs, by their names in git. No filter is applied:
// what is read is what was committed.
func (r repository) contents(ctx context.Context, files []treeFile) (map[string][]byte, error) {
	var ask bytes.Buffer
	for _, f := range files {
		ask.WriteString(f.blob + "\n")
	}
	out, err := r.run(ctx, &ask, "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	blobs := make(map[string][]byte, len(files))
	in := bufio.NewReader(bytes.NewReader(out))
	for _, f := range files {
		line, err := in.ReadString('\n')
		fields := strings.Fields(line)
		if err != nil || len(fields) != 3 || fields[0] != f.blob || fields[1] != "blob" || fields[2] != strconv.FormatInt(f.size, 10) {
			return nil, fmt.Errorf("git gives %q for %s", strings.TrimSpace(line), f.name)
		}
		data := make([]byte, f.size)
		if _, err := io.ReadFull(in, data); err != nil {
			return nil, err
		}
		if _, err := in.Discard(1); err != nil {
			return nil, err
		}
		blobs[f.blob] = data
	}
	return blobs, nil
}
