package builder

import (
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// running is a recipe that runs code.
func running() runtimes.Recipe {
	return runtimes.Recipe{
		Runtime: "python", Layout: "python/1", Prefix: "python", Bytecode: true,
		Packages: []runtimes.Package{
			{Name: "a", Version: "1", File: runtimes.File{Name: "a-1.whl", SHA256: "aa"}},
			{Name: "b", Version: "2", File: runtimes.File{Name: "b-2.tar.gz", SHA256: "bb"}, Missing: "source only", Build: &runtimes.Build{}},
		},
		Container: &runtimes.Container{
			Image: "registry.example/python@sha256:01", Arch: runtimes.ARM64, Tools: map[string]string{"uv": "1"}, Output: "/layer",
			Steps: []runtimes.Step{{
				Name: "build", Args: []string{"python", "build.py"}, Env: []string{"A=1"},
				Inputs: []runtimes.InlineFile{{Path: "/job", Data: []byte("job")}, {Path: "/indexes", Data: []byte("here"), Whereabouts: true}},
				Caches: []runtimes.CacheMount{{ID: "c", Path: "/c"}}, CABundle: []string{"CA"}, Netrc: []string{"NETRC"},
			}},
		},
	}
}

// TestRecipeKey: what decides the result of code that runs is in its key, and
// nothing else is.
func TestRecipeKey(t *testing.T) {
	key := func(change func(r *runtimes.Recipe)) string {
		r := running()
		change(&r)
		key, _, err := keyOf(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	same := key(func(*runtimes.Recipe) {})
	step := func(r *runtimes.Recipe) *runtimes.Step { return &r.Container.Steps[0] }
	for name, test := range map[string]struct {
		change func(r *runtimes.Recipe)
		same   bool
	}{
		"image":              {func(r *runtimes.Recipe) { r.Container.Image = "registry.example/python@sha256:02" }, false},
		"architecture":       {func(r *runtimes.Recipe) { r.Container.Arch = runtimes.X86_64 }, false},
		"tool":               {func(r *runtimes.Recipe) { r.Container.Tools["uv"] = "2" }, false},
		"command":            {func(r *runtimes.Recipe) { step(r).Args = []string{"python", "other.py"} }, false},
		"environment":        {func(r *runtimes.Recipe) { step(r).Env = []string{"A=2"} }, false},
		"input":              {func(r *runtimes.Recipe) { step(r).Inputs[0].Data = []byte("other") }, false},
		"one more step":      {func(r *runtimes.Recipe) { r.Container.Steps = append(r.Container.Steps, *step(r)) }, false},
		"source":             {func(r *runtimes.Recipe) { r.Packages[1].File.SHA256 = "cc" }, false},
		"bytecode":           {func(r *runtimes.Recipe) { r.Bytecode = false }, false},
		"layout":             {func(r *runtimes.Recipe) { r.Layout = "python/2" }, false},
		"indexes":            {func(r *runtimes.Recipe) { step(r).Inputs[1].Data = []byte("there"); r.Indexes = []string{"x"} }, true},
		"address of a file":  {func(r *runtimes.Recipe) { r.Packages[0].File.URL = "https://mirror.example/a" }, true},
		"name of a step":     {func(r *runtimes.Recipe) { step(r).Name = "other" }, true},
		"package caches":     {func(r *runtimes.Recipe) { step(r).Caches = nil }, true},
		"secrets":            {func(r *runtimes.Recipe) { step(r).Netrc, step(r).CABundle = nil, nil }, true},
		"lock file, target":  {func(r *runtimes.Recipe) { r.LockFile = "x"; r.Target.Path = "y" }, true},
		"why it is compiled": {func(r *runtimes.Recipe) { r.Packages[1].Missing = "another reason" }, true},
	} {
		if got := key(test.change); (got == same) != test.same {
			t.Errorf("%s: the key is the same: %t", name, got == same)
		}
	}

	r := running()
	r.Container, r.Needs = nil, []runtimes.Need{{Tool: "uv"}}
	if key, _, err := keyOf(r, nil); err == nil {
		t.Errorf("without its pins, the recipe has the key %s", key)
	}
}
