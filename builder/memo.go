package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// A memo saves parsing a lock file that was parsed before. It is found by
// what was asked (the target), and holds what was read (each file's name and
// SHA-256) and what came of it. It is used only while every file that was
// read still hashes to the same: contents are always hashed, never trusted by
// time.
type memo struct {
	Reads    map[string]string `json:"reads"` // name in the project → what was seen
	Key      string            `json:"key"`
	LockFile string            `json:"lockFile"`
	Packages int               `json:"packages"`
	Notes    []string          `json:"notes,omitempty"`
}

const memoKind = "memo/1"

// memoKey names all that decides a recipe besides the files that are read. It
// is a hash, since an index's address may hold credentials.
func memoKey(program cache.Stamp, root string, combos []runtimes.Target, include []keyedFile, pins string) (string, error) {
	facts, err := json.Marshal(struct {
		Program cache.Stamp // another build of layerbuild may read lock files otherwise
		Root    string
		Targets []runtimes.Target // without pins and files
		Include []keyedFile
		Pins    string // hash of layerbuild.lock's content
	}{program, root, combos, include, pins})
	return hexSum(facts), err
}

// programStamp tells one build of layerbuild from another.
func programStamp() (cache.Stamp, error) {
	exe, err := os.Executable()
	if err != nil {
		return cache.Stamp{}, err
	}
	return cache.StampOf(exe)
}

// recallMemo returns the memo for key if all it read is unchanged.
func recallMemo(ctx context.Context, c *cache.Cache, key string, project fs.FS) (memo, bool) {
	data, err := c.GetValue(ctx, memoKind, key)
	if err != nil {
		return memo{}, false
	}
	var m memo
	if err := json.Unmarshal(data, &m); err != nil || m.Key == "" {
		return memo{}, false
	}
	for name, want := range m.Reads {
		kind, _, _ := strings.Cut(want, ":")
		if seen(project, name, kind) != want {
			return memo{}, false
		}
	}
	return m, true
}

// forgetMemo makes sure that a memo which misled one build misleads no other.
func forgetMemo(ctx context.Context, c *cache.Cache, key string) {
	if key != "" {
		_ = c.PutValue(ctx, memoKind, key, []byte("null"))
	}
}

// seen describes a name as a plugin met it: the content of a file, the names
// in a folder, or merely what is there.
func seen(project fs.FS, name, kind string) string {
	switch kind {
	case "file":
		data, err := fs.ReadFile(project, name)
		if err != nil {
			return absence(err)
		}
		return fileSeen(data)
	case "dir":
		entries, err := fs.ReadDir(project, name)
		if err != nil {
			return absence(err)
		}
		return dirSeen(entries)
	}
	info, err := fs.Stat(project, name)
	if err != nil {
		return absence(err)
	}
	return statSeen(info)
}

func fileSeen(data []byte) string {
	sum := sha256.Sum256(data)
	return "file:" + hex.EncodeToString(sum[:])
}

func dirSeen(entries []fs.DirEntry) string {
	var names bytes.Buffer
	for _, e := range entries {
		// Whether a file is executable decides what a local project is built of.
		executable := fs.FileMode(0)
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			executable = info.Mode() & 0o111
		}
		fmt.Fprintf(&names, "%s\x00%v%o\n", e.Name(), e.Type(), executable)
	}
	return "dir:" + fileSeen(names.Bytes())
}

func statSeen(info fs.FileInfo) string {
	if info.IsDir() {
		return "stat:folder"
	}
	return "stat:file"
}

func absence(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "stat:absent"
	}
	return "stat:error" // never equal to what a plugin could use
}

// recorder is a file system that remembers what was read from it.
type recorder struct {
	project fs.FS
	mu      sync.Mutex
	reads   map[string]string
	failed  bool // something could not be read, or changed: not to be remembered
}

func newRecorder(project fs.FS) *recorder {
	return &recorder{project: project, reads: make(map[string]string)}
}

// note keeps the strongest statement about a name: content over presence. Two
// statements that cannot both hold mean that the project changed meanwhile, so
// that nobody knows which of them the plugin's answer comes from.
func (r *recorder) note(name, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if what == "stat:error" {
		r.failed = true
	}
	old, ok := r.reads[name]
	if ok && (presence(old) != presence(what) || isContent(old) && isContent(what) && old != what) {
		r.failed = true
	}
	if !ok || !isContent(old) {
		r.reads[name] = what
	}
}

func isContent(what string) bool { return !strings.HasPrefix(what, "stat:") }

// presence reduces what was seen to whether there is something.
func presence(what string) string {
	switch kind, _, _ := strings.Cut(what, ":"); kind {
	case "file":
		return "stat:file"
	case "dir":
		return "stat:folder"
	}
	return what
}

func (r *recorder) ReadFile(name string) ([]byte, error) {
	data, err := fs.ReadFile(r.project, name)
	if err != nil {
		r.note(name, r.failure(name, err))
		return nil, err
	}
	r.note(name, fileSeen(data))
	return data, nil
}

func (r *recorder) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(r.project, name)
	if err != nil {
		r.note(name, r.failure(name, err))
		return nil, err
	}
	r.note(name, dirSeen(entries))
	return entries, nil
}

func (r *recorder) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(r.project, name)
	if err != nil {
		r.note(name, absence(err))
		return nil, err
	}
	r.note(name, statSeen(info))
	return info, nil
}

// failure describes why name could not be read as it was asked for; a folder
// read as a file is a folder still.
func (r *recorder) failure(name string, err error) string {
	if info, statErr := fs.Stat(r.project, name); statErr == nil {
		return statSeen(info)
	}
	return absence(err)
}

// Open serves whoever does not use the three methods above: a file is read as
// a whole, so that all of it is remembered.
func (r *recorder) Open(name string) (fs.File, error) {
	info, err := r.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if _, err := r.ReadDir(name); err != nil {
			return nil, err
		}
		return r.project.Open(name)
	}
	data, err := r.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return &readFile{Reader: bytes.NewReader(data), info: info, name: path.Base(name)}, nil
}

// readFile is a file that was read as a whole.
type readFile struct {
	*bytes.Reader
	info fs.FileInfo
	name string
}

func (f *readFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *readFile) Close() error               { return nil }
