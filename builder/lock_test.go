package builder_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// newest resolves as simply as one can: to what the index has of a package and
// of what it requires, the newest of each. The real resolver is tested where a
// uv is; here it is what becomes of answers that counts.
type newest struct {
	index *wheelhouse.Index
	asked []string
}

var requires = map[string][]string{"api": {"core"}}

func (n *newest) Resolve(_ context.Context, q runtimes.Question, tool runtimes.Tool, earlier []runtimes.Pinned, upgrade []string) ([]runtimes.Pinned, error) {
	n.asked = append(n.asked, q.Name)
	if len(tool.Files) == 0 {
		return nil, errors.New("no tool")
	}
	wanted := map[string]string{}
	var want func(name, version string)
	want = func(name, version string) {
		if wanted[name] = version; version == "" {
			for _, p := range earlier {
				if strings.HasPrefix(p.Requirement, name+"==") && !slices.Contains(upgrade, name) && !slices.Contains(upgrade, "*") {
					wanted[name] = p.Requirement[len(name)+2:]
				}
			}
		}
		if wanted[name] == "" {
			for _, f := range n.index.Files(name) {
				wanted[name] = max(wanted[name], strings.Split(f.Name, "-")[1])
			}
		}
		for _, r := range requires[name] {
			if _, ok := wanted[r]; !ok {
				want(r, "")
			}
		}
	}
	for _, r := range q.Requirements {
		name, version, _ := strings.Cut(r, "==")
		name, _, _ = strings.Cut(name, ">")
		want(name, version)
	}
	var pinned []runtimes.Pinned
	for name, version := range wanted {
		p := runtimes.Pinned{Requirement: name + "==" + version}
		for _, f := range n.index.Files(name) {
			if strings.HasPrefix(f.Name, name+"-"+version+"-") {
				p.SHA256 = append(p.SHA256, f.SHA256)
			}
		}
		slices.Sort(p.SHA256)
		pinned = append(pinned, p)
	}
	slices.SortFunc(pinned, func(a, b runtimes.Pinned) int { return strings.Compare(a.Requirement, b.Requirement) })
	return pinned, nil
}

// locking is a project whose index has a uv, and what resolves for it.
type locking struct {
	*project
	resolver *newest
}

func newLocking(t *testing.T, files map[string]string) locking {
	t.Helper()
	index := serve(t)
	if _, err := index.Add(wheelhouse.Wheel{Name: "uv", Version: "0.13.9", Tag: "py3-none-manylinux_2_17_x86_64"}); err != nil {
		t.Fatal(err)
	}
	return locking{newProject(t, index, files), &newest{index: index}}
}

func (l locking) builder() *builder.Builder {
	b := l.project.builder()
	b.Resolvers = map[string]builder.Resolver{"pypi": l.resolver}
	return b
}

func (l locking) lock(opts builder.LockOptions) (changes []string, err error) {
	l.t.Helper()
	result, err := l.builder().Lock(l.t.Context(), opts)
	if err != nil {
		return nil, err
	}
	for _, c := range result.Changes {
		changes = append(changes, c.In+": "+c.String())
	}
	return changes, nil
}

func (l locking) mustLock(opts builder.LockOptions, want ...string) {
	l.t.Helper()
	changes, err := l.lock(opts)
	if err != nil {
		l.t.Fatal(err)
	}
	if !slices.Equal(changes, want) {
		l.t.Errorf("changes\n%s\nwant\n%s", strings.Join(changes, "\n"), strings.Join(want, "\n"))
	}
}

func (l locking) text() string {
	data, _ := os.ReadFile(filepath.Join(l.dir, builder.LockName))
	return string(data)
}

func (l locking) packages(opts builder.Options) string {
	l.t.Helper()
	result, err := l.builder().Build(l.t.Context(), opts)
	if err != nil {
		l.t.Fatal(err)
	}
	var names []string
	for _, name := range zipNames(l.t, result.Layers[0].File) {
		if _, dist, ok := strings.Cut(name, "site-packages/"); ok && strings.HasSuffix(dist, "/METADATA") {
			names = append(names, strings.TrimSuffix(dist, ".dist-info/METADATA"))
		}
	}
	return strings.Join(names, " ")
}

const openOf = "svc/requirements.txt"

// TestLockDecides: what was resolved once stays, whatever the index offers
// later, until somebody upgrades it.
func TestLockDecides(t *testing.T) {
	l := newLocking(t, map[string]string{builder.ConfigName: oneLayer, openOf: "api\n"})
	if _, err := l.builder().Build(t.Context(), builder.Options{Locked: true}); err == nil || !strings.Contains(err.Error(), "1 requirement is not locked") {
		t.Fatalf("got %v", err)
	}
	if _, err := l.lock(builder.LockOptions{Check: true}); err == nil || !strings.Contains(err.Error(), openOf+": 1 requirement is not locked") {
		t.Fatalf("got %v", err)
	}
	if l.text() != "" || len(l.resolver.asked) > 0 {
		t.Fatalf("something was resolved: %s", l.text())
	}
	l.mustLock(builder.LockOptions{}, "tools: added uv 0.13.9", openOf+": added api 1.1", openOf+": added core 2.0")
	locked := l.text()
	if got := l.packages(builder.Options{Locked: true}); got != "api-1.1 core-2.0" {
		t.Errorf("built %s", got)
	}

	for _, name := range []string{"api", "core"} {
		if _, err := l.index.Add(wheelhouse.Wheel{Name: name, Version: "3.0", Files: map[string]string{name + "/__init__.py": ""}}); err != nil {
			t.Fatal(err)
		}
	}
	l.mustLock(builder.LockOptions{})
	l.mustLock(builder.LockOptions{Check: true})
	l.cache = t.TempDir() // another machine
	if got := l.packages(builder.Options{Locked: true}); got != "api-1.1 core-2.0" || l.text() != locked || len(l.resolver.asked) != 1 {
		t.Errorf("a year later: built %s, asked %v", got, l.resolver.asked)
	}

	if _, err := l.lock(builder.LockOptions{Upgrade: []string{"cor"}}); err == nil || !strings.Contains(err.Error(), "holds no package cor") {
		t.Errorf("got %v", err)
	}
	l.mustLock(builder.LockOptions{Upgrade: []string{"Core"}}, openOf+": core 2.0 → 3.0")
	if got := l.packages(builder.Options{Locked: true}); got != "api-1.1 core-3.0" {
		t.Errorf("built %s", got)
	}
}

// TestLockStale: an input that moved is named, with what moved in it.
func TestLockStale(t *testing.T) {
	l := newLocking(t, map[string]string{builder.ConfigName: oneLayer, openOf: "api\n"})
	l.mustLock(builder.LockOptions{}, "tools: added uv 0.13.9", openOf+": added api 1.1", openOf+": added core 2.0")
	for text, want := range map[string]string{
		"api\nlint\n":         openOf + ": has changed since it was resolved: lint is not in layerbuild.lock (svc/requirements.txt:2)",
		"api<1\n":             openOf + ": has changed since it was resolved: api<1 (svc/requirements.txt:1), and layerbuild.lock has 1.1",
		"api\n-c limits.txt":  openOf + ": has changed since it was resolved: core<2 (svc/limits.txt:1), and layerbuild.lock has 2.0",
		"api\ncore\n# more\n": openOf + ": has changed since it was resolved",
	} {
		l.write("svc/limits.txt", "core<2\n")
		l.write(openOf, text)
		_, err := l.builder().Build(t.Context(), builder.Options{Locked: true})
		if input := (*runtimes.InputError)(nil); !errors.As(err, &input) || err.Error() != want || !strings.Contains(input.Hint, "layerbuild lock") {
			t.Errorf("%q: got  %v\nwant %s", text, err, want)
		}
		if _, err := l.lock(builder.LockOptions{Check: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the check says %v", text, err)
		}
	}
	l.write(openOf, "api # a comment\n")
	l.packages(builder.Options{Locked: true}) // asks for the same
	l.write(openOf, "api\nlint\n")
	if got := l.packages(builder.Options{}); got != "api-1.1 core-2.0 lint-2.0" {
		t.Errorf("built %s", got)
	}
	l.write(builder.ConfigName, strings.ReplaceAll(oneLayer, "3.11", "3.10"))
	_, err := l.builder().Build(t.Context(), builder.Options{Locked: true})
	if err == nil || !strings.Contains(err.Error(), "is resolved for python3.11 x86_64, and not for python3.10 x86_64") {
		t.Errorf("got %v", err)
	}
}

// TestLockDrops: what nothing needs any more goes, and the check asks for it.
// A file that is locked as a whole needs nothing.
func TestLockDrops(t *testing.T) {
	l := newLocking(t, map[string]string{builder.ConfigName: oneLayer, openOf: "core\n"})
	l.mustLock(builder.LockOptions{}, "tools: added uv 0.13.9", openOf+": added core 2.0")
	l.write(openOf, requirements(l.index, "core==1.0"))
	if got := l.packages(builder.Options{Locked: true}); got != "core-1.0" {
		t.Errorf("built %s", got)
	}
	if _, err := l.lock(builder.LockOptions{Check: true}); err == nil || !strings.Contains(err.Error(), "\n  "+openOf+": dropped core 2.0") {
		t.Errorf("got %v", err)
	}
	l.mustLock(builder.LockOptions{}, openOf+": dropped core 2.0")
	if strings.Contains(l.text(), "core") || !strings.Contains(l.text(), "uv") {
		t.Errorf("it holds\n%s", l.text())
	}
}

// TestLockFails: where one input cannot be resolved, the file stays as it was.
func TestLockFails(t *testing.T) {
	l := newLocking(t, map[string]string{
		builder.ConfigName: "layers:\n  a: {path: svc, runtime: python3.11, architectures: [x86_64]}\n  b: {path: other, runtime: python3.11, architectures: [x86_64]}\n",
		openOf:             "core\n", "other/requirements.txt": "-e ./gone\n",
	})
	if _, err := l.lock(builder.LockOptions{}); err == nil || !strings.Contains(err.Error(), "other/requirements.txt") {
		t.Errorf("got %v", err)
	}
	if l.text() != "" {
		t.Errorf("it was written:\n%s", l.text())
	}
}

// TestLockWithoutContainers: digests of images stay where no BuildKit answers,
// even though only a container needs them.
func TestLockWithoutContainers(t *testing.T) {
	l := newLocking(t, map[string]string{builder.ConfigName: oneLayer, openOf: "core\n"})
	image := "public.ecr.aws/lambda/python:3.11"
	l.write(builder.LockName, "version: 1\nimages:\n  "+image+": sha256:"+strings.Repeat("a", 64)+"\n  gone.example/x:1: sha256:"+strings.Repeat("b", 64)+"\n")
	l.mustLock(builder.LockOptions{},
		"images: dropped gone.example/x:1 sha256:bbbbbbbbbbbb", "tools: added uv 0.13.9", openOf+": added core 2.0")
	if !strings.Contains(l.text(), image) {
		t.Errorf("it holds\n%s", l.text())
	}
}

// TestLockDeleted: a build that resolved must not be remembered as one that
// needed no layerbuild.lock, nor as one of an older layerbuild.lock.
func TestLockDeleted(t *testing.T) {
	l := newLocking(t, map[string]string{builder.ConfigName: oneLayer, openOf: "core\n"})
	l.packages(builder.Options{})
	locked := l.text()
	if err := os.Remove(filepath.Join(l.dir, builder.LockName)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.builder().Build(t.Context(), builder.Options{Locked: true}); err == nil || !strings.Contains(err.Error(), "not locked") {
		t.Errorf("locked, without layerbuild.lock: %v", err)
	}
	if l.packages(builder.Options{}); l.text() != locked {
		t.Errorf("built without --locked, layerbuild.lock holds\n%s", l.text())
	}

	l.write(openOf, "core==1.0\n")
	l.packages(builder.Options{})
	l.write(builder.LockName, locked)
	if _, err := l.builder().Build(t.Context(), builder.Options{Locked: true}); err == nil || !strings.Contains(err.Error(), "has changed since it was resolved") {
		t.Errorf("locked, with an older layerbuild.lock: %v", err)
	}
}

// TestLockDamaged: a resolution that a merge left without a package is made
// anew, with the versions that it still has.
func TestLockDamaged(t *testing.T) {
	l := newLocking(t, map[string]string{builder.ConfigName: oneLayer, openOf: "api\nlint\n"})
	l.packages(builder.Options{})
	whole := l.text()
	l.write(builder.LockName, strings.Replace(whole, "lint==2.0", "lnt==2.0", 1))
	const want = "layerbuild.lock does not say which lint is meant (svc/requirements.txt:2)"
	if _, err := l.builder().Build(t.Context(), builder.Options{Locked: true}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	if _, err := l.lock(builder.LockOptions{Check: true}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	l.mustLock(builder.LockOptions{}, openOf+": added lint 2.0", openOf+": dropped lnt 2.0")
	if l.text() != whole {
		t.Errorf("it holds\n%s", l.text())
	}
}

// TestLockPlaces: a resolution is for the places that there are, and for those
// of a whole configuration together.
func TestLockPlaces(t *testing.T) {
	two := strings.ReplaceAll(oneLayer, "python3.11", "[python3.11, python3.12]")
	l := newLocking(t, map[string]string{builder.ConfigName: two, openOf: "core\n"})
	l.mustLock(builder.LockOptions{}, "tools: added uv 0.13.9", openOf+": added core 2.0")
	l.mustLock(builder.LockOptions{Check: true})
	l.write(builder.ConfigName, oneLayer)
	if _, err := l.lock(builder.LockOptions{Check: true}); err == nil || !strings.Contains(err.Error(), "no layer is for all of them any more") {
		t.Errorf("got %v", err)
	}
	l.packages(builder.Options{Locked: true}) // what is more does no harm
	l.mustLock(builder.LockOptions{}, openOf+": the same versions, for python3.11 x86_64")
	l.mustLock(builder.LockOptions{Check: true})
}
