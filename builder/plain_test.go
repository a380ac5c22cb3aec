package builder

import (
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestLayoutWarnings(t *testing.T) {
	for _, test := range []struct {
		files string // those that end in * can be executed
		infos string
		want  string // what the warnings hold, "" for none
	}{
		{"python/shared.py", "python3.13 python3.12", ""},
		{"bin/tool*", "python3.13", ""},
		{"lib/libfoo.so", "provided.al2023", ""},
		{"bootstrap* config.json", "provided.al2023", ""},
		{"extensions/agent*", "nodejs22.x", ""},
		{"nodejs/util.js python/util.py", "nodejs22.x python3.13", ""},
		{"java/lib/a.jar", "java21", ""},
		{"ruby/lib/a.rb", "ruby3.4", ""},
		{"dotnetcore/store/x64/a.dll", "dotnet8", ""},
		{"util.py util/a.py util/b.py", "python3.13 python3.12",
			"python3.13 looks: Python modules belong in python/, commands in bin/, shared libraries in lib/; the layer has util.py, util/"},
		{"python/util.py", "python3.13 nodejs22.x", "nodejs22.x looks: Node modules belong in nodejs/node_modules/"},
		{"python", "python3.13", "Python modules belong"},
		{"java/a.jar", "java21", "jars belong in java/lib/"},
		{"config.json", "provided.al2023", "an executable bootstrap at the top"},
		{"bootstrap", "provided.al2", "bootstrap is not executable"},
		{"bootstrap bin/x*", "java21", ""},
		{"extensions/agent extensions/agent.d/data", "java21", "extensions/agent is not executable"},
	} {
		tree := make(runtimes.Tree)
		for _, name := range strings.Fields(test.files) {
			f := runtimes.TreeFile{Mode: 0o644}
			if strings.HasSuffix(name, "*") {
				f.Mode = 0o755
			}
			tree[strings.TrimSuffix(name, "*")] = f
		}
		infos, err := ParseRuntimes(strings.Fields(test.infos), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := layoutWarnings(tree, infos)
		if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
			t.Errorf("%s for %s: %q, want %q", test.files, test.infos, got, test.want)
		}
	}
}

// TestPlacesKnown: every language of Lambda has its place.
func TestPlacesKnown(t *testing.T) {
	for _, info := range runtimes.Table() {
		if places[info.Family].advice == "" {
			t.Errorf("where do files for %s belong?", info.Name)
		}
	}
}
