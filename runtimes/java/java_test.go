package java

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// answered is a target whose pom was resolved to certain files: each has the
// hash of its requirement.
func answered(t *testing.T, target runtimes.Target, files map[string]string, requirements ...string) runtimes.Target {
	t.Helper()
	_, err := Runtime{}.Recipe(projectOf(files), target)
	var open *runtimes.Unresolved
	if !errors.As(err, &open) {
		t.Fatalf("an unresolved pom: %v", err)
	}
	q := open.Questions[0]
	r := runtimes.Resolution{Input: q.Digest()}
	for _, p := range q.Places {
		r.Places = append(r.Places, p.String())
	}
	for _, requirement := range requirements {
		r.Packages = append(r.Packages, runtimes.Pinned{Requirement: requirement, SHA256: []string{sha(requirement)}})
	}
	target.Pins.Requirements = map[string]runtimes.Resolution{q.Name: r}
	return target
}

func TestRecipe(t *testing.T) {
	files := map[string]string{"pom.xml": pomText("", "app",
		"<repositories><repository><url>https://repo.example/m2/</url></repository><repository><url>file://lib</url></repository></repositories>")}
	target := answered(t, java21(), files,
		"com.acme:core:1.0", "org.other:core:1.0", "io.netty:epoll:4.1:linux-x86_64", "io.netty:epoll:4.1",
		"org.x:docs:1@zip", "org.x:arm:1 ; java21 arm64", "org.x:x86:1 ; java21 x86_64")
	r, err := Runtime{}.Recipe(projectOf(files), target)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range r.Packages {
		got = append(got, p.Name+" "+p.Version+" "+strings.Join(p.Places, ","))
	}
	want := []string{
		"com.acme:core 1.0 java/lib/com.acme-core-1.0.jar",
		"io.netty:epoll 4.1 java/lib/epoll-4.1.jar",
		"io.netty:epoll:linux-x86_64 4.1 java/lib/epoll-4.1-linux-x86_64.jar",
		"org.other:core 1.0 java/lib/org.other-core-1.0.jar",
		"org.x:x86 1 java/lib/x86-1.jar",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the packages are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if p := r.Packages[1]; p.File.Name != "epoll-4.1.jar" || p.File.SHA256 != sha("io.netty:epoll:4.1") {
		t.Errorf("a file is %+v", p.File)
	}
	if r.Prefix != "java/lib" || r.Runs() || strings.Join(r.Indexes, " ") != " https://repo.example/m2" {
		t.Errorf("the recipe is for %s, runs: %v, asks %q", r.Prefix, r.Runs(), r.Indexes)
	}
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "org.x:docs:1@zip is no jar") {
		t.Errorf("notes: %q", r.Notes)
	}
	image := target.Runtime.ImageToBuild(runtimes.X86_64)
	if len(r.Needs) != 1 || r.Needs[0].Image != image || r.Container != nil {
		t.Errorf("without the image's digest: %+v", r.Needs)
	}
	target.Pins.Images = map[string]string{image: "sha256:" + sha("image")}
	target.Indexes = []string{"https://mirror.example"}
	if r, err = (Runtime{}).Recipe(projectOf(files), target); err != nil {
		t.Fatal(err)
	}
	pom, settings := string(r.Container.Steps[0].Inputs[0].Data), r.Container.Steps[0].Inputs[1]
	if n := strings.Count(pom, "<artifactItem>"); n != len(want) || !strings.Contains(pom, "<destFileName>org.other-core-1.0.jar</destFileName>") {
		t.Errorf("%d jars are copied:\n%s", n, pom)
	}
	if !settings.Whereabouts || !strings.Contains(string(settings.Data), "<url>https://mirror.example</url>") || strings.Contains(string(settings.Data), "repo.example") {
		t.Errorf("Maven's settings are %s", settings.Data)
	}
}

func TestIndexes(t *testing.T) {
	named := []string{"https://repo.example"}
	for _, test := range []struct {
		configured, want string
		mirrored         bool
	}{
		{"", "own,https://repo.example", false},
		{"https://m.example", "https://m.example", true},
		{"https://m.example,own", "https://m.example,https://repo.example", false},
	} {
		target := runtimes.Target{}
		if test.configured != "" {
			target.Indexes = strings.Split(strings.ReplaceAll(test.configured, "own", ""), ",")
		}
		got, mirrored := indexesOf(target, named)
		if got[0] == "" {
			got[0] = "own"
		}
		if strings.Join(got, ",") != test.want || mirrored != test.mirrored {
			t.Errorf("%q: asks %q, mirrored: %v", test.configured, got, mirrored)
		}
	}
}

// A pom of which layerbuild.lock holds no answer, or one to something else,
// says why.
func TestUnresolved(t *testing.T) {
	text := pomText("", "app", dependencies(dependencyOn("org.x", "range", "[1,2)", ""), dependencyOn("org.x", "snap", "1-SNAPSHOT", "")))
	files := map[string]string{"pom.xml": text}
	why := func(files map[string]string, target runtimes.Target) string {
		_, err := Runtime{}.Recipe(projectOf(files), target)
		var open *runtimes.Unresolved
		if !errors.As(err, &open) {
			t.Fatalf("got %v", err)
		}
		return open.Questions[0].Why
	}
	if got := why(files, java21()); !strings.Contains(got, "is no lock") || !strings.Contains(got, "org.x:range [1,2) (pom.xml:1), org.x:snap 1-SNAPSHOT (pom.xml:1)") {
		t.Error(got)
	}
	target := answered(t, java21(), files, "org.x:range:1.5", "org.x:snap:1-20240101.120000-3")
	if _, err := (Runtime{}).Recipe(projectOf(files), target); err != nil {
		t.Error(err)
	}
	arm := target
	arm.Places = append(arm.Places, runtimes.Place{Runtime: target.Runtime, Arch: runtimes.ARM64})
	if got := why(files, arm); got != "is resolved for java21 x86_64, and not for java21 arm64" {
		t.Error(got)
	}
	if got := why(map[string]string{"pom.xml": strings.Replace(text, "[1,2)", "[1,3)", 1)}, target); got != "has changed since it was resolved" {
		t.Error(got)
	}
}

func TestRecipeErrors(t *testing.T) {
	none := map[string]string{"pom.xml": pomText("", "app", "<profiles><profile><id>prod</id></profile></profiles>")}
	for name, test := range map[string]struct {
		files  map[string]string
		change func(*runtimes.Target)
		want   string
	}{
		"nothing there": {map[string]string{"README": ""}, nil, "no gradle.lockfile and no pom.xml in the project's folder"},
		"no folder":     {nil, func(t *runtimes.Target) { t.Path = "x" }, "there is no folder x"},
		"a Python project": {map[string]string{"uv.lock": ""}, nil,
			"no gradle.lockfile and no pom.xml in the project's folder"},
		"named, not there": {nil, func(t *runtimes.Target) { t.LockFile = "aws.xml" }, "aws.xml: there is no such file"},
		"named, no pom":    {nil, func(t *runtimes.Target) { t.LockFile = "x.json" }, "x.json: not the name of a file that is known"},
		"another profile":  {none, func(t *runtimes.Target) { t.Profiles = []string{"pord"} }, `pom.xml: has no profile "pord"`},
		"the project":      {none, func(t *runtimes.Target) { t.Project = true }, "pom.xml: project: true needs the project to be built, which is Maven's to do"},
		"a bad exclude":    {none, func(t *runtimes.Target) { t.Exclude = []string{"netty"} }, "exclude: netty is no module of Maven's"},
		"a damaged lock": {none, func(x *runtimes.Target) { *x = answered(t, *x, none, "no coordinate") },
			`layerbuild.lock: no coordinate: "no coordinate" is not group:artifact:version`},
		"nothing to install": {none, func(x *runtimes.Target) { *x = answered(t, *x, none) }, "pom.xml: nothing to install for java21 on x86_64"},
		"one name too many": {none, func(x *runtimes.Target) { *x = answered(t, *x, none, "a:x:1", "b:x:1", "c:a-x:1") },
			"pom.xml: c:a-x and a:x both bring a-x-1.jar"},
	} {
		target := java21()
		if test.change != nil {
			test.change(&target)
		}
		_, err := Runtime{}.Recipe(projectOf(test.files), target)
		var input *runtimes.InputError
		if !errors.As(err, &input) || err.Error() != test.want || input.Hint == "" {
			t.Errorf("%s: %v, want %s, with a hint", name, err, test.want)
		}
	}
}

func TestNormalise(t *testing.T) {
	r := runtimes.Recipe{Packages: []runtimes.Package{{
		Name: "a:a", Version: "1", Places: []string{"java/lib/a-1.jar"}, File: runtimes.File{Name: "a-1.jar", SHA256: sha("content")},
	}}}
	tree := runtimes.Tree{
		"java/lib/a-1.jar":              runtimes.NewTreeFile([]byte("content"), true),
		"java/lib/_remote.repositories": runtimes.NewTreeFile([]byte("x"), false),
	}
	var digest *runtimes.DigestError
	var broken *runtimes.PackageError
	if _, err := (Runtime{}).Normalise(r, runtimes.Tree{}); !errors.As(err, &broken) {
		t.Errorf("a jar that is not there: %v", err)
	}
	other := runtimes.Tree{"java/lib/a-1.jar": runtimes.NewTreeFile([]byte("other"), false)}
	if _, err := (Runtime{}).Normalise(r, other); !errors.As(err, &digest) || digest.Got != sha("other") || digest.What != "a-1.jar" {
		t.Errorf("another jar: %v", err)
	}
	if _, err := (Runtime{}).Normalise(r, tree); err != nil {
		// The content is no jar, which other rules may say; the hash is right.
		if errors.As(err, &digest) {
			t.Fatal(err)
		}
	}
	if len(tree) != 1 || tree["java/lib/a-1.jar"].Mode != 0o644 || tree["java/lib/a-1.jar"].Package != "a:a" {
		t.Errorf("the tree is %v", tree)
	}
}
