package check_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

func link(target string) runtimes.TreeFile {
	return runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: target}
}

func TestLinks(t *testing.T) {
	file := runtimes.NewTreeFile([]byte("x"), false)
	for _, test := range []struct {
		name, path, target string
		want               string // part of the error, "" for none
	}{
		{"to a sibling", "lib/a.so", "a.so.1", ""},
		{"to a folder", "current", "lib", ""},
		{"up and down", "python/x", "../lib/a.so.1", ""},
		{"through a linked folder", "y", "loop-free/a.so.1", ""},
		{"to a link", "z", "alias", ""},
		{"absolute", "lib/abs", "/opt/lib/a.so.1", "is absolute"},
		{"absolute at one remove", "w", "abs2", "is absolute"},
		{"empty", "lib/none", "", "is absolute"},
		{"escaping", "lib/up", "../../etc/passwd", "leaves the layer"},
		{"to the parent of the root", "up", "..", "leaves the layer"},
		{"broken", "lib/b.so", "b.so.1", "is broken"},
		{"below a file", "lib/c", "a.so.1/x", "is broken"},
		{"to itself", "self", "self", "goes round in circles"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := runtimes.Tree{"lib/a.so.1": file, "loop-free": link("lib"), "alias": link("lib/a.so.1")}
			if test.target == "abs2" {
				tree["abs2"] = link("/x")
			}
			tree[test.path] = link(test.target)
			_, err := check.Gather(tree, 1<<20).Judge(nil, nil)
			if test.want == "" {
				if err != nil {
					t.Fatalf("got %v, want no error", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "[link]") {
				t.Fatalf("got %v, want a link error with %q", err, test.want)
			}
		})
	}
}

func TestSizeLimit(t *testing.T) {
	big := runtimes.NewTreeFile(make([]byte, 700), false)
	big.Package = "scipy"
	small := runtimes.NewTreeFile(make([]byte, 300), false)
	small.Package = "numpy"
	tree := runtimes.Tree{"python/scipy/a": big, "python/numpy/b": small}
	if found := check.Gather(tree, 1000).Found; found != nil {
		t.Errorf("a layer of exactly the limit: %v", found)
	}
	_, err := check.Gather(tree, 999).Judge(nil, nil)
	var size *check.FindingsError
	if !errors.As(err, &size) || size.Rule.ID != check.Size {
		t.Fatalf("got %v, want a size error", err)
	}
	if text := err.Error(); !strings.Contains(text, "1000 bytes, 1 more than") || strings.Index(text, "scipy") > strings.Index(text, "numpy") {
		t.Errorf("got %v", err)
	}
}

func TestEmptyAndConflicting(t *testing.T) {
	file := runtimes.NewTreeFile(nil, false)
	for id, tree := range map[string]runtimes.Tree{
		check.Empty:     {},
		check.Collision: {"a": file, "a/b": file},
	} {
		if found := check.Gather(tree, 1).Found; len(found) != 1 || found[0].ID != id {
			t.Errorf("%s: %v", id, found)
		}
	}
}
