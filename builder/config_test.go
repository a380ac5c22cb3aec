package builder

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/layerbuild/layerbuild/runtimes"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a golden file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("not as %s\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}

// eachConfig runs f for the files of a folder in testdata/config.
func eachConfig(t *testing.T, folder string, f func(t *testing.T, name string, data []byte, goldenFile string)) {
	files, err := filepath.Glob(filepath.Join("testdata", "config", folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", folder, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			f(t, name, data, strings.TrimSuffix(file, ".yaml")+".golden")
		})
	}
}

func TestConfigValid(t *testing.T) {
	eachConfig(t, "valid", func(t *testing.T, name string, data []byte, goldenFile string) {
		c, err := parseConfig(name, "/project", sampleProject, data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(shown(c), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, goldenFile, string(got)+"\n")
	})
}

// shown replaces each runtime by its name, so that the goldens do not hold the
// table of runtimes.
func shown(c *Config) any {
	type layer struct {
		Layer
		Runtimes []string
	}
	layers := []layer{}
	for _, l := range c.Layers {
		s := layer{Layer: l}
		for _, r := range l.Runtimes {
			s.Runtimes = append(s.Runtimes, r.Name)
		}
		layers = append(layers, s)
	}
	return struct {
		Config
		Layers []layer
	}{*c, layers}
}

func TestConfigInvalid(t *testing.T) {
	eachConfig(t, "invalid", func(t *testing.T, name string, data []byte, goldenFile string) {
		c, err := parseConfig(name, "/project", sampleProject, data)
		if err == nil {
			t.Fatalf("accepted: %+v", c)
		}
		var b strings.Builder
		for _, e := range inputErrors(t, err) {
			fmt.Fprintf(&b, "%v\n", e)
			if e.Hint != "" {
				fmt.Fprintf(&b, "\t%s\n", strings.ReplaceAll(strings.TrimSpace(e.Hint), "\n", "\n\t"))
			}
		}
		golden(t, goldenFile, b.String())
		if strings.Contains(b.String(), "hush") { // which is the password in these files
			t.Error("a password is shown")
		}
	})
}

// inputErrors lists the errors that err joins, all of which must be
// InputErrors.
func inputErrors(t *testing.T, err error) []*runtimes.InputError {
	t.Helper()
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	var all []*runtimes.InputError
	for _, err := range errs {
		e, ok := err.(*runtimes.InputError)
		if !ok {
			t.Fatalf("%T: %v", err, err)
		}
		all = append(all, e)
	}
	return all
}

func TestConfigExample(t *testing.T) {
	c, err := parseConfig("f", "/project", sampleProject, []byte(ConfigExample))
	if err != nil {
		t.Fatal(err)
	}
	if c.Layers[0].Name != "api" {
		t.Errorf("got %+v", c)
	}
}

func TestFindConfig(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	// A folder of that name does not count.
	if err := os.MkdirAll(filepath.Join(deep, ConfigName), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	if _, err := FindConfig("."); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v, want fs.ErrNotExist", err)
	}
	file := filepath.Join(root, ConfigName)
	if err := os.WriteFile(file, []byte(ConfigExample), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ dir, want string }{
		{".", "../../layerbuild.yaml"},
		{"..", "../../layerbuild.yaml"},
		{"../..", "../../layerbuild.yaml"},
		{deep, file},
		{root, file},
	} {
		got, err := FindConfig(test.dir)
		if err != nil || got != test.want {
			t.Errorf("FindConfig(%q) = %q, %v, want %q", test.dir, got, err, test.want)
		}
	}
	c, err := LoadConfig("../../layerbuild.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c.Root != root || c.Output != filepath.Join(root, ".layerbuild", "dist") || c.File != "../../layerbuild.yaml" {
		t.Errorf("got %+v", c)
	}
}

func TestLoadConfigUnreadable(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("large.yaml", make([]byte, maxConfigSize+1), 0o666); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"none.yaml":  "none.yaml: cannot be read: no such file or directory",
		"large.yaml": "large.yaml: cannot be read: larger than 1048576 bytes",
		".":          ".: cannot be read: is a directory",
	} {
		_, err := LoadConfig(file)
		if e := (*runtimes.InputError)(nil); !errors.As(err, &e) || err.Error() != want {
			t.Errorf("LoadConfig(%q) = %v, want %s", file, err, want)
		}
	}
}

func TestFileName(t *testing.T) {
	py, _ := runtimes.Lookup("python3.13")
	py12, _ := runtimes.Lookup("python3.12")
	one, two := []runtimes.Arch{runtimes.ARM64}, runtimes.Arches()
	for _, test := range []struct {
		layer Layer
		want  string
	}{
		{Layer{Name: "a", Runtimes: []runtimes.Info{py}, Architectures: one}, "a"},
		{Layer{Name: "a", Runtimes: []runtimes.Info{py}, Architectures: two}, "a-python3.13-arm64"},
		{Layer{Name: "a", Runtimes: []runtimes.Info{py, py12}, Architectures: one}, "a-python3.13-arm64"},
		{Layer{Name: "a", Runtimes: []runtimes.Info{py, py12}, Architectures: two, Universal: true}, "a"},
	} {
		if got := test.layer.FileName(py, runtimes.ARM64); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestSingleLayer(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"work/services/api", "my service!", "layers", "work/ü"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	lock := filepath.Join(root, "work/services/api/requirements.txt")
	if err := os.WriteFile(lock, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(root, "work")
	t.Chdir(work)
	for _, test := range []struct{ arg, name, root, path, lock string }{
		{"services/api", "api", work, "services/api", ""},
		{"services/api/requirements.txt", "api", work, "services/api", "requirements.txt"},
		{lock, "api", work, "services/api", "requirements.txt"},
		{".", "work", work, ".", ""},
		{"ü", "layer", work, "ü", ""},
		{"../my service!", "my-service", filepath.Join(root, "my service!"), ".", ""},
		{"../layers", "layers-layer", filepath.Join(root, "layers"), ".", ""},
	} {
		c, err := SingleLayer(test.arg, []string{"python3.13", "python3.12", "python3.13"}, []string{"arm64", "arm64"})
		if err != nil {
			t.Errorf("%s: %v", test.arg, err)
			continue
		}
		l := c.Layers[0]
		if l.Name != test.name || c.Root != test.root || l.Path != test.path || l.LockFile != test.lock {
			t.Errorf("%s: got %s, %s, %s, %s, want %+v", test.arg, l.Name, c.Root, l.Path, l.LockFile, test)
		}
		if len(l.Runtimes) != 2 || !reflect.DeepEqual(l.Architectures, []runtimes.Arch{runtimes.ARM64}) {
			t.Errorf("%s: got %v, %v", test.arg, l.Runtimes, l.Architectures)
		}
	}
}

func TestSingleLayerErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	py, arm := []string{"python3.13"}, []string{"arm64"}
	for _, test := range []struct {
		path           string
		runtime, arch  []string
		problem, shows string
	}{
		{"none", py, arm, "none: cannot be read: no such file or directory", "folder"},
		{".", nil, arm, "no runtime is given", "--runtime"},
		{".", py, nil, "no architecture is given", "--arch"},
		{".", []string{"python313"}, arm, `unknown runtime "python313"`, `did you mean "python3.13"?`},
		{".", py, []string{"amd64"}, `unknown architecture "amd64"`, "x86_64"},
	} {
		_, err := SingleLayer(test.path, test.runtime, test.arch)
		var e *runtimes.InputError
		if !errors.As(err, &e) || e.Error() != test.problem || !strings.Contains(e.Hint, test.shows) {
			t.Errorf("got %+v, want %s, hint with %s", err, test.problem, test.shows)
		}
	}
}

func TestNearest(t *testing.T) {
	known := names(layerFields)
	for word, want := range map[string]string{
		"arch": "architectures", "runtimes": "runtime", "LOCKFILE": "lockfile",
		"desciption": "description", "excludeFile": "excludeFiles", "x": "", "": "", "foo": "",
		"ptah": "path", "lpain": "plain", "htap": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// TestConfigDoc holds doc/config.md to the tables of fields.
func TestConfigDoc(t *testing.T) {
	data, err := os.ReadFile("../doc/config.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := sectionsOf(string(data))
	for title, fields := range map[string][]string{
		fileTable:    names(fileFields),
		layerTable:   names(layerFields),
		builderTable: names(builderFields),
		tlsTable:     names(tlsFields),
	} {
		for _, name := range fields {
			if !strings.Contains(sections[title], "\n| `"+name+"` |") {
				t.Errorf("doc/config.md has no row for %s in section %q", name, title)
			}
		}
		if rows := strings.Count(sections[title], "\n| `"); rows != len(fields) {
			t.Errorf("section %q has %d rows for %d fields", title, rows, len(fields))
		}
	}
	for _, block := range strings.Split(string(data), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		if _, err := parseConfig("doc/config.md", "/project", sampleProject, []byte(text)); err != nil {
			t.Errorf("an example is wrong: %v\n%s", err, text)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, folder := range []string{"valid", "invalid"} {
		files, err := filepath.Glob("testdata/config/" + folder + "/*.yaml")
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	schema := compileSchema(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig("f.yaml", "/project", sampleProject, data)
		if err != nil {
			for _, e := range inputErrors(t, err) {
				if e.File != "f.yaml" || e.Line < 0 || e.Line > len(data)+1 {
					t.Errorf("wrong place: %v", e)
				}
			}
			return
		}
		if len(c.Layers) == 0 {
			t.Error("no layers")
		}
		if err := validate(schema, data); err != nil {
			t.Errorf("the schema refuses what the decoder accepts: %v", err)
		}
		taken := make(map[string]bool)
		for _, l := range c.Layers {
			checkLayer(t, l)
			for _, name := range l.fileNames() {
				if name = strings.ToLower(name); taken[name] || name == indexName {
					t.Errorf("file name %s is taken", name)
				}
				taken[name] = true
			}
		}
	})
}

// checkLayer checks what everything behind the configuration relies on.
func checkLayer(t *testing.T, l Layer) {
	if l.Name == "" || strings.ContainsFunc(l.Name, notInName) || len(l.Name) > maxName {
		t.Errorf("bad name %q", l.Name)
	}
	if len(l.Runtimes) == 0 || len(l.Architectures) == 0 {
		t.Errorf("no targets: %+v", l)
	}
	if utf8.RuneCountInString(l.Description) > maxDescription {
		t.Errorf("description too long")
	}
	paths := []string{l.Path}
	for _, i := range l.Include {
		paths = append(paths, i.From, i.To)
	}
	for _, p := range paths {
		if !fs.ValidPath(p) {
			t.Errorf("bad path %q", p)
		}
	}
}
