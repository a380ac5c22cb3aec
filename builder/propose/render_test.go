package propose

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
)

// every is a proposal with a field of each kind.
var every = Proposal{
	Notes: []string{"custom.pythonRequirements.zip: layerbuild\nhas no such thing"},
	Layers: []Layer{
		{
			Name: "api", Path: "services/api", Runtimes: []string{"python3.13"}, Arches: []string{"x86_64"},
			Comments: map[string]string{
				"": "services/api/uv.lock", "runtime": "requires-python >=3.11 in pyproject.toml",
				"architectures": strings.Repeat("long ", 25),
			},
			Options: []Option{
				{Name: "lockfile", Value: "uv.lock"},
				{Name: "exclude", Value: []string{"boto3", "no"}, Comment: "noDeploy"},
				{Name: "include", Value: map[string]string{"libs/common": "python/common"}},
				{Name: "consoleScripts", Value: true},
				{Name: "description", Value: "it's: 100% # of it"},
			},
			Notes: []string{"dockerizePip: non-linux has no meaning here: " + strings.Repeat("word ", 30)},
		},
		{
			Name: "shared", Path: "libs/shared", Runtimes: []string{"python3.13", "nodejs22.x"}, Arches: []string{"x86_64", "arm64"},
			Options: []Option{
				{Name: "plain", Value: true},
				{Name: "excludeFiles", Value: []string{"**/*.md", "!x", "*", strings.Repeat("long/", 30) + "**"}},
				{Name: "check", Value: map[string]any{"allow": []map[string]string{{"id": "elf-musl", "reason": "never loaded"}}}, Comment: "why"},
			},
		},
	},
}

func TestRenderIsReadAgain(t *testing.T) {
	data, err := Render(every)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, data)
	}
	config, err := builder.ReadConfig(builder.ConfigName, ".", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range every.Layers {
		got := config.Layers[i]
		var names, arches []string
		for _, r := range got.Runtimes {
			names = append(names, r.Name)
		}
		for _, a := range got.Architectures {
			arches = append(arches, string(a))
		}
		if got.Name != want.Name || got.Path != want.Path || !slices.Equal(names, want.Runtimes) || !slices.Equal(arches, want.Arches) {
			t.Errorf("layer %d is read as %+v", i, got)
		}
	}
	api, shared := config.Layers[0], config.Layers[1]
	if !reflect.DeepEqual(api.Exclude, []string{"boto3", "no"}) || api.LockFile != "uv.lock" || !api.ConsoleScripts ||
		!reflect.DeepEqual(api.Include, []builder.Include{{From: "libs/common", To: "python/common"}}) || api.Description != "it's: 100% # of it" {
		t.Errorf("api is read as %+v", api)
	}
	if !shared.Plain || len(shared.ExcludeFiles) != 4 || shared.ExcludeFiles[1] != "!x" || len(shared.Check.Allow) != 1 {
		t.Errorf("shared is read as %+v", shared)
	}
}

func TestRenderFits(t *testing.T) {
	data, err := Render(every)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if n := len([]rune(line)) - 1; n > columns && !strings.Contains(line, "$schema") && !strings.Contains(line, "long/") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{"# Not carried over: custom.pythonRequirements.zip", "  # Not carried over: dockerizePip", "exclude: [boto3, \"no\"] # noDeploy"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %q in:\n%s", want, data)
		}
	}
}

// TestRenderShares: what all layers have is said once.
func TestRenderShares(t *testing.T) {
	arches, why := defaultArches()
	var p Proposal
	for _, name := range []string{"a", "b"} {
		l := Layer{Name: name, Path: name, Runtimes: []string{"java21"}, Arches: arches}
		l.Comment("architectures", why)
		p.Layers = append(p.Layers, l)
	}
	data, err := Render(p)
	if err != nil {
		t.Fatal(err)
	}
	want := "# " + schemaLine + `
defaults:
  architectures: [x86_64] # ` + why + `
layers:
  a:
    path: a
    runtime: java21
  b:
    path: b
    runtime: java21
`
	if string(data) != want {
		t.Errorf("got:\n%swant:\n%s", data, want)
	}
}

// TestRenderRefuses what the configuration's reader would refuse.
func TestRenderRefuses(t *testing.T) {
	for _, l := range []Layer{
		{Name: "a b", Path: ".", Runtimes: []string{"python3.13"}, Arches: []string{"arm64"}},
		{Name: "a", Path: "..", Runtimes: []string{"python3.13"}, Arches: []string{"arm64"}},
		{Name: "a", Path: ".", Runtimes: []string{"python3.13"}, Arches: []string{"arm64"}, Options: []Option{{Name: "slimm", Value: true}}},
	} {
		if data, err := Render(Proposal{Layers: []Layer{l}}); err == nil {
			t.Errorf("no error of:\n%s", data)
		}
	}
}

// TestRenderDeep: what stands in a deep folder has long names, which no comment
// takes over the line's end; only a value may.
func TestRenderDeep(t *testing.T) {
	deep := strings.Repeat("applications/", 9) + "api"
	p := Proposal{Notes: []string{"functions of " + deep + ": no layer"}}
	for i, runtime := range []string{"python3.13", "nodejs22.x"} {
		p.Layers = append(p.Layers, Layer{
			Name: fmt.Sprint("api", i), Path: deep, Runtimes: []string{runtime}, Arches: []string{"x86_64"},
			Comments: map[string]string{
				"":              deep + "/pyproject.toml; nothing of six fits",
				"path":          "what a plugin installed",
				"runtime":       "newest that requires-python of " + deep + "/pyproject.toml allows: >=3.11",
				"architectures": strings.Repeat("x", 130),
			},
			Options: []Option{
				{Name: "exclude", Value: []string{strings.Repeat("q", 60), strings.Repeat("r", 40)}, Comment: "what the runtime has"},
				{Name: "include", Value: map[string]string{deep: "python/" + deep}, Comment: "so does " + deep},
			},
			Notes: []string{deep + "/Makefile: nobody reads it"},
		})
	}
	data, err := Render(p)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, data)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		value, comment, _ := strings.Cut(line, "#")
		if len([]rune(line)) > columns && !strings.Contains(line, schemaLine) && (comment != "" || !strings.Contains(value, deep)) {
			t.Errorf("a line of %d columns: %s", len([]rune(line)), line)
		}
	}
	if !strings.Contains(string(data), "/applications/api/pyproject.toml;\n") {
		t.Errorf("the end of a path is not in:\n%s", data)
	}
}
