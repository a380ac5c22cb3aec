package builder

import (
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// ownRecipe is what a plugin and the configuration say of a layer.
func ownRecipe(own runtimes.OwnImage) runtimes.Recipe {
	t := runtimes.Target{Arch: runtimes.ARM64, Own: own}
	return ownedBy(runtimes.Recipe{Layout: "python/1", Target: t, Container: &runtimes.Container{
		Image: "image@sha256:1", Output: "/layer",
		Steps: []runtimes.Step{{Name: "install", Args: []string{"uv"}, Env: []string{"CFLAGS=-g0", "PATH=/bin"}}},
	}}, t)
}

func TestFurnished(t *testing.T) {
	own := runtimes.OwnImage{Setup: []string{"dnf install -y libpq", "ldconfig"}, Env: []string{"CFLAGS=-O3", "LEVEL=3"}}
	c := furnished(ownRecipe(own).Container, own)
	var got []string
	for _, step := range c.Steps {
		got = append(got, step.Name+": "+strings.Join(step.Env, " "))
	}
	want := []string{
		"setup: dnf install -y libpq: CFLAGS=-O3 HOME=/root LEVEL=3 PATH=" + setupPath,
		"setup: ldconfig: CFLAGS=-O3 HOME=/root LEVEL=3 PATH=" + setupPath,
		"install: CFLAGS=-O3 LEVEL=3 PATH=/bin",
	}
	if !slices.Equal(got, want) || c.Arch != runtimes.ARM64 {
		t.Errorf("for %s: %q\nwant %q", c.Arch, got, want)
	}
	if c := ownRecipe(runtimes.OwnImage{}).Container; c.Arch != "" || furnished(c, runtimes.OwnImage{}) != c {
		t.Error("a layer without an image of its own is built in another container")
	}
}

// TestOwnInKey: each line of the configuration is in the key, and why names it.
func TestOwnInKey(t *testing.T) {
	base := runtimes.OwnImage{Setup: []string{"a", "b"}, Env: []string{"A=1"}, Copy: []runtimes.Copy{{From: "/usr/lib64/libpq.so.5", To: "lib"}}}
	for _, test := range []struct {
		change func(*runtimes.OwnImage)
		want   string
	}{
		{func(o *runtimes.OwnImage) { o.Setup = []string{"a", "c"} }, "setup command 2 b → c"},
		{func(o *runtimes.OwnImage) { o.Setup = []string{"a"} }, "setup command 2 b is gone"},
		{func(o *runtimes.OwnImage) { o.Env = []string{"A=2", "B="} }, `env A "1" → "2", env B "" is new`},
		{func(o *runtimes.OwnImage) { o.Copy = nil }, "copy /usr/lib64/libpq.so.5 to lib/ is gone"},
		{func(o *runtimes.OwnImage) { o.Copy = []runtimes.Copy{{From: "/usr/lib64/libpq.so.5", To: "."}} },
			"copy /usr/lib64/libpq.so.5 to lib/ → to ./"},
	} {
		other := base
		test.change(&other)
		before, was, err := keyOf(ownRecipe(base), nil)
		if err != nil {
			t.Fatal(err)
		}
		after, is, err := keyOf(ownRecipe(other), nil)
		if err != nil {
			t.Fatal(err)
		}
		old, err := readKeyInput(was)
		if err != nil {
			t.Fatal(err)
		}
		now, err := readKeyInput(is)
		if err != nil {
			t.Fatal(err)
		}
		if got := changesText(changesOf(old, now)); before == after || got != test.want {
			t.Errorf("%+v: %s, want %s", other, got, test.want)
		}
	}
}
