package builder

import (
	"errors"
	"slices"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestChooseLayers: arguments are names, or patterns of names.
func TestChooseLayers(t *testing.T) {
	const config = `defaults: {runtime: python3.13, architectures: [arm64]}
layers: {api-web: {path: a}, api-admin: {path: b}, worker: {path: c}}
`
	c, err := parseConfig("f", "/project", sampleProject, []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	targets := expand(c, "/out", nil)
	for _, test := range []struct {
		args []string
		want []string // nil: an input error
	}{
		{nil, []string{"api-web", "api-admin", "worker"}},
		{[]string{"worker", "api-web"}, []string{"api-web", "worker"}},
		{[]string{"api-*"}, []string{"api-web", "api-admin"}},
		{[]string{"*"}, []string{"api-web", "api-admin", "worker"}},
		{[]string{"{worker,api-w*}", "worker"}, []string{"api-web", "worker"}},
		{[]string{"job-*"}, nil},
		{[]string{"api-*", "job-*"}, nil},
		{[]string{"["}, nil},
		{[]string{"workr"}, nil},
	} {
		chosen, err := choose(targets, Options{Layers: test.args})
		var got []string
		for _, c := range chosen {
			got = append(got, c.layer.Name)
		}
		input := (*runtimes.InputError)(nil)
		if !slices.Equal(got, test.want) || (err != nil) != (test.want == nil) || err != nil && (!errors.As(err, &input) || input.Hint == "") {
			t.Errorf("%v: got %v, %v, want %v", test.args, got, err, test.want)
		}
	}
}
