package builder

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func fullInput() keyInput {
	return keyInput{
		Format: "f", Kind: "recipe", Layout: "l", Zip: "z", Prefix: "p", Interpreter: "i",
		ExcludeFiles: []string{"x"}, Slim: []string{"docs"},
		Packages: []keyedPackage{
			{Name: "a", Version: "1", File: "a-1.whl", SHA256: "aaaa"},
			{Name: "b", Version: "1", File: "b-1.tgz", Integrity: "sha512-b", Places: []string{"node_modules/b"}},
			{Name: "b", Version: "2", File: "b-2.tgz", Integrity: "sha512-c", Places: []string{"node_modules/c/node_modules/b"}},
		},
		Include: []keyedFile{{Path: "x", Mode: "0644", SHA256: "cccc"}, {Path: "y", Mode: "link", Link: "x"}},
		Recipe: &keyedRecipe{
			Image: "img@sha256:1", Arch: "arm64", Tools: map[string]string{"uv": "1"},
			Parts:   []keyedPart{{"/wheels", &keyedRecipe{Image: "build@sha256:1", Steps: []keyedStep{{Args: []string{"uv", "build"}}}}}},
			Steps:   []keyedStep{{Args: []string{"uv", "pip"}, Env: []string{"A=1"}, Inputs: []keyedInput{{"/r", "dddd"}}}},
			Instead: &keyedRecipe{Image: "img@sha256:1"},
		},
	}
}

// TestChanges: whatever changes a key is told, as what it is.
func TestChanges(t *testing.T) {
	for _, c := range []struct {
		change func(*keyInput)
		want   []string
	}{
		{func(*keyInput) {}, nil},
		{func(in *keyInput) { in.Format = "g" }, []string{"format of the key f → g"}},
		{func(in *keyInput) { in.Kind = "layout"; in.Recipe = nil }, []string{"kind of the key recipe → layout"}},
		{func(in *keyInput) { in.Layout = "m" }, []string{"layerbuild's rules of layout l → m"}},
		{func(in *keyInput) { in.Zip = "y" }, []string{"layerbuild's archive format z → y"}},
		{func(in *keyInput) { in.Prefix = "q" }, []string{"prefix p → q"}},
		{func(in *keyInput) { in.ConsoleScripts = true }, []string{"consoleScripts false → true"}},
		{func(in *keyInput) { in.Interpreter = "" }, []string{"interpreter i → none"}},
		{func(in *keyInput) { in.ExcludeFiles = []string{"x", "y"} }, []string{"excludeFiles x → x, y"}},
		{func(in *keyInput) { in.Slim = nil }, []string{"slim docs → none"}},
		{func(in *keyInput) { in.Packages[0].Version = "2"; in.Packages[0].File = "a-2.whl" }, []string{"a 1 → 2"}},
		{func(in *keyInput) { in.Packages[0].File = "a-1.tar.gz" }, []string{"a 1 from a-1.whl → from a-1.tar.gz"}},
		{func(in *keyInput) { in.Packages[0].SHA256 = "bbbb" }, []string{"a 1 with SHA-256 aaaa → bbbb"}},
		{func(in *keyInput) { in.Packages[1].Integrity = "sha512-d" }, []string{"b 1 with sha512-b → sha512-d"}},
		{func(in *keyInput) { in.Packages[1].Scripts = true }, []string{"b 1 without its install scripts → with its install scripts"}},
		{func(in *keyInput) { in.Packages[1].Places = []string{"p"} }, []string{"b 1 in node_modules/b → p"}},
		{func(in *keyInput) { in.Packages[2].Version = "3" }, []string{"b 2 → 3"}},
		{func(in *keyInput) { in.Packages = in.Packages[:2] }, []string{"b 2 is gone"}},
		{func(in *keyInput) { in.Packages = append(in.Packages, keyedPackage{Name: "z", Version: "9"}) }, []string{"z 9 is new"}},
		{func(in *keyInput) { in.Include[0].SHA256 = "eeee" }, []string{"x cccc → eeee"}},
		{func(in *keyInput) { in.Include[0].Mode = "0755" }, []string{"x cccc with mode 0644 → cccc with mode 0755"}},
		{func(in *keyInput) { in.Include[1].Link = "z" }, []string{"y link to x → link to z"}},
		{func(in *keyInput) { in.Include = in.Include[:1] }, []string{"y link to x is gone"}},
		{func(in *keyInput) { in.Recipe.Image = "img@sha256:2" }, []string{"image img@sha256:1 → img@sha256:2"}},
		{func(in *keyInput) { in.Recipe.Arch = "x86_64" }, []string{"architecture arm64 → x86_64"}},
		{func(in *keyInput) { in.Recipe.Bytecode = true }, []string{"bytecode false → true"}},
		{func(in *keyInput) { in.Recipe.Tools = map[string]string{"pnpm": "2", "uv": "1"} }, []string{"pnpm none → 2"}},
		{func(in *keyInput) { in.Recipe.Steps[0].Args = []string{"uv"} }, []string{"step 1: command uv pip → uv"}},
		{func(in *keyInput) { in.Recipe.Steps[0].Env = nil }, []string{"step 1: environment A=1 → none"}},
		{func(in *keyInput) { in.Recipe.Steps[0].Inputs[0].SHA256 = "ffff" }, []string{"step 1: /r dddd → ffff"}},
		{func(in *keyInput) { in.Recipe.Parts[0].Recipe.Image = "build@sha256:2" }, []string{"image of part 1 build@sha256:1 → build@sha256:2"}},
		{func(in *keyInput) { in.Recipe.Parts[0].Recipe.Steps[0].Args = []string{"uv"} }, []string{"step 1: command of part 1 uv build → uv"}},
		{func(in *keyInput) { in.Recipe.Parts[0].Path = "/w" }, []string{"folder of part 1 /wheels → /w"}},
		{func(in *keyInput) { in.Recipe.Parts = nil }, []string{"number of parts 1 → 0"}},
		{func(in *keyInput) { in.Recipe.Instead.Image = "img@sha256:2" }, []string{"image without parts img@sha256:1 → img@sha256:2"}},
		{func(in *keyInput) { in.Recipe.Steps = nil }, []string{"step 1 uv pip → none"}},
	} {
		after := fullInput()
		c.change(&after)
		var got []string
		for _, change := range changesOf(fullInput(), after) {
			got = append(got, change.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// TestChangesSurviveJSON: what the cache gives back is what was hashed.
func TestChangesSurviveJSON(t *testing.T) {
	data, err := json.Marshal(fullInput())
	if err != nil {
		t.Fatal(err)
	}
	in, err := readKeyInput(data)
	if err != nil {
		t.Fatal(err)
	}
	if changes := changesOf(in, fullInput()); len(changes) > 0 {
		t.Errorf("changes of nothing: %v", changes)
	}
}

func TestChangesText(t *testing.T) {
	var changes []Change
	for _, name := range strings.Fields("a b c d e") {
		changes = append(changes, Change{Name: name, Before: "1", After: "2", File: "uv.lock", Line: 7})
	}
	if got, want := changesText(changes[:1]), "a 1 → 2 in uv.lock:7"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := changesText(changes), "and 2 more changes"; !strings.HasSuffix(got, want) || strings.Contains(got, "d 1") {
		t.Errorf("got %q", got)
	}
}

func TestLineOfPackage(t *testing.T) {
	for format, c := range map[string]struct {
		text, name, version string
		want                int
	}{
		"uv.lock": {`[package.metadata]
requires-dist = [{ name = "urllib3", specifier = ">=2.2.2" }]

[[package]]
name = "requests"
version = "2.32.3"
dependencies = [
    { name = "urllib3" },
]

[[package]]
name = "urllib3"
version = "2.2.2"`, "urllib3", "2.2.2", 12},
		"requirements.txt":          {"requests==2.32.3 \\\n    --hash=sha256:00\nZope.Interface==5.4.0", "zope-interface", "5.4.0", 3},
		"Pipfile.lock":              {"{\n \"urllib3\": {\n  \"hashes\": [],\n  \"version\": \"==2.2.2\"", "urllib3", "2.2.2", 2},
		"package-lock.json":         {"{\n\"node_modules/ms-extra\": {\n\"version\": \"2.1.3\"},\n\"node_modules/ms\": {\n\"version\": \"2.1.3\"", "ms", "2.1.3", 4},
		"pnpm-lock.yaml":            {"packages:\n  '@a/ms@2.1.3':\n  ms@2.1.3:\n    resolution:", "ms", "2.1.3", 3},
		"yarn.lock":                 {"ms@^2.1.1:\n  version \"2.1.3\"", "ms", "2.1.3", 1},
		"yarn.lock of berry":        {"\"ms@npm:^2.1.1\":\n  version: 2.1.3", "ms", "2.1.3", 1},
		"bun.lock":                  {"\"packages\": {\n\"ms\": [\"ms@2.1.3\", \"\"]", "ms", "2.1.3", 2},
		"gradle.lockfile":           {"# This\ncom.acme:api:1.0=runtimeClasspath", "com.acme:api", "1.0", 2},
		"another version":           {"urllib3==2.2.20", "urllib3", "2.2.2", 0},
		"another package":           {"urllib3-future==2.2.2", "urllib3", "2.2.2", 0},
		"a file that has gone away": {"", "urllib3", "2.2.2", 0},
	} {
		if got := lineOfPackage(c.text, c.name, c.version); got != c.want {
			t.Errorf("%s: line %d, want %d", format, got, c.want)
		}
	}
}
