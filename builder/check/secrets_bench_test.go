package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// BenchmarkSecrets searches this module's own sources, as own files of a layer.
func BenchmarkSecrets(b *testing.B) {
	tree := make(runtimes.Tree)
	names, err := filepath.Glob("../../*/*/*.go")
	if err != nil || len(names) == 0 {
		b.Fatal(len(names), err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		tree[strings.TrimPrefix(filepath.ToSlash(name), "../../")] = runtimes.NewTreeFile(data, false)
	}
	b.SetBytes(tree.Size())
	for b.Loop() {
		check.Gather(tree, limit)
	}
}
