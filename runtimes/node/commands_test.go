package node

import (
	"slices"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestMarkCommands: a command is executable in the layer, whether npm made it
// so or not, also where its package.json is left out.
func TestMarkCommands(t *testing.T) {
	file := func(data string) runtimes.TreeFile { return runtimes.NewTreeFile([]byte(data), false) }
	tree := runtimes.Tree{
		"node_modules/a/package.json":                   file(`{"name":"a","bin":{"a":"./bin/a.js"}}`),
		"node_modules/a/bin/a.js":                       file("1"),
		"node_modules/a/bin/b.js":                       file("2"),
		"node_modules/a/node_modules/@s/b/package.json": file(`{"directories":{"bin":"bin"}}`),
		"node_modules/a/node_modules/@s/b/bin/b":        file("3"),
		"node_modules/a/node_modules/@s/b/lib/b":        file("4"),
	}
	r := runtimes.Recipe{Prefix: prefix, ExcludeFiles: []string{"nodejs/node_modules/a/package.json"}, Packages: []runtimes.Package{
		{Name: "a", Places: []string{"node_modules/a"}}, {Name: "@s/b", Places: []string{"node_modules/a/node_modules/@s/b"}},
	}}
	if _, err := (Runtime{}).Normalise(r, tree); err != nil {
		t.Fatal(err)
	}
	var executable []string
	for _, name := range tree.Paths() {
		if tree[name].Mode == 0o755 {
			executable = append(executable, name)
		}
	}
	want := []string{"nodejs/node_modules/a/bin/a.js", "nodejs/node_modules/a/node_modules/@s/b/bin/b"}
	if len(tree) != 5 || !slices.Equal(executable, want) {
		t.Errorf("executable are %q of %d files, want %q", executable, len(tree), want)
	}
}
