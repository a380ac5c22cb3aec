//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/layerbuild/layerbuild/builder/propose"
	"github.com/layerbuild/layerbuild/runtimes"
)

// TestReplace: an edit that is cut off leaves the user's file whole, since it is
// another file that takes its place; its mode and a link to it stay, and what the
// user wrote meanwhile does, too.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	file, link, before := filepath.Join(dir, "real.yml"), filepath.Join(dir, "serverless.yml"), filepath.Join(dir, "before.yml")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink("real.yml", link), os.Link(file, before)); err != nil {
		t.Fatal(err)
	}
	if err := replace(propose.Edit{File: link, Old: []byte("old"), New: []byte("new")}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{file: "new", link: "new", before: "old"} {
		if data, err := os.ReadFile(name); err != nil || string(data) != want {
			t.Errorf("%s is %q, %v; want %q", filepath.Base(name), data, err, want)
		}
	}
	if info, err := os.Lstat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode is %v, %v; want that of before", info.Mode(), err)
	}
	var input *runtimes.InputError
	if err := replace(propose.Edit{File: link, Old: []byte("old"), New: []byte("newer")}); !errors.As(err, &input) {
		t.Errorf("a file that was changed meanwhile: %v", err)
	}
	if data, _ := os.ReadFile(file); string(data) != "new" {
		t.Errorf("what was changed meanwhile is now %q", data)
	}
}
