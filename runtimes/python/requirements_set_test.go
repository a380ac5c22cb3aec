package python

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestRequirementsCompleted follows a file from its hashes to a recipe.
func TestRequirementsCompleted(t *testing.T) {
	project := textFiles("api/requirements.txt", `-i https://i.example/simple
--extra-index-url https://j.example/simple
--trusted-host j.example -f x --no-binary other
Native==1.0 A: B: C:
boto3
wheel @ https://f.example/wheel-2%2Bl-py3-none-any.whl A:
`)
	target := pythonTarget(t, "python3.11", runtimes.ARM64)
	target.Path, target.Exclude = "api", []string{"Boto3", "absent"}
	_, err := Runtime{}.Recipe(project, target)
	var incomplete *runtimes.Incomplete
	if !errors.As(err, &incomplete) {
		t.Fatalf("got %v, want an Incomplete", err)
	}
	want := runtimes.FileRequest{Ecosystem: "pypi", Name: "native", Version: "1.0", Hashes: []string{hashA, hashB, hashC}}
	if len(incomplete.Requests) != 1 || incomplete.LockFile != "api/requirements.txt" {
		t.Fatalf("asks %+v", incomplete)
	}
	q := incomplete.Requests[0]
	if q.Key() != want.Key() || !slices.Equal(q.Indexes, []string{"https://i.example/simple", "https://j.example/simple"}) {
		t.Errorf("asks %+v, want %+v", q, want)
	}

	target.Files = map[string][]runtimes.File{q.Key(): {
		{Name: "native-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", SHA256: hashA},
		{Name: "native-1.0-cp311-cp311-manylinux_2_17_aarch64.whl", SHA256: hashB, URL: "https://i.example/native", RequiresPython: ">=3.9"},
		{Name: "native-1.0-cp311-cp311-manylinux_2_26_aarch64.whl", SHA256: strings.Repeat("d", 64)}, // better, and not locked
		{Name: "native-1.0.tar.gz", SHA256: hashC},
	}}
	r, err := Runtime{}.Recipe(project, target)
	if err != nil {
		t.Fatal(err)
	}
	packages := []runtimes.Package{
		{Name: "native", Version: "1.0", File: runtimes.File{Name: "native-1.0-cp311-cp311-manylinux_2_17_aarch64.whl", SHA256: hashB, URL: "https://i.example/native"}},
		{Name: "wheel", Version: "2+l", File: runtimes.File{Name: "wheel-2+l-py3-none-any.whl", SHA256: hashA, URL: "https://f.example/wheel-2%2Bl-py3-none-any.whl"}},
	}
	if !reflect.DeepEqual(r.Packages, packages) {
		t.Errorf("got  %+v\nwant %+v", r.Packages, packages)
	}
	notes := strings.Join(r.Notes, "\n")
	for _, want := range []string{"drops Boto3 and nothing else", "absent is excluded but not in", "--trusted-host is passed over", "--find-links is passed over"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no note says %q:\n%s", want, notes)
		}
	}
}

func TestRequirementsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		text   string
		change func(*runtimes.Target)
		want   string
	}{
		"groups":          {"a==1 A:", func(t *runtimes.Target) { t.Groups = []string{"dev"} }, "requirements.txt: a requirements file has no groups, and the layer asks for dev"},
		"comments":        {"# a\n", func(*runtimes.Target) {}, "requirements.txt: nothing to install"},
		"excluded":        {"a\n", func(t *runtimes.Target) { t.Exclude = []string{"a"} }, "requirements.txt: nothing to install"},
		"no index at all": {"--no-index\na==1 A:", func(*runtimes.Target) {}, "requirements.txt: --no-index: files of local folders"},
		"not there": {"\na==1 A:", func(t *runtimes.Target) {
			q := runtimes.FileRequest{Ecosystem: "pypi", Name: "a", Version: "1", Hashes: []string{hashA}}
			t.Files = map[string][]runtimes.File{q.Key(): {{Name: "a-1-py3-none-any.whl", SHA256: hashB}}}
		}, "requirements.txt:2: no package index that was asked has a file of a 1 with a hash"},
	} {
		t.Run(name, func(t *testing.T) {
			target := pythonTarget(t, "python3.13", runtimes.X86_64)
			test.change(&target)
			_, err := Runtime{}.Recipe(textFiles("requirements.txt", test.text), target)
			var input *runtimes.InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), test.want) || input.Hint == "" {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// TestConfiguredIndexWins: what the user configured replaces what the file
// names, and also stands for the main index that it does not name.
func TestConfiguredIndexWins(t *testing.T) {
	target := pythonTarget(t, "python3.13", runtimes.X86_64)
	target.Indexes = []string{"https://mirror.example/simple"}
	_, err := Runtime{}.Recipe(textFiles("requirements.txt", "--extra-index-url https://i.example/simple\na==1 A:"), target)
	var incomplete *runtimes.Incomplete
	if !errors.As(err, &incomplete) || !slices.Equal(incomplete.Requests[0].Indexes, target.Indexes) {
		t.Errorf("got %+v, %v", incomplete, err)
	}
}

// TestExtraIndexAlone: pip asks its own index and the extra ones.
func TestExtraIndexAlone(t *testing.T) {
	project := textFiles("requirements.txt", "--extra-index-url https://i.example/simple\na==1 A:\n")
	_, err := Runtime{}.Recipe(project, pythonTarget(t, "python3.13", runtimes.X86_64))
	var incomplete *runtimes.Incomplete
	if !errors.As(err, &incomplete) || !slices.Equal(incomplete.Requests[0].Indexes, []string{"", "https://i.example/simple"}) {
		t.Errorf("got %v, want the ecosystem's own index and the extra one to be asked", err)
	}
}
