//go:build e2e

package python

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestSetEqualsUV generates projects, has the real uv lock them, and holds the
// package sets that are read from uv.lock, and from the requirements.txt and the
// pylock.toml that uv exports, against what uv itself installs from that lock: names, versions,
// files and hashes.
//
// It needs a package index, as uv is set up to use one, and uv's path in
// LAYERBUILD_TEST_UV.
func TestSetEqualsUV(t *testing.T) {
	uv := os.Getenv("LAYERBUILD_TEST_UV")
	if uv == "" {
		t.Fatal("LAYERBUILD_TEST_UV must name an uv to compare with")
	}
	// Found once: a shim before the interpreter would cost more than uv does.
	python, err := exec.Command(uv, "python", "find").Output()
	if err != nil {
		t.Fatalf("uv finds no Python: %v", err)
	}
	t.Setenv("UV_PYTHON", strings.TrimSpace(string(python)))
	var compared, packages, missing atomic.Int64
	index := newTestIndex()
	t.Run("projects", func(t *testing.T) {
		for seed := range projects(t, 12) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				p := generate(rand.New(rand.NewPCG(uint64(seed), 20241101)))
				lab := newLab(t, uv, p)
				for _, name := range []string{"python3.11", "python3.12", "python3.13"} {
					for _, arch := range runtimes.Arches() {
						target := target(t, name, arch)
						target.Extras, target.Groups = p.ask.extras, p.ask.groups
						got := lab.compare(t, target, index)
						compared.Add(1)
						packages.Add(int64(len(got.Packages)))
						missing.Add(int64(len(got.Missing()) + len(got.Built())))
					}
				}
			})
		}
	})
	t.Logf("%d sets compared in three formats, %d packages, %d of them without a wheel that fits",
		compared.Load(), packages.Load(), missing.Load())
}

// lab is a project with its lock, its export, and copies of the lock whose
// files are stand-ins on this machine.
type lab struct {
	uv      string
	project generated
	dir     string
	wheels  *standInServer
	pylocks map[runtimes.Glibc]string // the lock as uv exports it, for a level of glibc
}

func newLab(t *testing.T, uv string, p generated) *lab {
	l := &lab{uv: uv, project: p, dir: t.TempDir(), pylocks: map[runtimes.Glibc]string{}}
	write(t, filepath.Join(l.dir, "pyproject.toml"), p.toml)
	l.run(t, l.dir, "lock")
	lock := read(t, filepath.Join(l.dir, "uv.lock"))
	export := append([]string{"export", "--frozen", "--no-default-groups", "--no-emit-project"}, p.ask.args()...)
	requirements := filepath.Join(l.dir, "export")
	if err := os.Mkdir(requirements, 0o755); err != nil {
		t.Fatal(err)
	}
	l.run(t, l.dir, append(export, "--format", "requirements.txt", "-o", filepath.Join(requirements, "requirements.txt"))...)

	pylock := filepath.Join(l.dir, "pylock")
	if err := os.Mkdir(pylock, 0o755); err != nil {
		t.Fatal(err)
	}
	l.run(t, l.dir, append(export, "--format", "pylock.toml", "-o", filepath.Join(pylock, "pylock.toml"))...)

	l.wheels = newStandInServer(t)
	for _, glibc := range []runtimes.Glibc{{Major: 2, Minor: 26}, {Major: 2, Minor: 34}} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "pyproject.toml"), p.toml)
		write(t, filepath.Join(dir, "uv.lock"), l.wheels.standIns(lock, glibc))
		l.run(t, dir, append(export, "--format", "pylock.toml", "-o", "pylock.toml")...)
		l.pylocks[glibc] = read(t, filepath.Join(dir, "pylock.toml"))
	}
	return l
}

// compare holds both readers against uv for one target.
func (l *lab) compare(t *testing.T, target runtimes.Target, index *testIndex) runtimes.Recipe {
	t.Helper()
	project := os.DirFS(l.dir)
	fromLock := recipeWithBuilds(t, project, &target)
	plain := target // the export holds what was asked for, and nothing else
	plain.Path, plain.Extras, plain.Groups = "export", nil, nil
	_, err := Runtime{}.Recipe(project, plain)
	var incomplete *runtimes.Incomplete
	if errors.As(err, &incomplete) {
		plain.Files = index.answer(t, incomplete.Requests, fromLock.Indexes)
	}
	fromText := recipeWithBuilds(t, project, &plain)
	plain.Path = "pylock"
	fromPylock := recipeWithBuilds(t, project, &plain)
	want := l.install(t, target)
	where := fmt.Sprintf("%s %s %s", target.Runtime.Name, target.Arch, l.project.ask)
	equalSets(t, where+", uv.lock", fullSummary(fromLock), want)
	equalSets(t, where+", requirements.txt", fullSummary(fromText), want)
	equalSets(t, where+", pylock.toml", fullSummary(fromPylock), want)
	if t.Failed() {
		t.Logf("pyproject.toml:\n%s", l.project.toml)
	}
	return fromLock
}

// fullSummary is a line for each package, with all that must be equal.
func fullSummary(r runtimes.Recipe) []string {
	var lines []string
	for _, p := range r.Packages {
		if p.Missing != "" {
			lines = append(lines, p.Name+" no wheel")
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s", p.Name, p.Version, p.File.Name, p.File.SHA256))
	}
	return lines
}

func equalSets(t *testing.T, where string, got, want []string) {
	t.Helper()
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s: uv does not install %s", where, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s: only uv installs %s", where, line)
		}
	}
}

// noWheel finds the package of which uv says that it has only sources, or no
// wheel for the platform.
var noWheel = regexp.MustCompile("[`' ]([a-z0-9-]+)(?:==|\x60)[^\n]*(?:no binary distribution|doesn't have a source distribution or wheel|no-build)")

// install has uv install the lock for a target, with every file from this
// machine, and says which files it took. It is told not to build: a package
// without a wheel that fits is noted and left out.
func (l *lab) install(t *testing.T, target runtimes.Target) []string {
	t.Helper()
	level := target.Runtime.Glibc
	text := l.pylocks[level]
	if level.Minor < 28 {
		level.Minor = 28 // uv knows no 2.26, but this lock holds nothing above it
	}
	platform := fmt.Sprintf("%s-manylinux_%d_%d", archName(target.Arch), level.Major, level.Minor)
	var lines []string
	for range 20 {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "pylock.toml"), text)
		l.wheels.forget()
		out, err := l.command(t.Context(), dir, "pip", "install", "--no-cache", "--no-build", "--no-python-downloads", "--target", "out",
			"--python-version", target.Runtime.Version, "--python-platform", platform, "-r", "pylock.toml").CombinedOutput()
		if err == nil {
			return append(lines, l.wheels.taken()...)
		}
		found := noWheel.FindStringSubmatch(string(out))
		if found == nil {
			t.Fatalf("uv: %v\n%s", err, out)
		}
		lines = append(lines, found[1]+" no wheel")
		text = without(t, text, found[1])
	}
	t.Fatal("uv does not come to an end")
	return nil
}

// without drops a package from a pylock.toml.
func without(t *testing.T, pylock, name string) string {
	t.Helper()
	const mark = "[[packages]]\n"
	entries := strings.SplitAfter(pylock, mark)
	kept := slices.DeleteFunc(entries, func(entry string) bool {
		return strings.HasPrefix(entry, fmt.Sprintf("name = %q\n", name))
	})
	if len(kept) == len(strings.SplitAfter(pylock, mark)) {
		t.Fatalf("%s is not in pylock.toml", name)
	}
	// Each entry ends with the mark of the next: the last one must not.
	return strings.TrimSuffix(strings.Join(kept, ""), mark)
}

func (l *lab) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.uv, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "UV_PYTHON_PREFERENCE=only-system", "NO_PROXY=127.0.0.1", "UV_NO_CONFIG=1")
	return cmd
}

func (l *lab) run(t *testing.T, dir string, args ...string) {
	t.Helper()
	if out, err := l.command(t.Context(), dir, args...).CombinedOutput(); err != nil {
		t.Fatalf("uv %s: %v\n%s\n%s", strings.Join(args, " "), err, out, l.project.toml)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// asked is what a generated project's layer asks for.
type asked struct{ extras, groups []string }

func (a asked) String() string { return fmt.Sprintf("%v %v", a.extras, a.groups) }

func (a asked) args() []string {
	var args []string
	for _, e := range a.extras {
		args = append(args, "--extra", e)
	}
	for _, g := range a.groups {
		args = append(args, "--group", g)
	}
	return args
}

// generated is a project made up by chance.
type generated struct {
	toml string
	ask  asked
}

// pool are packages at fixed versions, pure and native, all of them released
// long before the date at which resolution is cut off.
var pool = strings.Fields(`
	aiohttp==3.10.10 attrs==24.2.0 aws-lambda-powertools==3.1.0 bcrypt==4.2.0 boto3==1.35.36 brotli==1.1.0
	cffi==1.17.1 charset-normalizer==3.4.0 click==8.1.7 cryptography==43.0.1 docopt==0.6.2 fastapi==0.115.2
	flask==3.0.3 frozenlist==1.4.1 grpcio==1.66.2 httpx[http2]==0.27.2 jinja2==3.1.4 jsonschema==4.23.0
	lxml==5.3.0 mangum==0.19.0 markupsafe==3.0.1 msgpack==1.1.0 orjson==3.10.7 pandas==2.2.3 polars==1.9.0
	protobuf==5.28.2 psutil==6.0.0 psycopg[binary]==3.2.3 psycopg2-binary==2.9.10 pyarrow==17.0.0 pydantic[email]==2.9.2
	pyjwt[crypto]==2.9.0 pynacl==1.5.0 pyyaml==6.0.2 regex==2024.9.11 requests[socks]==2.32.3 sqlalchemy[asyncio]==2.0.36
	tenacity==9.0.0 tqdm==4.66.5 typer==0.12.5 ujson==5.10.0 uvloop==0.20.0 wrapt==1.16.0 zstandard==0.23.0
`)

// forks are pairs of requirements of which each target meets one.
var forks = [][2]string{
	{"numpy==1.26.4; python_version < '3.12'", "numpy==2.1.2; python_version >= '3.12'"},
	{"pillow==10.4.0; platform_machine == 'aarch64'", "pillow==11.0.0; platform_machine != 'aarch64'"},
	{"xxhash==3.4.1; python_full_version < '3.13'", "xxhash==3.5.0; python_full_version >= '3.13'"},
	{"lz4==4.3.2; python_version < '3.12' and platform_machine == 'x86_64'", "lz4==4.3.3; python_version >= '3.12' or platform_machine != 'x86_64'"},
	{"idna==3.7; sys_platform == 'linux'", "idna==3.10; sys_platform != 'linux'"},
}

var markers = []string{
	"", "", "", "", "", "",
	"; sys_platform == 'linux'", "; sys_platform == 'win32'", "; os_name == 'posix' and python_version >= '3.12'",
	"; platform_machine == 'aarch64'", "; platform_machine in 'x86_64 AMD64'", "; platform_machine != 'aarch64'",
	"; python_version < '3.13'", "; python_version == '3.11'", "; python_full_version >= '3.12.0'",
	"; platform_system == 'Darwin' or implementation_name == 'cpython'",
}

// generate makes up a project: its dependencies under markers, extras that
// include each other, groups that include each other, and forks.
func generate(r *rand.Rand) generated {
	unused := slices.Clone(pool)
	r.Shuffle(len(unused), func(i, j int) { unused[i], unused[j] = unused[j], unused[i] })
	some := func(least, most int) []string {
		n := least + r.IntN(most-least+1)
		var list []string
		for _, requirement := range unused[:n] {
			list = append(list, requirement+markers[r.IntN(len(markers))])
		}
		unused = unused[n:]
		return list
	}
	dependencies := some(3, 7)
	for _, pair := range forks {
		if r.IntN(4) == 0 {
			dependencies = append(dependencies, pair[:]...)
		}
	}
	extras := map[string][]string{"s3": some(1, 2), "fast": some(1, 3)}
	extras["all"] = append(some(0, 1), "made-up[s3]", "Made_Up[fast]")
	groups := map[string]string{
		"dev":  table(some(1, 2)),
		"web":  table(some(1, 2)),
		"jobs": `[{ include-group = "web" }, "made-up[s3]"]`,
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[project]\nname = \"made-up\"\nversion = \"1\"\nrequires-python = %q\ndependencies = %s\n",
		[]string{">=3.11", ">=3.10", ">=3.11,<3.14"}[r.IntN(3)], table(dependencies))
	conflicts := r.IntN(4) == 0
	if conflicts {
		extras["old"], extras["new"] = []string{"toolz==0.12.1"}, []string{"toolz==1.0.0"}
	}
	b.WriteString("\n[project.optional-dependencies]\n")
	for _, name := range slices.Sorted(maps.Keys(extras)) {
		fmt.Fprintf(&b, "%s = %s\n", name, table(extras[name]))
	}
	b.WriteString("\n[dependency-groups]\n")
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		fmt.Fprintf(&b, "%s = %s\n", name, groups[name])
	}
	b.WriteString("\n[tool.uv]\nexclude-newer = \"2024-11-01T00:00:00Z\"\n")
	if r.IntN(4) == 0 {
		b.WriteString("environments = [\"sys_platform == 'linux'\"]\n")
	}
	if conflicts {
		b.WriteString("conflicts = [[{ extra = \"old\" }, { extra = \"new\" }]]\n")
	}
	return generated{b.String(), ask(r, conflicts)}
}

func ask(r *rand.Rand, conflicts bool) asked {
	var a asked
	for _, extra := range []string{"s3", "fast", "all"} {
		if r.IntN(3) == 0 {
			a.extras = append(a.extras, extra)
		}
	}
	if conflicts {
		a.extras = append(a.extras, []string{"old", "new"}[r.IntN(2)])
	}
	for _, group := range []string{"dev", "web", "jobs"} {
		if r.IntN(3) == 0 {
			a.groups = append(a.groups, group)
		}
	}
	return a
}

// table writes requirements as a TOML array.
func table(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
