package builder

import (
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestChains(t *testing.T) {
	recipe := func(packages string, edges ...string) runtimes.Recipe {
		var r runtimes.Recipe
		for name := range strings.FieldsSeq(packages) {
			r.Packages = append(r.Packages, runtimes.Package{Name: name})
		}
		for _, e := range edges {
			by, name, _ := strings.Cut(e, ">")
			r.Requires = append(r.Requires, runtimes.Requires{By: by, Name: name})
		}
		return r
	}
	for name, c := range map[string]struct {
		recipe runtimes.Recipe
		want   []string
	}{
		"the project's own":             {recipe("x", ">x"), []string{"x"}},
		"both":                          {recipe("a x", ">a", "a>x", ">x"), []string{"x", "a x"}},
		"the shortest way":              {recipe("a b c x", ">a", "a>b", "b>c", ">c", "c>x"), []string{"c x"}},
		"each that needs it":            {recipe("a b x", ">a", ">b", "a>x", "b>x"), []string{"a x", "b x"}},
		"a circle":                      {recipe("a x", ">a", "a>x", "x>a"), []string{"a x"}},
		"a circle behind it":            {recipe("x a", ">x", "x>a", "a>x"), []string{"x"}},
		"of another target":             {recipe("a x", ">a", "a>x", "win>x", ">win"), []string{"a x"}},
		"a format that says nothing":    {recipe("a x"), nil},
		"what the project does not say": {recipe("a x", "a>x"), nil},
	} {
		var got []string
		for _, chain := range chainsTo("x", c.recipe) {
			got = append(got, strings.Join(chain, " "))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
