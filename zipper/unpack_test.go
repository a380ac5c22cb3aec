package zipper

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"testing"
)

// TestUnpack: the contents of all entries, whatever the number of workers, and
// nothing stays in the folder for temporary files.
func TestUnpack(t *testing.T) {
	archive, _ := write(t, bigTree(), Options{})
	a, err := openBytes(t, archive, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 7} {
		dir := t.TempDir()
		u, err := a.Unpack(t.Context(), dir, Options{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		for i := range a.Entries {
			want, err := readContent(&a.Entries[i])
			if err != nil {
				t.Fatal(err)
			}
			r := u.Open(i)
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, want) || u.SHA256[i] != sha256.Sum256(want) {
				t.Errorf("%s: error %v, or another content", a.Entries[i].Name, err)
			}
			if len(want) > 0 {
				last := make([]byte, 1)
				if _, err := r.ReadAt(last, int64(len(want)-1)); err != nil || last[0] != want[len(want)-1] {
					t.Errorf("%s: last byte %q, error %v", a.Entries[i].Name, last, err)
				}
			}
			r.Close()
		}
		if err := u.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%v, error %v", left, err)
		}
	}
}

// TestUnpackFails: damage anywhere, and an end of patience, are errors.
func TestUnpackFails(t *testing.T) {
	archive, info := write(t, bigTree(), Options{})
	damaged := bytes.Clone(archive)
	a, err := openBytes(t, damaged, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Unpack(ctx, t.TempDir(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
	last := &a.Entries[len(a.Entries)-1]
	for i := range a.Entries {
		if e := &a.Entries[i]; e.Compressed > last.Compressed {
			last = e
		}
	}
	damaged[last.data+last.Compressed/2] ^= 0x55
	if _, err := a.Unpack(t.Context(), t.TempDir(), Options{}); !errors.Is(err, ErrRefused) {
		t.Errorf("damaged in %q of %d entries: error %v", last.Name, len(info.Entries), err)
	}
	if _, err := a.Unpack(t.Context(), t.TempDir()+"/none", Options{}); err == nil {
		t.Error("no folder: no error")
	}
}
