package python

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// exported makes of a uv.lock what `uv export` would, and the index that
// knows its files.
func exported(t *testing.T, files fstest.MapFS) (text string, index map[string]runtimes.File) {
	t.Helper()
	lock, err := parseUVLock("uv.lock", files["uv.lock"].Data)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	index = map[string]runtimes.File{}
	for _, p := range lock.Packages {
		if p.Source.Registry == "" {
			continue
		}
		all := p.Wheels
		if p.Sdist != nil {
			all = append(slices.Clone(all), *p.Sdist)
		}
		fmt.Fprintf(&b, "%s==%s", p.Name, p.Version)
		if len(p.Markers) > 0 {
			fmt.Fprintf(&b, " ; %s", p.Markers[0])
		}
		for _, f := range all {
			sum := strings.TrimPrefix(f.Hash, "sha256:")
			fmt.Fprintf(&b, " \\\n    --hash=sha256:%s", sum)
			index[sum] = runtimes.File{Name: f.name(), URL: "https://mirror.example/" + f.name(), SHA256: sum, RequiresPython: ">=3.9"}
		}
		b.WriteString("\n")
	}
	return b.String(), index
}

func answers(requests []runtimes.FileRequest, index map[string]runtimes.File) map[string][]runtimes.File {
	all := map[string][]runtimes.File{}
	for _, q := range requests {
		// What an index answers too much must not matter.
		files := []runtimes.File{{Name: q.Name + "-9.9-py3-none-any.whl", SHA256: strings.Repeat("0", 64)}}
		for _, sum := range q.Hashes {
			if f, ok := index[sum]; ok {
				files = append(files, f)
			}
		}
		all[q.Key()] = files
	}
	return all
}

// The same packages locked in two formats are the same package set.
func TestFormatsAgree(t *testing.T) {
	files := project(t, "app")
	text, index := exported(t, files)
	files["old/requirements.txt"] = &fstest.MapFile{Data: []byte(text)}
	for _, name := range []string{"python3.11", "python3.12", "python3.13"} {
		for _, arch := range runtimes.Arches() {
			fromLock := target(t, name, arch)
			fromLock.Extras, fromLock.Groups = []string{"all"}, []string{"dev", "web"}
			want := recipeWithBuilds(t, files, &fromLock)
			fromText := target(t, name, arch)
			fromText.Path, fromText.Exclude = "old", []string{"colorama"} // on Windows only
			if arch != runtimes.ARM64 {
				fromText.Exclude = append(fromText.Exclude, "uvloop") // on arm64 only
			}
			_, err := Runtime{}.Recipe(files, fromText)
			var incomplete *runtimes.Incomplete
			if !errors.As(err, &incomplete) {
				t.Fatalf("got %v, not an Incomplete", err)
			}
			if len(incomplete.Requests) != len(want.Packages) {
				t.Errorf("%d requests for %d packages", len(incomplete.Requests), len(want.Packages))
			}
			fromText.Files = answers(incomplete.Requests, index)
			fromText.Pins = fromLock.Pins
			got, err := Runtime{}.Recipe(files, fromText)
			if err != nil {
				t.Fatal(err)
			}
			if g, w := bare(got), bare(want); !reflect.DeepEqual(g, w) {
				t.Errorf("%s %s:\nrequirements.txt %v\nuv.lock          %v", name, arch, g, w)
			}
		}
	}
}

// bare drops what does not decide a layer's bytes.
func bare(r runtimes.Recipe) []runtimes.Package {
	packages := slices.Clone(r.Packages)
	for i := range packages {
		packages[i].File.URL, packages[i].File.Size = "", 0
	}
	return packages
}

func TestCompleteRequirements(t *testing.T) {
	one := strings.Repeat("1", 64)
	two := strings.Repeat("2", 64)
	const six = "six-1.17.0-py2.py3-none-any.whl"
	index := map[string]runtimes.File{
		one: {Name: six, URL: "https://files.example/" + six, SHA256: one, Size: 11},
		two: {Name: "numpy-2.2.6-cp312-cp312-manylinux_2_17_x86_64.whl", URL: "https://files.example/n", SHA256: two},
	}
	both := "six==1.17.0 --hash=sha256:" + one + "\nnumpy==2.2.6 --hash=sha256:" + two + "\n"
	tests := []struct {
		name  string
		text  string
		with  func(*runtimes.Target)
		want  string // packages, indexes and notes, or the error
		asked string // indexes of the first request
	}{
		{"plain", both, nil, "numpy 2.2.6, six 1.17.0 [] []", "[]"},
		{"indexes of the file", "-i https://a.example/simple\n--extra-index-url https://b.example/simple\n" + both, nil,
			"numpy 2.2.6, six 1.17.0 [https://a.example/simple https://b.example/simple] []", "[https://a.example/simple https://b.example/simple]"},
		{"a mirror wins over them", "-i https://a.example/simple\n" + both,
			func(t *runtimes.Target) { t.Indexes = []string{"https://mirror.example/simple"} },
			"numpy 2.2.6, six 1.17.0 [https://mirror.example/simple] []", "[https://mirror.example/simple]"},
		{"exclude", both, func(t *runtimes.Target) { t.Exclude = []string{"Numpy", "boto3"} },
			"six 1.17.0 [] [boto3 is excluded but not in requirements.txt requirements.txt does not say what pulled a package in: exclude drops Numpy and nothing else]", "[]"},
		{"URL", "six @ https://files.example/six-1.17.0-py2.py3-none-any.whl --hash=sha256:" + one, nil, "six 1.17.0 [] []", ""},
		{"no binary", "--no-binary six\n" + both, nil, "numpy 2.2.6, six 1.17.0: --no-binary asks for a build from source [] []", "[]"},
		{"no binary of all but one", "--no-binary :all:\n--only-binary six\n" + both, nil, "numpy 2.2.6: --no-binary asks for a build from source, six 1.17.0 [] []", "[]"},
		{"an index that dropped a file", "six==1.17.0 --hash=sha256:" + one + " --hash=sha256:" + strings.Repeat("3", 64), nil,
			"six 1.17.0 [] [six 1.17.0: the index lacks 1 of the 2 files that requirements.txt locks]", "[]"},
		{"an index without any", "six==1.17.0 --hash=sha256:" + strings.Repeat("3", 64), nil,
			"requirements.txt:1: no package index that was asked has a file of six 1.17.0 with a hash that is locked here", "[]"},
		{"no index", "--no-index\n" + both, nil, "requirements.txt: --no-index: files of local folders or plain pages cannot be used yet, only those of a package index", ""},
		{"not locked", "six==1.17.0\n", nil, "requirements.txt: 1 requirement is not locked:\n  requirements.txt:1: six==1.17.0: no hash", ""},
		{"groups", both, func(t *runtimes.Target) { t.Groups = []string{"web"} }, "requirements.txt: a requirements file has no groups, and the layer asks for web", ""},
		{"extras", both, func(t *runtimes.Target) { t.Extras = []string{"s3"} }, "requirements.txt: a requirements file has no extras, and the layer asks for s3", ""},
		{"nothing", "# nothing yet\n", nil, "requirements.txt: nothing to install for python3.12 on x86_64", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := fstest.MapFS{"requirements.txt": &fstest.MapFile{Data: []byte(tt.text)}}
			target := target(t, "python3.12", runtimes.X86_64)
			if tt.with != nil {
				tt.with(&target)
			}
			r, err := Runtime{}.Recipe(files, target)
			asked := ""
			var incomplete *runtimes.Incomplete
			if errors.As(err, &incomplete) {
				asked = fmt.Sprint(incomplete.Requests[0].Indexes)
				target.Files = answers(incomplete.Requests, index)
				r, err = Runtime{}.Recipe(files, target)
			}
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				var packages []string
				for _, p := range r.Packages {
					s := p.Name + " " + p.Version
					if p.Missing != "" {
						s += ": " + p.Missing
					}
					packages = append(packages, s)
				}
				got = fmt.Sprint(strings.Join(packages, ", "), " ", r.Indexes, " ", r.Notes)
			}
			if got != tt.want || asked != tt.asked {
				t.Errorf("got  %s, asked %s\nwant %s, asked %s", got, asked, tt.want, tt.asked)
			}
		})
	}
}
