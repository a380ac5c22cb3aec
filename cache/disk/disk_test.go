package disk_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/cachetest"
	"github.com/layerbuild/layerbuild/cache/disk"
)

var _ cache.Backend = (*disk.Store)(nil)

var name = "cas/" + strings.Repeat("ab", 32)

func open(t *testing.T, dir string) *disk.Store {
	t.Helper()
	s, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestBackend(t *testing.T) {
	cachetest.TestBackend(t, func(t *testing.T) cache.Backend {
		return open(t, filepath.Join(t.TempDir(), "a", "b"))
	})
}

// TestLayout holds what doc/cache.md says of the folder.
func TestLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	s := open(t, dir)
	if _, err := os.Stat(dir); err == nil {
		t.Error("Open made the folder")
	}
	if err := s.Put(t.Context(), name, 4, strings.NewReader("data")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "cas", "ab", strings.Repeat("ab", 32)))
	if err != nil || string(data) != "data" {
		t.Errorf("read %q, %v", data, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left := list(t, filepath.Join(dir, "tmp")); len(left) > 0 {
		t.Errorf("after Close, tmp/ holds %v", left)
	}
}

func TestOpenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Open(file); err == nil {
		t.Error("a file was opened as a store")
	}
}

// TestDeadTemp has a store's folder hold the files of one that lives and of
// one that died: as far as the locks go, a copied folder is that.
func TestDeadTemp(t *testing.T) {
	dir := t.TempDir()
	alive := open(t, dir)
	temp, err := alive.NewTemp()
	if err != nil {
		t.Fatal(err)
	}
	defer temp.Abort()
	live := filepath.Base(filepath.Dir(temp.Name()))
	dead := filepath.Join(dir, "tmp", "dead")
	if err := os.CopyFS(dead, os.DirFS(filepath.Dir(temp.Name()))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dead+".lock", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if got, want := list(t, filepath.Join(dir, "tmp")), live+" "+live+".lock"; strings.Join(got, " ") != want {
		t.Errorf("tmp/ holds %v; want %v", got, want)
	}
	if err := temp.Commit(name); err != nil {
		t.Errorf("the live file: %v", err)
	}
}

// TestFolderRemoved removes the whole folder under a store at work.
func TestFolderRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	s := open(t, dir)
	put := func() error { return s.Put(t.Context(), name, 4, strings.NewReader("data")) }
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := put(); err != nil {
		t.Errorf("Put after the folder was removed: %v", err)
	}
}

func TestQuarantine(t *testing.T) {
	s := open(t, t.TempDir())
	for _, data := range []string{"old", "new"} {
		if err := s.Put(t.Context(), name, 3, strings.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		f, err := s.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if data == "old" {
			// What is to be moved was replaced in the meantime.
			if err := s.Put(t.Context(), name, 3, strings.NewReader("new")); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Quarantine(name, f); err != nil {
			t.Fatal(err)
		}
		_, err = s.Stat(t.Context(), name)
		if gone := err != nil; gone != (data == "new") {
			t.Errorf("%s: gone is %v", data, gone)
		}
	}
	if got := list(t, filepath.Join(s.Dir(), "bad")); len(got) != 1 {
		t.Errorf("bad/ holds %v", got)
	}
}

func TestNames(t *testing.T) {
	s := open(t, t.TempDir())
	names := func(space string) (all []string) {
		for n, err := range s.Names(space) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, n)
		}
		return all
	}
	if got := names("cas"); len(got) != 0 {
		t.Errorf("an empty store has %v", got)
	}
	if err := s.Put(t.Context(), name, 0, strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	// A stranger's files are none of ours.
	for _, f := range []string{"cas/README", "cas/ab/README", "cas/ab/" + strings.Repeat("cd", 32)} {
		if err := os.WriteFile(filepath.Join(s.Dir(), f), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for range s.Names("cas") {
		break // must not go on
	}
	var got []string
	for n, err := range s.Names("cas") {
		if err == nil {
			got = append(got, n)
		}
	}
	if len(got) != 1 || got[0] != name {
		t.Errorf("names: %v", got)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	var holders atomic.Int32
	for range 4 {
		s := open(t, dir)
		for range 4 {
			wg.Go(func() {
				unlock, err := s.Lock(t.Context(), name)
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d holders at a time", n)
				}
				holders.Add(-1)
				unlock()
			})
		}
	}
	wg.Wait()
	if left := list(t, filepath.Join(dir, "lock")); len(left) > 0 {
		t.Errorf("lock/ holds %v", left)
	}
}

func TestLockContext(t *testing.T) {
	s := open(t, t.TempDir())
	unlock, err := s.Lock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v; want the context's", err)
	}
	other, err := s.Lock(t.Context(), "ac"+strings.TrimPrefix(name, "cas"))
	if err != nil {
		t.Fatal(err)
	}
	other()
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// TestRemoveRecord: a record whose blob is gone, as a process leaves it that is
// killed before it puts the blob, is in nobody's way.
func TestRemoveRecord(t *testing.T) {
	s := open(t, t.TempDir())
	name := "cas/" + strings.Repeat("a", 64)
	s.Announce(t.Context(), name)
	if removed, err := s.Remove(t.Context(), name, time.Now().Add(time.Hour)); removed || err != nil {
		t.Errorf("removed %v, %v", removed, err)
	}
}

// TestPublishedMark: what takes the place of a mark is no older than it.
func TestPublishedMark(t *testing.T) {
	s := open(t, t.TempDir())
	name := "ac/" + strings.Repeat("a", 64)
	temp, err := s.NewTemp()
	if err != nil {
		t.Fatal(err)
	}
	defer temp.Abort()
	old := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(temp.Name(), old, old); err != nil {
		t.Fatal(err)
	}
	if err := temp.Commit(name); err != nil {
		t.Fatal(err)
	}
	if mark, err := s.Mark(name); err != nil || time.Since(mark) > time.Minute {
		t.Errorf("marked %v, %v", mark, err)
	}
}
