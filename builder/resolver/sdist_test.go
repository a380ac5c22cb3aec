package resolver

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

func TestMetadata(t *testing.T) {
	const oldInfo = "Metadata-Version: 1.1\nName: old\nVersion: 1.0\n"
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string // requirements, requires-python, extras
	}{
		{"says nothing", nil, "[] [] "},
		{"static by PEP 643, whatever else there is", map[string]string{
			"PKG-INFO":                  "Metadata-Version: 2.2\nName: old\nVersion: 1.0\nRequires-Python: >=3.8\nRequires-Dist: a>=1\nProvides-Extra: X\nRequires-Dist: b; extra == 'x'\n\nRequires-Dist: in-the-text\n",
			"old.egg-info/requires.txt": "never",
		}, `[a>=1 b; extra == "x"] [x] >=3.8`},
		{"dynamic by PEP 643", map[string]string{
			"PKG-INFO":                      "Metadata-Version: 2.4\r\nName: old\r\nVersion: 1.0\r\nDynamic: requires-dist\r\n\r\n",
			"src/old.egg-info/requires.txt": "a>=1\n",
		}, "[a>=1] [] "},
		{"pyproject.toml", map[string]string{
			"pyproject.toml": "[project]\nname='old'\nrequires-python='>=3.9'\ndependencies=['a', 'b; python_version < \"4\"']\noptional-dependencies={X_y=['c']}\n",
		}, `[a b; python_version < "4" c; extra == "x-y"] [x-y] >=3.9`},
		{"pyproject.toml with dynamic dependencies", map[string]string{
			"pyproject.toml":            "[project]\nname='old'\ndynamic=['dependencies']\n",
			"old.egg-info/requires.txt": "a\n",
		}, "[a] [] "},
		{"PKG-INFO of an old version", map[string]string{
			"PKG-INFO": "Metadata-Version: 2.1\nName: old\nVersion: 1.0\nDescription: long\n  Requires-Dist: of-the-description\nRequires-Dist: a (>=1)\n",
		}, "[a>=1] [] "},
		{"requires.txt", map[string]string{
			"PKG-INFO":                      oldInfo,
			"old.egg-info/requires.txt":     "a>=1\n\n# more\n[:python_version < \"3\"]\nb\n\n[X]\nc\n\n[X:os_name == 'nt']\nd; python_version > '2'\n",
			"another.egg-info/requires.txt": "never",
		}, `[a>=1 b; python_version < "3" c; extra == "x" d; os_name == "nt" and extra == "x" and python_version > "2"] [x] `},
		{"a Requires-Python of no known form", map[string]string{"PKG-INFO": oldInfo + "Requires-Python: three\n"}, "[] [] "},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := readSdist("old-1.0.tar.gz", opened(sdistFile(t, test.files).Data))
			if err != nil {
				t.Fatal(err)
			}
			m, err := s.metadata("old")
			if err != nil {
				t.Fatal(err)
			}
			got := "[" + strings.Join(m.requires, " ") + "] [" + strings.Join(m.extras, " ") + "] " + m.requiresPython
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestMetadataRefuses(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"an address":          {"old.egg-info/requires.txt": "a @ https://evil.example/a.whl"},
		"a file":              {"PKG-INFO": "Metadata-Version: 2.2\nRequires-Dist: a @ file:///etc/passwd\n"},
		"an option":           {"old.egg-info/requires.txt": "--index-url https://evil.example"},
		"an open section":     {"old.egg-info/requires.txt": "[x\na"},
		"a section's marker":  {"old.egg-info/requires.txt": "[:nonsense]\na"},
		"an extra's name":     {"old.egg-info/requires.txt": "[\" or os_name == \"]\na"},
		"two of them":         {"old.egg-info/requires.txt": "a", "src/old.egg-info/requires.txt": "b"},
		"a broken pyproject":  {"pyproject.toml": "["},
		"a hostile pyproject": {"pyproject.toml": "[project]\ndependencies=['a\\n-r /etc/passwd']"},
	} {
		s, err := readSdist("old-1.0.tar.gz", opened(sdistFile(t, files).Data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var defect *defectError
		if m, err := s.metadata("old"); !errors.As(err, &defect) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

// tarOf packs headers whose content is as long as they say.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("#"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHostileSdists(t *testing.T) {
	info := tar.Header{Name: "old-1.0/PKG-INFO", Size: 1, Mode: 0o644}
	good := tarOf(t, info)
	for name, data := range map[string][]byte{
		"nothing":                nil,
		"no gzip":                []byte("hello"),
		"cut":                    good[:len(good)/2],
		"no tar":                 gzipped(t, bytes.Repeat([]byte("x"), 2000)),
		"no project":             tarOf(t, tar.Header{Name: "PKG-INFO", Size: 1}),
		"a project outside":      tarOf(t, tar.Header{Name: "../old-1.0/PKG-INFO", Size: 1}),
		"from outside to within": tarOf(t, tar.Header{Name: "old-1.0/../../old-1.0/PKG-INFO", Size: 1}),
		"an absolute path":       tarOf(t, tar.Header{Name: "/old-1.0/PKG-INFO", Size: 1}),
		"two projects":           tarOf(t, info, tar.Header{Name: "other/PKG-INFO", Size: 1}),
		"a file twice":           tarOf(t, info, tar.Header{Name: "old-1.0/./PKG-INFO", Size: 1}),
		"a file and a link":      tarOf(t, info, tar.Header{Name: "old-1.0/PKG-INFO", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}),
		"too much":               tarOf(t, tar.Header{Name: "old-1.0/PKG-INFO", Size: maxMetadataFile + 1}),
	} {
		var defect *defectError
		if s, err := readSdist("old-1.0.tar.gz", opened(data)); !errors.As(err, &defect) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	var defect *defectError
	if s, err := readSdist("old-1.0.tar.xz", opened(good)); !errors.As(err, &defect) {
		t.Errorf("a kind that is not read: %v, %v", s, err)
	}

	for _, kind := range []byte{tar.TypeSymlink, tar.TypeLink} {
		data := tarOf(t, info, tar.Header{Name: "old-1.0/pyproject.toml", Typeflag: kind, Linkname: "/etc/passwd"})
		s, err := readSdist("old-1.0.tar.gz", opened(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err := s.file("pyproject.toml"); !errors.As(err, &defect) {
			t.Errorf("a link for pyproject.toml: %q, %v", data, err)
		}
	}
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestZippedSdist(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range map[string]string{
		"old-1.0/":               "",
		"old-1.0/PKG-INFO":       "Metadata-Version: 1.0\n",
		"old-1.0/pyproject.toml": "[build-system]\nrequires = ['a']\n",
		"old-1.0/setup.py":       "raise SystemExit",
	} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := readSdist("old-1.0.zip", opened(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := s.file("pyproject.toml"); err != nil || !strings.Contains(string(data), "'a'") || len(s.files) != 2 {
		t.Errorf("%q, %v, of %d files", data, err, len(s.files))
	}
}

func FuzzSdist(f *testing.F) {
	f.Add(sdistFile(f, map[string]string{"old.egg-info/requires.txt": "a>=1\n[x:os_name == 'nt']\nb\n", "pyproject.toml": "[project]\ndependencies = []\n"}).Data, true)
	f.Add(tarOf(f, tar.Header{Name: "old-1.0/PKG-INFO", Typeflag: tar.TypeSymlink, Linkname: "x"}), true)
	f.Add([]byte("PK\x05\x06"+strings.Repeat("\x00", 18)), false)
	f.Fuzz(func(t *testing.T, data []byte, tarball bool) {
		name := "old-1.0.zip"
		if tarball {
			name = "old-1.0.tar.gz"
		}
		s, err := readSdist(name, opened(data))
		if err != nil {
			return
		}
		checkConfigFile(t, s)
	})
}

// FuzzMetadata has the archive's own format out of the way.
func FuzzMetadata(f *testing.F) {
	f.Add("Metadata-Version: 2.2\nRequires-Dist: a>=1; extra == 'x'\nProvides-Extra: x\nRequires-Python: >=3\n", "", "")
	f.Add("Metadata-Version: 1.1\n", "", "a\n[x:os_name == 'nt']\nb\n")
	f.Add("Metadata-Version: 1.1\n", "[project]\ndependencies = ['a']\noptional-dependencies = {x = ['b']}\n", "")
	f.Fuzz(func(t *testing.T, info, pyproject, requires string) {
		checkConfigFile(t, &sdist{top: "old-1.0", files: map[string][]byte{
			"PKG-INFO": []byte(info), "pyproject.toml": []byte(pyproject), "old.egg-info/requires.txt": []byte(requires),
		}})
	})
}

// checkConfigFile holds that what is told to uv says what was read, and
// nothing else.
func checkConfigFile(t *testing.T, s *sdist) {
	t.Helper()
	m, err := s.metadata("old")
	if err != nil {
		return
	}
	text, err := configFile(map[string]source{"old": {version: "1.0", metadata: m}})
	if err != nil {
		t.Fatal(err)
	}
	var config map[string][]struct {
		Name     string   `toml:"name"`
		Requires []string `toml:"requires-dist"`
		Python   string   `toml:"requires-python"`
		Extras   []string `toml:"provides-extra"`
	}
	if err := toml.Unmarshal([]byte(text), &config); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	entries := config["dependency-metadata"]
	if len(config) != 1 || len(entries) != 1 {
		t.Fatalf("%d keys, %d entries in\n%s", len(config), len(entries), text)
	}
	got := entries[0]
	if got.Name != "old" || !slices.Equal(got.Requires, m.requires) || got.Python != m.requiresPython || !slices.Equal(got.Extras, m.extras) {
		t.Errorf("%+v was read, uv is told\n%s", m, text)
	}
}
