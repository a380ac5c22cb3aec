package tempfile

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestNew(t *testing.T) {
	for name, make := range map[string]func(string) (*File, error){"as the system can": New, "with a name at first": create} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, err := make(dir)
			if err != nil {
				t.Fatal(err)
			}
			wantFiles(t, dir)
			want := []byte("some bytes")
			if _, err := f.Write(want); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(io.NewSectionReader(f, 0, 100)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("read %q, %v", got, err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			wantFiles(t, dir)
			if _, err := make(filepath.Join(dir, "nowhere")); err == nil {
				t.Error("made in a folder that is not there")
			}
		})
	}
}

// TestDead: the name that a killed process left is cleared, and nothing else.
func TestDead(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{prefix + "123", "layerbuild-other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	wantFiles(t, dir, "layerbuild-other")
}

// TestTempDir: the folder is the system's where none is named.
func TestTempDir(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nowhere"))
	t.Setenv("TMP", filepath.Join(t.TempDir(), "nowhere"))
	if f, err := New(""); err == nil {
		f.Close()
		t.Error("it is made elsewhere")
	}
}

func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(want) {
		t.Fatalf("the folder holds %v, want %v", entries, want)
	}
	for i, e := range entries {
		if e.Name() != want[i] {
			t.Errorf("the folder holds %s, want %s", e.Name(), want[i])
		}
	}
}
