package python

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

var updateContainer = flag.Bool("update", false, "write the golden files anew")

// containerTarget has every pin that a container needs.
func containerTarget(t *testing.T) runtimes.Target {
	t.Helper()
	info, ok := runtimes.Lookup("python3.11")
	if !ok {
		t.Fatal("python3.11 is unknown")
	}
	info.Image = "registry.example/lambda/python:3.11"
	return runtimes.Target{Runtime: info, Arch: runtimes.ARM64, Pins: runtimes.Pins{
		Images: map[string]string{info.Image: "sha256:" + strings.Repeat("1", 64)},
		Tools: map[string]runtimes.Tool{uvName: {Version: uvVersion, Files: []runtimes.File{
			{Name: "uv-x86_64.whl", SHA256: strings.Repeat("b", 64)},
			{Name: "uv-aarch64.whl", SHA256: strings.Repeat("a", 64)},
		}}},
	}}
}

func containerRecipe() runtimes.Recipe {
	return runtimes.Recipe{
		Indexes: []string{"https://mirror.example/simple", "https://other.example/simple"},
		Packages: []runtimes.Package{
			{Name: "numpy", Version: "2.2.6", File: runtimes.File{Name: "numpy.whl", SHA256: strings.Repeat("c", 64)}},
			{Name: "six", Version: "1.17.0", File: runtimes.File{
				Name: "six.whl", URL: "https://files.example/six.whl", SHA256: strings.Repeat("d", 64),
			}},
		},
	}
}

func TestContainer(t *testing.T) {
	r := containerRecipe()
	needs, c := container(containerTarget(t), r)
	if len(needs) > 0 {
		t.Fatalf("needs %v", needs)
	}
	for i := range c.Steps {
		if !slices.IsSorted(c.Steps[i].Env) {
			t.Errorf("%s: the environment is not sorted", c.Steps[i].Name)
		}
	}
	golden(t, "container.json", c)
}

// TestContainerBytecode: one step more, and those before it as they are.
func TestContainerBytecode(t *testing.T) {
	r := containerRecipe()
	_, plain := container(containerTarget(t), r)
	r.Bytecode, r.Prefix = true, prefixOf(containerTarget(t))
	_, c := container(containerTarget(t), r)
	last := len(c.Steps) - 1
	if !reflect.DeepEqual(c.Steps[:last], plain.Steps) || c.Arch != "" || c.Image != plain.Image {
		t.Errorf("other steps than without bytecode: %+v", c.Steps)
	}
	if got := string(c.Steps[last].Inputs[0].Data); got != string(compileScript) || c.Steps[last].Inputs[0].Whereabouts {
		t.Error("the script is not an input that decides bytes")
	}
	c.Steps = c.Steps[last:]
	golden(t, "bytecode.json", c)
}

// golden compares c with a file, in a form that people can read.
func golden(t *testing.T, name string, c *runtimes.Container) {
	t.Helper()
	type step struct {
		runtimes.Step
		Inputs map[string]string
	}
	var steps []step
	for _, s := range c.Steps {
		inputs := map[string]string{}
		for _, in := range s.Inputs {
			inputs[in.Path] = string(in.Data)
			if bytes.Equal(in.Data, installScript) {
				inputs[in.Path] = "install.py"
			}
			if bytes.Equal(in.Data, compileScript) {
				inputs[in.Path] = "compile.py"
			}
			if bytes.Equal(in.Data, getUVScript) {
				inputs[in.Path] = "get_uv.py"
			}
			if bytes.Equal(in.Data, buildScript) {
				inputs[in.Path] = "build.py"
			}
			if strings.HasSuffix(in.Path, ".tar") {
				inputs[in.Path] = "the source tree"
			}
			if in.Whereabouts {
				inputs[in.Path] = "(decides nothing) " + inputs[in.Path]
			}
		}
		steps = append(steps, step{s, inputs})
	}
	got, err := json.MarshalIndent(struct {
		Image, Output string
		Steps         []step
	}{c.Image, c.Output, steps}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name)
	if *updateContainer {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the container is not that of %s:\n%s", path, got)
	}
}

func TestContainerNeeds(t *testing.T) {
	image := runtimes.Need{Image: containerTarget(t).Runtime.Image}
	tool := runtimes.Need{Tool: uvName, Version: uvVersion}
	for _, tt := range []struct {
		name string
		set  func(*runtimes.Pins)
		want []runtimes.Need
	}{
		{"nothing", func(*runtimes.Pins) {}, nil},
		{"all", func(p *runtimes.Pins) { *p = runtimes.Pins{} }, []runtimes.Need{image, tool}},
		{"image", func(p *runtimes.Pins) { p.Images = nil }, []runtimes.Need{image}},
		{"tool", func(p *runtimes.Pins) { p.Tools = nil }, []runtimes.Need{tool}},
		{"another version", func(p *runtimes.Pins) {
			p.Tools[uvName] = runtimes.Tool{Version: "0.1.0", Files: p.Tools[uvName].Files}
		}, nil}, // the locked one stays
		{"no files", func(p *runtimes.Pins) { p.Tools[uvName] = runtimes.Tool{Version: uvVersion} }, []runtimes.Need{tool}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := containerTarget(t)
			tt.set(&target.Pins)
			needs, c := container(target, containerRecipe())
			if !slices.Equal(needs, tt.want) {
				t.Errorf("needs %v, want %v", needs, tt.want)
			}
			if (c == nil) != (len(tt.want) > 0) {
				t.Errorf("a container with needs %v: %v", tt.want, c)
			}
		})
	}
}

func TestToolIndexes(t *testing.T) {
	r := containerRecipe()
	target := containerTarget(t)
	for _, tt := range []struct {
		name           string
		target, recipe []string
		want           string
	}{
		{"none", nil, nil, ""},
		{"the lock file's", nil, r.Indexes, "--extra-index-url https://mirror.example/simple\n--extra-index-url https://other.example/simple\n"},
		{"the user's extra ones", []string{"", "https://mirror.example/simple"}, r.Indexes, "--extra-index-url https://mirror.example/simple\n--extra-index-url https://other.example/simple\n"},
		{"the user's", []string{"https://a.example", "https://b.example"}, r.Indexes, "--index-url https://a.example\n--extra-index-url https://b.example\n"},
	} {
		target.Indexes, r.Indexes = tt.target, tt.recipe
		if got := toolIndexLines(target, r); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestIndexesOf(t *testing.T) {
	for _, tt := range []struct {
		name         string
		user, locked []string
		want         []string
		mirrored     bool
	}{
		{name: "none"},
		{name: "the lock file's", locked: []string{"https://a.example"}, want: []string{"https://a.example"}},
		{name: "a mirror", user: []string{"https://m.example"}, locked: []string{"https://a.example"}, want: []string{"https://m.example"}, mirrored: true},
		{name: "a mirror for a file without indexes", user: []string{"https://m.example"}, want: []string{"https://m.example"}, mirrored: true},
		{name: "the same", user: []string{"https://b.example/", "https://a.example/"}, locked: []string{"https://a.example"}, want: []string{"https://b.example/", "https://a.example/"}},
		{name: "extra ones", user: []string{"", "https://b.example", "https://a.example"}, locked: []string{"https://a.example/"}, want: []string{"https://a.example/", "https://b.example"}},
		{name: "extra ones alone", user: []string{"", "https://b.example"}, want: []string{"", "https://b.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := runtimes.Target{Indexes: tt.user}
			if got := indexesOf(target, tt.locked); !slices.Equal(got, tt.want) {
				t.Errorf("indexes %q, want %q", got, tt.want)
			}
			if got := mirrored(target, tt.locked); got != tt.mirrored {
				t.Errorf("mirrored: %v", got)
			}
		})
	}
}
