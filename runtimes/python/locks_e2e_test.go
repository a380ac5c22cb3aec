//go:build e2e

package python

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// lockTool is a package manager that locks a generated project, and says in
// requirements what of its lock it would install.
type lockTool struct {
	name     string
	lock     func(t *testing.T, l *lockLab)
	export   func(t *testing.T, l *lockLab) string
	runtimes []string

	// more says what the manager's export may have beyond the set, where it
	// is less exact than the lock; nil: nothing.
	more func(p managed, name string) bool
}

// TestSetEqualsManagers generates projects, has each package manager lock them,
// and holds the sets that are read from its lock against what it says itself
// that it installs: names, versions, files and hashes.
//
// LAYERBUILD_TEST_TOOLS names the folder with bin/poetry, bin/poetry-1.8,
// bin/pdm and bin/pipenv; LAYERBUILD_SOAK_PROJECTS how many projects there are
// for each.
func TestSetEqualsManagers(t *testing.T) {
	index := newTestIndex()
	main := ownIndex(t)
	three := []string{"python3.11", "python3.12", "python3.13"}
	tools := []lockTool{
		{"poetry", poetryLocks("poetry"), poetryExports("poetry"), three, nil},
		{"poetry-1.8", poetryLocks("poetry-1.8"), poetryExports("poetry-1.8"), three, managed.unaskedExtra},
		{"pdm", pdmLocks(), pdmExports, three, nil},
		{"pdm without metadata", pdmLocks("--strategy", "no_inherit_metadata"), pdmExportsGraph, three, anything},
		{"pdm static", pdmLocks("--static-urls"), pdmExports, three, nil},
		{"pipenv", pipenvLocks, pipenvExports, three[:1], nil}, // it locks for the Python that it runs on
	}
	for _, tool := range tools {
		t.Run(tool.name, func(t *testing.T) {
			var sets, packages atomic.Int64
			t.Run("projects", func(t *testing.T) {
				for seed := range projects(t, 1) {
					t.Run(fmt.Sprint(seed), func(t *testing.T) {
						t.Parallel()
						r := rand.New(rand.NewPCG(uint64(seed), 20261125))
						l := &lockLab{dir: t.TempDir(), index: main, project: generateForManagers(r, seed)}
						l.compare(t, tool, index, func(n int) { sets.Add(1); packages.Add(int64(n)) })
					})
				}
			})
			t.Logf("%d sets compared, %d packages", sets.Load(), packages.Load())
		})
	}
}

// lockLab is a folder with a generated project.
type lockLab struct {
	dir     string
	index   string
	project managed
}

func (l *lockLab) compare(t *testing.T, tool lockTool, index *testIndex, done func(packages int)) {
	tool.lock(t, l)
	export := filepath.Join(l.dir, "export")
	if err := os.Mkdir(export, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(export, "requirements.txt"), tool.export(t, l))
	files := os.DirFS(l.dir)
	for _, name := range tool.runtimes {
		for _, arch := range runtimes.Arches() {
			locked := target(t, name, arch)
			locked.Extras, locked.Groups = l.project.ask.extras, l.project.ask.groups
			if tool.name == "pipenv" {
				locked.Extras = nil
			}
			got := index.complete(t, files, locked, l.index)
			plain := target(t, name, arch)
			plain.Path = "export"
			want := index.complete(t, files, plain, l.index)
			where := fmt.Sprintf("%s %s %s", name, arch, l.project.ask)
			if tool.more != nil {
				want.Packages = slices.DeleteFunc(want.Packages, func(p runtimes.Package) bool {
					return tool.more(l.project, p.Name) && !slices.ContainsFunc(got.Packages, func(q runtimes.Package) bool { return q.Name == p.Name })
				})
			}
			equalSets(t, where, fullSummary(got), fullSummary(want))
			done(len(got.Packages))
		}
	}
	if t.Failed() {
		t.Logf("pyproject.toml:\n%s", l.project.pep621(l.index))
	}
}

// complete reads a recipe, answering what it asks for.
func (x *testIndex) complete(t *testing.T, files fs.FS, target runtimes.Target, own string) runtimes.Recipe {
	t.Helper()
	target.Files = map[string][]runtimes.File{}
	for range 4 {
		r, err := Runtime{}.Recipe(files, target)
		var incomplete *runtimes.Incomplete
		var open *runtimes.Unresolved
		switch {
		case errors.As(err, &incomplete):
			for _, q := range incomplete.Requests {
				indexes := q.Indexes
				if len(indexes) == 0 || slices.Contains(indexes, "") {
					indexes = []string{own}
				}
				maps.Copy(target.Files, x.answer(t, []runtimes.FileRequest{q}, indexes))
			}
		case errors.As(err, &open):
			answerBuilds(t, &target, open.Questions)
		case err != nil:
			t.Fatal(err)
		default:
			return r
		}
	}
	t.Fatal("asks again for what it was told")
	return runtimes.Recipe{}
}

// ownIndex is the index that uv uses here, for the managers that must be told.
func ownIndex(t *testing.T) string {
	t.Helper()
	uv := os.Getenv("LAYERBUILD_TEST_UV")
	if uv == "" {
		t.Fatal("LAYERBUILD_TEST_UV must name an uv")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "pyproject.toml"), "[project]\nname = \"one\"\nversion = \"1\"\nrequires-python = \">=3.11\"\ndependencies = [\"idna==3.10\"]\n")
	cmd := exec.CommandContext(t.Context(), uv, "lock")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("uv lock: %v\n%s", err, out)
	}
	found := regexp.MustCompile(`registry = "([^"]+)"`).FindStringSubmatch(read(t, filepath.Join(dir, "uv.lock")))
	if found == nil {
		t.Fatal("uv.lock names no index")
	}
	return found[1]
}

// run runs a tool of LAYERBUILD_TEST_TOOLS in the lab's folder.
func (l *lockLab) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	tools := os.Getenv("LAYERBUILD_TEST_TOOLS")
	if tools == "" {
		t.Fatal("LAYERBUILD_TEST_TOOLS must name the folder of the package managers")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(tools, "bin", name), args...)
	cmd.Dir = l.dir
	cmd.Env = append(os.Environ(),
		"POETRY_NO_INTERACTION=1", "POETRY_VIRTUALENVS_CREATE=false", "PDM_CHECK_UPDATE=0",
		"PIPENV_NOSPIN=1", "VIRTUAL_ENV="+tools, "PIPENV_VERBOSITY=-1", "NO_COLOR=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s\n%s", name, strings.Join(args, " "), err, out, stderr.String(), l.project.pep621(l.index))
	}
	return string(out)
}

func poetryLocks(tool string) func(*testing.T, *lockLab) {
	return func(t *testing.T, l *lockLab) {
		text := l.project.pep621(l.index)
		if tool == "poetry-1.8" || l.project.legacy {
			text = l.project.toolPoetry(t)
		}
		text += fmt.Sprintf("\n[[tool.poetry.source]]\nname = \"main\"\nurl = %q\npriority = \"primary\"\n", l.index+"/")
		write(t, filepath.Join(l.dir, "pyproject.toml"), text)
		l.run(t, tool, "lock")
	}
}

func poetryExports(tool string) func(*testing.T, *lockLab) string {
	return func(t *testing.T, l *lockLab) string {
		args := []string{"export", "--format", "requirements.txt"}
		for _, extra := range l.project.ask.extras {
			args = append(args, "--extras", extra)
		}
		for _, group := range l.project.ask.groups {
			args = append(args, "--with", group)
		}
		return l.run(t, tool, args...)
	}
}

func pdmLocks(options ...string) func(*testing.T, *lockLab) {
	return func(t *testing.T, l *lockLab) {
		write(t, filepath.Join(l.dir, "pyproject.toml"), l.project.pep621(""))
		write(t, filepath.Join(l.dir, ".pdm-python"), filepath.Join(os.Getenv("LAYERBUILD_TEST_TOOLS"), "bin", "python"))
		l.run(t, "pdm", append([]string{"lock", "-G", ":all"}, options...)...)
	}
}

func pdmExports(t *testing.T, l *lockLab) string {
	// Asked for nothing, pdm exports all that is locked; for extras alone, all
	// development groups with them.
	args := []string{"export", "--format", "requirements"}
	if len(l.project.ask.groups) == 0 {
		args = append(args, "--prod")
	}
	for _, group := range slices.Concat(l.project.ask.extras, l.project.ask.groups) {
		args = append(args, "-G", group)
	}
	return l.run(t, "pdm", args...)
}

// pdmExportsGraph is for a lock that holds the graph alone, which pdm does not
// export: it first adds the rest to a copy, at the same versions.
func pdmExportsGraph(t *testing.T, l *lockLab) string {
	full := &lockLab{dir: t.TempDir(), index: l.index, project: l.project}
	for _, name := range []string{"pyproject.toml", ".pdm-python", "pdm.lock"} {
		write(t, filepath.Join(full.dir, name), read(t, filepath.Join(l.dir, name)))
	}
	full.run(t, "pdm", "lock", "--update-reuse", "-G", ":all", "--strategy", "inherit_metadata")
	return pdmExports(t, full)
}

func pipenvLocks(t *testing.T, l *lockLab) {
	write(t, filepath.Join(l.dir, "Pipfile"), l.project.pipfile(t, l.index))
	l.run(t, "pipenv", "lock", "--categories", "packages dev-packages web")
}

func pipenvExports(t *testing.T, l *lockLab) string {
	categories := []string{"packages"}
	for _, group := range l.project.ask.groups {
		categories = append(categories, map[string]string{"dev": "dev-packages", "web": "web"}[group])
	}
	return l.run(t, "pipenv", "requirements", "--hash", "--categories", strings.Join(categories, " "))
}

// managed is a project made up by chance, that every manager can lock.
type managed struct {
	dependencies []string
	extras       map[string][]string
	groups       map[string][]string
	ask          asked
	legacy       bool // poetry 2 gets it in its old form
}

// unaskedExtra: poetry before 2 installs a package of an extra that nobody asked
// for, if some group locks the same package.
func (m managed) unaskedExtra(name string) bool {
	for extra, requirements := range m.extras {
		if !slices.Contains(m.ask.extras, extra) && slices.ContainsFunc(requirements, func(r string) bool { return strings.HasPrefix(r, name+"==") }) {
			return true
		}
	}
	return false
}

// anything: the metadata that pdm adds to a graph is that of all groups together,
// so that what one of them needs under a marker comes under that of another.
func anything(managed, string) bool { return true }

func generateForManagers(r *rand.Rand, seed int) managed {
	unused := slices.DeleteFunc(slices.Clone(pool), func(s string) bool {
		// Built to be locked, which takes a compiler, or minutes.
		return strings.HasPrefix(s, "polars") || strings.HasPrefix(s, "pyarrow")
	})
	r.Shuffle(len(unused), func(i, j int) { unused[i], unused[j] = unused[j], unused[i] })
	some := func(n int) []string {
		var list []string
		for _, requirement := range unused[:n] {
			list = append(list, requirement+markers[r.IntN(len(markers))])
		}
		unused = unused[n:]
		return list
	}
	m := managed{
		dependencies: some(3 + r.IntN(3)),
		extras:       map[string][]string{"s3": some(1 + r.IntN(2)), "fast": some(1)},
		groups:       map[string][]string{"dev": some(1 + r.IntN(2)), "web": some(1)},
		legacy:       seed%2 == 1,
	}
	for _, extra := range sortedKeys(m.extras) {
		if r.IntN(2) == 0 {
			m.ask.extras = append(m.ask.extras, extra)
		}
	}
	for _, group := range sortedKeys(m.groups) {
		if r.IntN(2) == 0 {
			m.ask.groups = append(m.ask.groups, group)
		}
	}
	return m
}

// pep621 is the project as the standards have it.
func (m managed) pep621(string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[project]\nname = \"made-up\"\nversion = \"1\"\nrequires-python = \">=3.11,<3.14\"\ndependencies = %s\n", table(m.dependencies))
	b.WriteString("\n[project.optional-dependencies]\n")
	for _, name := range sortedKeys(m.extras) {
		fmt.Fprintf(&b, "%s = %s\n", name, table(m.extras[name]))
	}
	b.WriteString("\n[dependency-groups]\n")
	for _, name := range sortedKeys(m.groups) {
		fmt.Fprintf(&b, "%s = %s\n", name, table(m.groups[name]))
	}
	return b.String()
}

// toolPoetry is the project as poetry 1 has it, with one fork.
func (m managed) toolPoetry(t *testing.T) string {
	var b strings.Builder
	b.WriteString("[tool.poetry]\nname = \"made-up\"\nversion = \"1\"\ndescription = \"\"\nauthors = []\n\n[tool.poetry.dependencies]\npython = \">=3.11,<3.14\"\n")
	b.WriteString("xxhash = [{ version = \"3.4.1\", python = \"<3.13\" }, { version = \"3.5.0\", python = \"^3.13\" }]\n")
	for _, text := range m.dependencies {
		b.WriteString(inlineRequirement(t, text, false))
	}
	extras := map[string][]string{}
	for _, extra := range sortedKeys(m.extras) {
		for _, text := range m.extras[extra] {
			b.WriteString(inlineRequirement(t, text, true))
			q, err := pep.ParseRequirement(text)
			if err != nil {
				t.Fatal(err)
			}
			extras[extra] = append(extras[extra], q.Name)
		}
	}
	b.WriteString("\n[tool.poetry.extras]\n")
	for _, name := range sortedKeys(extras) {
		fmt.Fprintf(&b, "%s = %s\n", name, table(extras[name]))
	}
	for _, name := range sortedKeys(m.groups) {
		fmt.Fprintf(&b, "\n[tool.poetry.group.%s.dependencies]\n", name)
		for _, text := range m.groups[name] {
			b.WriteString(inlineRequirement(t, text, false))
		}
	}
	return b.String()
}

// pipfile is the project as pipenv has it; it knows no extras.
func (m managed) pipfile(t *testing.T, index string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[[source]]\nname = \"main\"\nurl = %q\nverify_ssl = true\n\n[requires]\npython_version = \"3.11\"\n", index)
	for section, list := range map[string][]string{"packages": m.dependencies, "dev-packages": m.groups["dev"], "web": m.groups["web"]} {
		fmt.Fprintf(&b, "\n[%s]\n", section)
		for _, text := range list {
			b.WriteString(inlineRequirement(t, text, false))
		}
	}
	return b.String()
}

// inlineRequirement is a requirement as an inline table.
func inlineRequirement(t *testing.T, text string, optional bool) string {
	t.Helper()
	q, err := pep.ParseRequirement(text)
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{fmt.Sprintf("version = %q", q.Specifiers.String())}
	if len(q.Extras) > 0 {
		parts = append(parts, "extras = "+table(q.Extras))
	}
	if !q.Marker.IsZero() {
		parts = append(parts, fmt.Sprintf("markers = %q", q.Marker.String()))
	}
	if optional {
		parts = append(parts, "optional = true")
	}
	return fmt.Sprintf("%s = { %s }\n", q.Name, strings.Join(parts, ", "))
}

// projects is how many generated projects a test compares: few, or as many as
// LAYERBUILD_SOAK_PROJECTS says.
func projects(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("LAYERBUILD_SOAK_PROJECTS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("LAYERBUILD_SOAK_PROJECTS: %v", err)
	}
	return n
}
