package zipper

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNoAtime archives what has been changed since it was read last, which is when
// a kernel that notes reading at all notes it.
func TestNoAtime(t *testing.T) {
	dir := t.TempDir()
	long := time.Now().Add(-100 * time.Hour).Truncate(time.Second)
	folder := filepath.Join(dir, "folder")
	read := []string{filepath.Join(folder, "file"), folder}
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(read[0], []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range read {
		if err := os.Chtimes(name, long, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := Folder(t.Context(), DirFS(dir), nil)
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	write(t, entries, Options{})
	for _, name := range read {
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil {
			t.Fatal(err)
		}
		if got := time.Unix(st.Atim.Unix()); !got.Equal(long) {
			t.Errorf("%s was read at %v, as its inode says now", name, got)
		}
	}
}

// TestAtimeOfOthers opens a file of root's as somebody else, who may not ask for
// that.
func TestAtimeOfOthers(t *testing.T) {
	const name = "/etc/passwd"
	asNobody(t)
	if fd, err := unix.Open(name, unix.O_RDONLY|noAtime, 0); !errors.Is(err, unix.EPERM) {
		t.Fatalf("%d, %v: this is no test", fd, err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := openFile(name, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f); err != nil || int64(len(data)) != info.Size() {
		t.Error(len(data), err)
	}
	if _, err := openFile("/nowhere", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// asNobody has the rest of a test of root's read files as somebody else.
func asNobody(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		runtime.LockOSThread() // and it ends with this goroutine
		if err := unix.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Setfsuid(0) }) // to remove what the test has made
	}
}

// TestUnknownEntries lists a folder whose files may not be looked at: they may be
// left out, which only their names and kinds decide.
func TestUnknownEntries(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{dir: 0o744, filepath.Dir(dir): 0o755} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() != 0 {
		defer os.Chmod(dir, 0o755) // to remove it
		if err := os.Chmod(dir, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	asNobody(t)
	list, err := readDir(dir)
	if err != nil || len(list) != 2 || list[0].Name() != "file" || list[0].IsDir() || list[1].Name() != "folder" || !list[1].IsDir() {
		t.Fatal(list, err)
	}
	if _, err := list[0].Info(); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}
