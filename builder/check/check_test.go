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
			err := check.Tree(tree, 1<<20)
			if test.want == "" {
				if err != nil {
					t.Fatalf("got %v, want no error", err)
				}
				return
			}
			var linkErr *check.LinkError
			if !errors.As(err, &linkErr) || !strings.Contains(err.Error(), test.want) {
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
	if err := check.Tree(tree, 1000); err != nil {
		t.Errorf("a layer of exactly the limit: got %v, want no error", err)
	}
	err := check.Tree(tree, 999)
	var size *check.SizeError
	if !errors.As(err, &size) {
		t.Fatalf("got %v, want a size error", err)
	}
	if size.Size != 1000 || size.Largest[0] != (check.Share{Package: "scipy", Size: 700}) {
		t.Errorf("got %+v", size)
	}
}

func TestEmptyAndConflicting(t *testing.T) {
	if err := check.Tree(runtimes.Tree{}, 1); err == nil {
		t.Error("an empty tree passed")
	}
	file := runtimes.NewTreeFile(nil, false)
	if err := check.Tree(runtimes.Tree{"a": file, "a/b": file}, 1); err == nil {
		t.Error("a file that is also a folder passed")
	}
}
