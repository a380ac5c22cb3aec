package buildkit

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// tarOf is a tar of files with equal names and contents.
func tarOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(name))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpack(t *testing.T) {
	whole := tarOf(t, "layer.tar")
	for _, tt := range []struct {
		name  string
		outer []byte
		want  string // of the error
	}{
		{"packed", whole, ""},
		{"absent", tarOf(t, "other.tar"), "has left no layer.tar"},
		{"cut", whole[:515], "unexpected EOF"},
		{"no tar", bytes.Repeat([]byte("x"), 1024), "invalid tar header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got strings.Builder
			w, end := unpack(&got, "layer.tar")
			_, err := w.Write(tt.outer)
			err = end(err)
			switch {
			case tt.want == "" && (err != nil || got.String() != "layer.tar"):
				t.Errorf("got %q, %v", got.String(), err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want an error that says %q", err, tt.want)
			}
		})
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestUnpackErrors: a reader that fails ends the writing, and the solve's own
// error is the one that counts.
func TestUnpackErrors(t *testing.T) {
	w, end := unpack(full{}, "layer.tar")
	if _, err := io.Copy(w, bytes.NewReader(bytes.Repeat(tarOf(t, "layer.tar"), 100))); !errors.Is(err, errFull) {
		t.Errorf("writing ended with %v", err)
	}
	if err := end(nil); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	_, end = unpack(io.Discard, "layer.tar")
	failed := errors.New("a step failed")
	if err := end(failed); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}
