package pep

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The golden files hold what `packaging` answers; testdata/generate.py makes
// them and describes their form.
var update = flag.Bool("update", false, "renew the golden files with the python of LAYERBUILD_TEST_PYTHON")

func TestGolden(t *testing.T) {
	if *update {
		generate(t, testPython(t), "testdata")
	}
	checkAll(t, "testdata")
}

// testPython is a python that has packaging 25.0.
func testPython(t *testing.T) string {
	t.Helper()
	python := os.Getenv("LAYERBUILD_TEST_PYTHON")
	if python == "" {
		t.Fatal("LAYERBUILD_TEST_PYTHON does not name a python that has packaging 25.0")
	}
	return python
}

func generate(t *testing.T, python string, args ...string) {
	t.Helper()
	cmd := exec.Command(python, append([]string{filepath.Join("testdata", "generate.py")}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

func checkAll(t *testing.T, dir string) {
	t.Run("versions", func(t *testing.T) { checkVersions(t, dir) })
	t.Run("specifiers", func(t *testing.T) { checkSpecifiers(t, dir) })
	t.Run("markers", func(t *testing.T) { checkMarkers(t, dir) })
	t.Run("requirements", func(t *testing.T) { checkRequirements(t, dir) })
	t.Run("tags", func(t *testing.T) { checkTags(t, dir) })
	t.Run("wheels", func(t *testing.T) { checkWheels(t, dir) })
}

// readGolden returns the lines of a golden file, split at tabs.
func readGolden(t *testing.T, dir, name string) [][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	var lines [][]string
	for line := range strings.Lines(string(data)) {
		lines = append(lines, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return lines
}

// untab puts back the tabs that generate.py replaced in a field.
func untab(field string) string { return strings.ReplaceAll(field, "\x1f", "\t") }

// maskOf writes answers in the form of the golden files.
func maskOf[T any](list []T, answer func(T) bool) string {
	m := new(big.Int)
	for i, x := range list {
		if answer(x) {
			m.SetBit(m, i, 1)
		}
	}
	return m.Text(16)
}

func mustVersion(t *testing.T, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustVersions(t *testing.T, texts []string) []Version {
	t.Helper()
	list := make([]Version, len(texts))
	for i, s := range texts {
		list[i] = mustVersion(t, s)
	}
	return list
}

func checkVersions(t *testing.T, dir string) {
	var all []ranked
	for _, f := range readGolden(t, dir, "versions.txt") {
		v, err := ParseVersion(f[0])
		if f[1] == "!" {
			if err == nil {
				t.Errorf("ParseVersion(%q) = %s, want an error", f[0], v)
			}
			continue
		}
		if err != nil || v.String() != f[1] {
			t.Errorf("ParseVersion(%q) = %s, %v, want %s", f[0], v, err, f[1])
			continue
		}
		rank, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ranked{v, rank})
	}
	// One pair in seven, all neighbours in the order among them.
	slices.SortStableFunc(all, func(a, b ranked) int { return a.rank - b.rank })
	for i, a := range all {
		for j := i % 7; j < len(all); j += 7 {
			compareVersions(t, a, all[j])
		}
		if i > 0 {
			compareVersions(t, a, all[i-1])
		}
	}
}

// ranked is a version with its place in the order of all.
type ranked struct {
	v    Version
	rank int
}

func compareVersions(t *testing.T, a, b ranked) {
	t.Helper()
	want := min(max(a.rank-b.rank, -1), 1)
	if got := a.v.Compare(b.v); got != want {
		t.Fatalf("%s.Compare(%s) = %d, want %d", a.v, b.v, got, want)
	}
}

func checkSpecifiers(t *testing.T, dir string) {
	lines := readGolden(t, dir, "specifiers.txt")
	versions := mustVersions(t, lines[0])
	for _, f := range lines[1:] {
		s, err := ParseSpecifiers(f[0])
		if f[1] == "!" {
			if err == nil {
				t.Errorf("ParseSpecifiers(%q) = %s, want an error", f[0], s)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if got := maskOf(versions, s.Contains); got != f[1] {
			t.Errorf("%q contains %s of the versions, want %s", f[0], got, f[1])
		}
		again, err := ParseSpecifiers(s.String())
		if err != nil || maskOf(versions, again.Contains) != f[1] {
			t.Errorf("%q prints as %q, which means something else (%v)", f[0], s, err)
		}
	}
}

// readEnvironments reads the head of markers.txt and returns the lines after
// it.
func readEnvironments(t *testing.T, dir string) ([]Environment, [][]string) {
	t.Helper()
	lines := readGolden(t, dir, "markers.txt")
	var envs []Environment
	for i, f := range lines {
		if f[0] == "" {
			return envs, lines[i+1:]
		}
		var e struct {
			Python   string   `json:"python_version"`
			Full     string   `json:"python_full_version"`
			Machine  string   `json:"platform_machine"`
			ExtraSet []string `json:"extras"`
			GroupSet []string `json:"dependency_groups"`
		}
		if err := json.Unmarshal([]byte(f[0]), &e); err != nil {
			t.Fatal(err)
		}
		env := EnvironmentFor(target(t, e.Python, "2.34", e.Machine))
		if env.PythonFullVersion != e.Full {
			t.Fatalf("python %s is %s here and %s in the golden file", e.Python, env.PythonFullVersion, e.Full)
		}
		env.Extras, env.DependencyGroups = e.ExtraSet, e.GroupSet
		envs = append(envs, env)
	}
	t.Fatal("markers.txt has no end of its head")
	return nil, nil
}

// target is the target of a Python version and a C library, the machine in
// Python's words.
func target(t *testing.T, python, glibc, machine string) runtimes.Target {
	t.Helper()
	arch := runtimes.X86_64
	if machine == "aarch64" {
		arch = runtimes.ARM64
	}
	info := runtimes.Info{Name: "python" + python, Family: "python", Version: python}
	if _, err := fmt.Sscanf(glibc, "%d.%d", &info.Glibc.Major, &info.Glibc.Minor); err != nil {
		t.Fatal(err)
	}
	return runtimes.Target{Runtime: info, Arch: arch}
}

func checkMarkers(t *testing.T, dir string) {
	envs, lines := readEnvironments(t, dir)
	for _, f := range lines {
		text := untab(f[0])
		m, err := ParseMarker(text)
		if f[1] == "!" {
			if err == nil {
				t.Errorf("ParseMarker(%q) = %s, want an error", text, m)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if got := maskOf(envs, m.Eval); got != f[1] {
			t.Errorf("%q is true in %s, want %s", text, got, f[1])
		}
		again, err := ParseMarker(m.String())
		if err != nil || again.String() != m.String() || maskOf(envs, again.Eval) != f[1] {
			t.Errorf("%q prints as %q, which means something else (%v)", text, m, err)
		}
	}
}

func checkRequirements(t *testing.T, dir string) {
	envs, _ := readEnvironments(t, dir)
	lines := readGolden(t, dir, "requirements.txt")
	versions := mustVersions(t, lines[0])
	for _, f := range lines[1:] {
		text := untab(f[0])
		r, err := ParseRequirement(text)
		if f[1] == "!" {
			if err == nil {
				t.Errorf("ParseRequirement(%q) = %s, want an error", text, r)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		fields := func(r Requirement) string {
			marker := ""
			if !r.Marker.IsZero() {
				marker = maskOf(envs, r.Marker.Eval)
			}
			return strings.Join([]string{r.Name, strings.Join(r.Extras, ","), maskOf(versions, r.Specifiers.Contains), r.URL, marker}, "\t")
		}
		want := strings.Join(f[1:], "\t")
		if got := fields(r); got != want {
			t.Errorf("ParseRequirement(%q) means\n\t%s, want\n\t%s", text, got, want)
		}
		again, err := ParseRequirement(r.String())
		if err != nil || fields(again) != want {
			t.Errorf("%q prints as %q, which means something else (%v)", text, r, err)
		}
	}
}

func checkTags(t *testing.T, dir string) {
	for _, f := range readGolden(t, dir, "tags.txt") {
		var texts []string
		for _, tag := range Tags(target(t, f[0], f[1], f[2])).All() {
			texts = append(texts, tag.String())
		}
		sum := sha256.Sum256([]byte(strings.Join(texts, "\n")))
		if strconv.Itoa(len(texts)) != f[3] || hex.EncodeToString(sum[:]) != f[4] {
			t.Errorf("python %s, glibc %s, %s: %d tags, %s … %s, want %s, %s … %s",
				f[0], f[1], f[2], len(texts), texts[0], texts[len(texts)-1], f[3], f[5], f[6])
		}
	}
}

func checkWheels(t *testing.T, dir string) {
	lines := readGolden(t, dir, "wheels.txt")
	var lists []TagList
	for len(lines) > 0 && len(lines[0]) == 3 {
		lists = append(lists, Tags(target(t, lines[0][0], lines[0][1], lines[0][2])))
		lines = lines[1:]
	}
	for _, f := range lines[1:] {
		w, err := ParseWheel(f[0])
		if f[1] == "!" {
			if err == nil {
				t.Errorf("ParseWheel(%q) = %v, want an error", f[0], w)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		distinct := make(map[Tag]bool)
		for _, tag := range w.Tags {
			distinct[tag] = true
		}
		ranks := make([]string, len(lists))
		for i, l := range lists {
			rank, fits := l.Rank(w)
			if !fits {
				rank = -1
			}
			ranks[i] = strconv.Itoa(rank)
		}
		got := strings.Join([]string{w.Name, w.Version.String(), w.Build.String(), strconv.Itoa(len(distinct)), strings.Join(ranks, " ")}, "\t")
		if want := strings.Join(f[1:], "\t"); got != want {
			t.Errorf("ParseWheel(%q) means\n\t%s, want\n\t%s", f[0], got, want)
		}
	}
}
