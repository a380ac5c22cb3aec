package resolver

import (
	"slices"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestCandidates(t *testing.T) {
	files := []runtimes.File{
		{Name: "old-0.8.tar.gz", RequiresPython: "<3"},
		{Name: "old-0.9.zip"},
		{Name: "old-1.0.tar.gz", RequiresPython: ">=3.8"},
		{Name: "old-1.1.tar.gz", Yanked: true},
		{Name: "old-1.2.tar.gz", RequiresPython: ">=3.12"},
		{Name: "old-1.3rc1.tar.gz"},
		{Name: "old-1.4-py3-none-any.whl"},
		{Name: "old-plugin-2.0.tar.gz"},
		{Name: "old-nonsense.tar.gz"},
	}
	for _, test := range []struct {
		requirements []string
		prereleases  bool
		want         []string
	}{
		{[]string{"app"}, false, []string{"0.9", "1.0"}},
		{[]string{"app"}, true, []string{"0.9", "1.0", "1.3rc1"}},
		{[]string{"Old<1", "old-plugin"}, false, []string{"0.9"}},
		{[]string{"old==1.1"}, false, []string{"1.1"}},
		{[]string{"old==1.3rc1"}, false, []string{"1.3rc1"}},
		{[]string{"old==0.8"}, false, nil},
	} {
		c := &compilation{requirements: test.requirements, place: onLambda("python3.11", runtimes.X86_64), question: runtimes.Question{
			Prereleases: test.prereleases, Constraints: []string{"old<9"},
		}}
		found, err := c.candidates("old", files)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, candidate := range found {
			got = append(got, candidate.text)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.requirements, got, test.want)
		}
	}
}
