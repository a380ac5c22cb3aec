package main

import (
	"archive/zip"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEdit(t *testing.T) {
	for _, files := range []int{1, 99, 300} {
		from, to := t.TempDir(), filepath.Join(t.TempDir(), "edited")
		for i := range files {
			if err := os.WriteFile(filepath.Join(from, fmt.Sprint(i)), []byte(strings.Repeat("line\n", i)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var trees []tree
		for _, seed := range []uint64{1, 1, 2} {
			if _, err := edit(from, to, seed); err != nil {
				t.Fatal(err)
			}
			trees = append(trees, mustTree(t, to))
		}
		before := mustTree(t, from)
		changed := 0
		for name := range before {
			if before[name] != trees[0][name] {
				changed++
			}
		}
		if want := max(1, files/100); changed != want {
			t.Errorf("%d of %d files changed, want %d", changed, files, want)
		}
		if !maps.Equal(trees[0], trees[1]) {
			t.Error("one seed gave two trees")
		}
		if maps.Equal(trees[0], trees[2]) {
			t.Error("two seeds gave one tree")
		}
		if len(trees[0]) != files {
			t.Errorf("%d files of %d", len(trees[0]), files)
		}
	}
}

// TestSame: an archive that lacks a file, has another mode or another content
// is not the tree.
func TestSame(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := mustTree(t, dir)
	for _, tt := range []struct {
		name, file, content string
		mode                os.FileMode
		same                bool
	}{
		{"same", "a", "content", 0o644, true},
		{"name", "b", "content", 0o644, false},
		{"content", "a", "contents", 0o644, false},
		{"mode", "a", "content", 0o755, false},
	} {
		archive := filepath.Join(t.TempDir(), "a.zip")
		f, err := os.Create(archive)
		if err != nil {
			t.Fatal(err)
		}
		z := zip.NewWriter(f)
		h := &zip.FileHeader{Name: tt.file}
		h.SetMode(tt.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(tt.content)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if err := want.same(archive); (err == nil) != tt.same {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func mustTree(t *testing.T, dir string) tree {
	t.Helper()
	got, err := treeOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
