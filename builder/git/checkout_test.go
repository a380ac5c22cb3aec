package git

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestCheckout(t *testing.T) {
	o := newOrigin(t, false)
	repo := filepath.Join(o.folder, "repo")
	first := o.commit(t, map[string]string{"top.txt": "1", "a/in.txt": "one", "a/b/deep.txt": "deep"})
	o.commit(t, map[string]string{"a/in.txt": "two", "a/later.txt": "later"})
	index, err := os.ReadFile(filepath.Join(repo, ".git", "index"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_INDEX_FILE", filepath.Join(t.TempDir(), "of-a-hook")) // whose repository is no concern of ours
	into := t.TempDir()
	if err := Checkout(t.Context(), filepath.Join(repo, "a"), first, into); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"in.txt": "one", "b/deep.txt": "deep"} {
		if got, err := os.ReadFile(filepath.Join(into, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if files, err := os.ReadDir(into); err != nil || len(files) != 2 {
		t.Errorf("it holds %v, %v", files, err)
	}
	if after, err := os.ReadFile(filepath.Join(repo, ".git", "index")); err != nil || string(after) != string(index) {
		t.Error("the repository's index changed")
	}
	var input *runtimes.InputError
	for _, revision := range []string{"nowhere", "--help", ""} {
		if err := Checkout(t.Context(), repo, revision, t.TempDir()); !errors.As(err, &input) || !strings.Contains(err.Error(), revision) {
			t.Errorf("revision %q: %v", revision, err)
		}
	}
	if err := Checkout(t.Context(), t.TempDir(), "HEAD", t.TempDir()); !errors.As(err, &input) {
		t.Errorf("no repository: %v", err)
	}
}
