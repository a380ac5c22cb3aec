package propose

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/layerbuild/layerbuild/runtimes/java"
	"github.com/layerbuild/layerbuild/runtimes/node"
	"github.com/layerbuild/layerbuild/runtimes/python"
)

var updateServerless = flag.Bool("update", false, "rewrite the golden files")

func project(files fs.FS) Project {
	return Project{FS: files, Name: "shop", Languages: []Language{python.Runtime{}, node.Runtime{}, java.Runtime{}}}
}

// described is all that a proposal says.
func described(t *testing.T, p Proposal) string {
	t.Helper()
	var b strings.Builder
	if len(p.Layers) > 0 {
		config, err := Render(p)
		if err != nil {
			t.Errorf("layerbuild.yaml is not as it must be: %v\n%s", err, config)
		}
		b.Write(config)
	}
	for _, l := range p.Left {
		fmt.Fprintf(&b, "left: %s: %s\n", l.Place, l.Why)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	for _, say := range p.ByHand {
		fmt.Fprintf(&b, "by hand: %s\n", say)
	}
	for _, e := range p.Edits {
		b.Write(diff.Diff(e.File, e.Old, e.File, e.New))
	}
	return b.String()
}

// TestServerless: what comes of services of the Serverless Framework. The last
// file of each archive is what is proposed; the others are the project.
func TestServerless(t *testing.T) {
	names, err := filepath.Glob("testdata/serverless/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files, file := fstest.MapFS{}, ""
			for _, f := range archive.Files[:len(archive.Files)-1] {
				files[f.Name] = &fstest.MapFile{Data: f.Data}
				if strings.HasPrefix(filepath.Base(f.Name), "serverless.y") {
					file = f.Name
				}
			}
			want := &archive.Files[len(archive.Files)-1]
			if want.Name != "proposed" {
				t.Fatalf("the last file is %s", want.Name)
			}
			p := project(files)
			got := ""
			proposal, err := p.Read(Source{Name: "service", Read: readServerless}, file)
			if err != nil {
				got = "error: " + err.Error() + "\n"
			} else {
				got = described(t, proposal)
			}
			if *updateServerless {
				want.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want.Data) {
				t.Errorf("%s", diff.Diff("want", want.Data, "got", []byte(got)))
			}
			again(t, p, files, proposal)
		})
	}
}

// again reads what the edits make of the project: no layer is left to propose.
func again(t *testing.T, p Project, files fstest.MapFS, first Proposal) {
	t.Helper()
	for _, e := range first.Edits {
		files[e.File] = &fstest.MapFile{Data: e.New}
		second, err := p.Read(Source{Name: "service", Read: readServerless}, e.File)
		if err != nil {
			t.Fatal(err)
		}
		if len(second.Edits) > 0 && len(first.ByHand) == 0 {
			t.Errorf("after the edit, another: %s", described(t, second))
		}
	}
}

// FuzzServerless: whatever a serverless.yml says, it is read or refused with its
// name; what is proposed is a configuration, and an edit says what was meant.
func FuzzServerless(f *testing.F) {
	names, err := filepath.Glob("testdata/serverless/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasPrefix(filepath.Base(file.Name), "serverless.y") {
				f.Add(file.Data)
			}
		}
	}
	lock := []byte(`{"name": "web", "lockfileVersion": 3, "packages": {"": {"name": "web"}}}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		p := project(fstest.MapFS{
			"serverless.yml":                      {Data: data},
			"requirements.txt":                    {Data: []byte("idna==3.10\n")},
			"layers/web/nodejs/package.json":      {Data: []byte("{}")},
			"layers/web/nodejs/package-lock.json": {Data: lock},
			"layers/config/settings.json":         {Data: []byte("{}")},
			"one/python/one.py":                   {},
		})
		proposal, err := p.Read(Source{Name: "service", Read: readServerless}, "serverless.yml")
		if _, ok := asInput(err); err != nil && !ok {
			t.Fatalf("%T: %v", err, err)
		}
		if err == nil {
			_ = described(t, proposal)
			again(t, p, p.FS.(fstest.MapFS), proposal)
		}
	})
}
