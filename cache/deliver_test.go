package cache

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDeliver(t *testing.T) {
	c := openCache(t, t.TempDir())
	dir := t.TempDir()
	t.Chdir(dir)
	data := noise(1, 2_000_000)
	b := putBlob(t, c, data)
	old := noise(2, 3_000_000)
	readOnly := filepath.Join(dir, "readonly.zip")
	link := filepath.Join(dir, "link.zip")
	target := filepath.Join(dir, "target")
	for path, mode := range map[string]fs.FileMode{readOnly: 0o444, target: 0o600} {
		if err := os.WriteFile(path, old, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	compiled := filepath.Join(t.TempDir(), "compiled") // the mode that the umask leaves
	if err := os.WriteFile(compiled, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	want, err := os.Lstat(compiled)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"out.zip", "./out.zip", "new/er/out.zip", readOnly, link} {
		stamp, err := c.Deliver(t.Context(), b, path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: holds %d bytes, %v", path, len(got), err)
		}
		if now, err := StampOf(path); err != nil || now != stamp || now.Size != b.Size {
			t.Errorf("%s: stamp %v, %v; Deliver gave %v", path, now, err, stamp)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != want.Mode() {
			t.Errorf("%s: mode %v, %v; want %v", path, info.Mode(), err, want.Mode())
		}
	}
	if got, err := os.ReadFile(target); err != nil || !bytes.Equal(got, old) {
		t.Errorf("the file behind a symbolic link was written to: %v", err)
	}
	if left, _ := filepath.Glob(".*.tmp"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestDeliveredEdit edits an output at once: its stamp shows it, and the
// cache does not.
func TestDeliveredEdit(t *testing.T) {
	c := openCache(t, t.TempDir())
	out := filepath.Join(t.TempDir(), "out.zip")
	data := noise(1, 100_000)
	b := putBlob(t, c, data)
	for i := range 50 {
		stamp, err := c.Deliver(t.Context(), b, out)
		if err != nil {
			t.Fatal(err)
		}
		edit(t, out, int64(i))
		if now, err := StampOf(out); err != nil || now == stamp {
			t.Fatalf("edit %d does not show in the stamp %v, %v", i, now, err)
		}
	}
	if got, err := readBlob(t, c, b); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the blob has %d bytes, %v", len(got), err)
	}
}

func TestDeliverFails(t *testing.T) {
	c := openCache(t, t.TempDir())
	b := putBlob(t, c, []byte("blob"))
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("file"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "folder", "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "folder"), filepath.Join(file, "out")} {
		if _, err := c.Deliver(t.Context(), b, path); err == nil {
			t.Errorf("delivered to %s", path)
		}
	}
	_, err := c.Deliver(t.Context(), Blob{key("absent"), 4}, file)
	wantMiss(t, err, true)
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestDeadOutput: what a killed process left beside an output goes with the
// next delivery to it or with ClearOutputs, and nothing else does.
func TestDeadOutput(t *testing.T) {
	c := openCache(t, t.TempDir())
	b := putBlob(t, c, []byte("blob"))
	dir := t.TempDir()
	random := strings.Repeat("a", 26)
	for _, name := range []string{".out.zip." + random + ".tmp", ".other.zip." + random + ".tmp", ".out.zip.swp", ".out.zip.short.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	live, err := newOutput(filepath.Join(dir, "out.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.abort()
	left := func() string {
		names, _ := filepath.Glob(filepath.Join(dir, ".*"))
		return strings.Join(names, " ")
	}
	if _, err := c.Deliver(t.Context(), b, filepath.Join(dir, "out.zip")); err != nil {
		t.Fatal(err)
	}
	if got := left(); strings.Contains(got, ".out.zip."+random) || !strings.Contains(got, ".other.zip."+random) || !strings.Contains(got, live.f.Name()) {
		t.Errorf("after a delivery there are %s", got)
	}
	ClearOutputs(dir)
	if got := left(); strings.Contains(got, random) || !strings.Contains(got, live.f.Name()) ||
		!strings.Contains(got, ".swp") || !strings.Contains(got, ".short.tmp") {
		t.Errorf("after ClearOutputs there are %s", got)
	}
}

// TestStamp follows the record of one blob's stamp.
func TestStamp(t *testing.T) {
	c := openCache(t, t.TempDir())
	b := putBlob(t, c, []byte("blob"))
	path := blobPath(t, c, b)
	touch := func(age time.Duration) func() error {
		return func() error { return os.Chtimes(path, time.Time{}, time.Now().Add(-age)) }
	}
	for _, step := range []struct {
		name        string
		do          func() error
		before, now bool // recorded and right, before and after the blob is read
	}{
		{"put", func() error { return nil }, true, true},
		{"written just now", touch(0), false, false},
		{"written a second ago", touch(time.Second), false, false},
		{"written tomorrow", touch(-24 * time.Hour), false, false},
		{"written long ago", touch(time.Hour), false, true},
		{"copied back", func() error { // as a restored backup is
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path+".copy", data, 0o666); err != nil {
				return err
			}
			mtime := time.Now().Add(-time.Hour)
			if err := os.Chtimes(path+".copy", mtime, mtime); err != nil {
				return err
			}
			return os.Rename(path+".copy", path)
		}, false, true},
		{"record damaged", func() error {
			record, err := c.local.Path(stampName(b.SHA256))
			if err != nil {
				return err
			}
			return os.WriteFile(record, []byte(`{"sha256":`), 0o666)
		}, false, true},
		{"put again", func() error {
			_, err := c.PutBlob(t.Context(), bytes.NewReader([]byte("blob")))
			return err
		}, true, true},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := c.has(b); got != step.before {
			t.Errorf("%s: verified is %v", step.name, got)
		}
		if got, err := readBlob(t, c, b); err != nil || string(got) != "blob" {
			t.Errorf("%s: read %q, %v", step.name, got, err)
		}
		if got := c.has(b); got != step.now {
			t.Errorf("%s, then read: verified is %v", step.name, got)
		}
	}
}

// has reports whether a blob is in the cache and needs no hashing.
func (c *Cache) has(b Blob) bool {
	path, err := c.local.Path(b.name())
	if err != nil {
		return false
	}
	s, err := StampOf(path)
	return err == nil && s.Size == b.Size && c.verified(b.SHA256, s)
}
