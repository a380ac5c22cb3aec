package java

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

const gradleHead = "# This is a Gradle generated file for dependency locking.\n# Manual edits can break the build and are not advised.\n"

func TestParseGradleFile(t *testing.T) {
	for name, test := range map[string]struct {
		file, text string
		want       []string
		empty      bool   // the lock has the runtimeClasspath, with nothing in it
		err        string // begins it, after the file's name
	}{
		"one": {text: "a:b:1=runtimeClasspath\n", want: []string{"a:b:1"}},
		"several configurations": {
			text: gradleHead + "a:b:1=compileClasspath,runtimeClasspath\nc:d:2=testRuntimeClasspath\ne:f:3=runtimeClasspath,testRuntimeClasspath\nempty=annotationProcessor\n",
			want: []string{"a:b:1", "e:f:3"},
		},
		"no final newline, carriage returns": {text: "a:b:1=runtimeClasspath\r\n\r\nc:d:2=runtimeClasspath", want: []string{"a:b:1", "c:d:2"}},
		"nothing runs":                       {text: "a:b:1=compileClasspath\nempty=annotationProcessor,runtimeClasspath\n", empty: true},
		"junit in the run time's scope":      {text: "junit:junit:4.13.2=runtimeClasspath\n", want: []string{"junit:junit:4.13.2"}},
		"spaces":                             {text: " a:b:1 = x\n", err: `:1: cannot be read: "a:b:1 " is not group:artifact:version`},
		"the old form":                       {file: "gradle/dependency-locks/runtimeClasspath.lockfile", text: gradleHead + "a:b:1\nc:d:2\n", want: []string{"a:b:1", "c:d:2"}},
		"the old form, empty":                {file: "gradle/dependency-locks/runtimeClasspath.lockfile", text: gradleHead, empty: true},
		"a lock by another name":             {file: "locks/app.lockfile", text: "a:b:1=runtimeClasspath\n", want: []string{"a:b:1"}},
		"merge conflict":                     {text: "a:b:1=runtimeClasspath\n<<<<<<< HEAD\nc:d:2=runtimeClasspath\n", err: ":2: cannot be read: a merge conflict is left in it"},
		"middle of a conflict":               {text: "a:b:1=runtimeClasspath\n=======\n", err: ":2: cannot be read: a merge conflict"},
		"no configuration":                   {text: "a:b:1\n", err: `:1: cannot be read: "a:b:1" is not a line of a Gradle lock`},
		"configuration in the old form":      {file: "x/runtimeClasspath.lockfile", text: "a:b:1\nc:d:2=x\n", err: `:1: cannot be read`},
		"no version":                         {text: "a:b=runtimeClasspath\n", err: `:1: cannot be read: "a:b" is not group:artifact:version`},
		"four parts":                         {text: "a:b:1:c=runtimeClasspath\n", err: `:1: cannot be read: "a:b:1:c" is not group:artifact:version`},
		"a path":                             {text: "a:../b:1=runtimeClasspath\n", err: ":1: cannot be read"},
		"two versions":                       {text: "a:b:1=runtimeClasspath\na:b:2=runtimeClasspath\n", err: ":2: cannot be read: a:b is locked in two versions, 1 (line 1) and 2"},
		"two versions, one runs":             {text: "a:b:1=runtimeClasspath\na:b:2=testRuntimeClasspath\n", want: []string{"a:b:1"}},
		"a snapshot":                         {text: "a:b:1-SNAPSHOT=runtimeClasspath\n", err: ":1: a:b:1-SNAPSHOT is a snapshot"},
		"a snapshot for tests":               {text: "a:b:1=runtimeClasspath\nc:d:1-SNAPSHOT=testRuntimeClasspath\n", want: []string{"a:b:1"}},
		"long line":                          {text: strings.Repeat("é", 100) + "\n", err: `:1: cannot be read: "` + strings.Repeat("é", 60) + `…" is not`},
	} {
		t.Run(name, func(t *testing.T) {
			file := test.file
			if file == "" {
				file = "app/gradle.lockfile"
			}
			l, err := parseGradleFile(file, []byte(test.text))
			if test.err != "" {
				var input *runtimes.InputError
				if !errors.As(err, &input) || !strings.HasPrefix(err.Error(), file+test.err) || input.Hint == "" {
					t.Errorf("got %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range l.modules {
				got = append(got, m.String())
			}
			if !slices.Equal(got, test.want) || !l.locksRuntime() {
				t.Errorf("got %v of %v, want %v", got, l.configurations, test.want)
			}
		})
	}
}

func FuzzGradleLock(f *testing.F) {
	f.Add([]byte(gradleHead + "a:b:1=compileClasspath,runtimeClasspath\nempty=annotationProcessor\n"))
	f.Add([]byte("a:b:1\nc:d:2\n"))
	f.Add([]byte("a:b:1=runtimeClasspath\n<<<<<<< HEAD\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, file := range []string{"gradle.lockfile", "runtimeClasspath.lockfile"} {
			l, err := parseGradleFile(file, data)
			if err != nil {
				continue
			}
			var b strings.Builder
			for _, m := range l.modules {
				if c, err := coordinate.Parse(m.String()); err != nil || c != m.Coordinate {
					t.Errorf("%v: %v", m, err)
				}
				b.WriteString(m.String() + "=runtimeClasspath\n")
			}
			again, err := parseGradleFile("gradle.lockfile", []byte(b.String()))
			if err != nil || len(again.modules) != len(l.modules) {
				t.Errorf("%v read again: %v, %v", l.modules, again, err)
			}
		}
	})
}

// gradleTarget is a layer for two places.
func gradleTarget(edit ...func(*runtimes.Target)) runtimes.Target {
	info := runtimes.Info{Name: "java21", Family: "java", Version: "21"}
	t := runtimes.Target{Runtime: info, Arch: runtimes.X86_64, Path: "app", Places: []runtimes.Place{{Runtime: info, Arch: runtimes.ARM64}, {Runtime: info, Arch: runtimes.X86_64}}}
	for _, e := range edit {
		e(&t)
	}
	return t
}

// asked are the questions that a Gradle project leaves open.
func asked(t *testing.T, project fstest.MapFS, target runtimes.Target) []runtimes.Question {
	t.Helper()
	_, err := readGradle(project, "app/gradle.lockfile", target)
	var open *runtimes.Unresolved
	if !errors.As(err, &open) {
		t.Fatalf("got %v, want questions", err)
	}
	return open.Questions
}

func text(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

const someLock = "com.acme:core:1.0=runtimeClasspath\nio.netty:epoll:4.1=runtimeClasspath\norg.x:bom:1=runtimeClasspath\n"

func TestGradleQuestion(t *testing.T) {
	project := fstest.MapFS{"app/gradle.lockfile": text(someLock)}
	questions := asked(t, project, gradleTarget())
	if len(questions) != 1 {
		t.Fatalf("got %+v", questions)
	}
	q := questions[0]
	if q.Ecosystem != "maven" || q.Name != "app/gradle.lockfile" || len(q.Places) != 2 || !slices.Equal(q.Options, []string{GradleOption}) ||
		!slices.Equal(q.Requirements, []string{"com.acme:core:1.0", "io.netty:epoll:4.1", "org.x:bom:1"}) || len(q.Constraints) != 0 || !slices.Equal(q.Indexes, []string{""}) {
		t.Errorf("got %+v", q)
	}
	// What is locked for other configurations changes nothing, nor does the order.
	project["app/gradle.lockfile"] = text("empty=\norg.x:bom:1=runtimeClasspath,x\nio.netty:epoll:4.1=runtimeClasspath\ncom.acme:core:1.0=runtimeClasspath\njunit:junit:4=testRuntimeClasspath\n")
	if again := asked(t, project, gradleTarget())[0]; again.Digest() != q.Digest() {
		t.Errorf("the question has changed: %+v", again)
	}
}

// sum is a SHA-256 of one repeated digit.
func sum(digit string) string { return strings.Repeat(digit, 64) }

func answers(questions []runtimes.Question, pinned ...runtimes.Pinned) func(*runtimes.Target) {
	return func(t *runtimes.Target) {
		t.Pins.Requirements = map[string]runtimes.Resolution{}
		for _, q := range questions {
			r := runtimes.Resolution{Input: q.Digest()}
			for _, p := range q.Places {
				r.Places = append(r.Places, p.String())
			}
			for _, p := range pinned {
				if slices.ContainsFunc(q.Requirements, func(requirement string) bool {
					return p.Requirement == requirement || strings.HasPrefix(p.Requirement, requirement+"@")
				}) {
					r.Packages = append(r.Packages, p)
				}
			}
			t.Pins.Requirements[q.Name] = r
		}
	}
}

func pin(requirement, digit string, file ...string) runtimes.Pinned {
	return runtimes.Pinned{Requirement: requirement, SHA256: []string{sum(digit)}, File: strings.Join(file, "")}
}

// placed lists where the files of a set go.
func placed(t *testing.T, set *jars) map[string]string {
	t.Helper()
	packages, err := place("app/gradle.lockfile", set.files)
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string]string)
	for _, p := range packages {
		m[strings.Join(p.Places, " ")] = p.Name + " " + p.Version + " " + p.File.Name + " " + p.File.SHA256[:1]
	}
	return m
}

func TestGradleSet(t *testing.T) {
	const lock = someLock + "com.acme:util:1.0=runtimeClasspath\norg.other:util:1.0=runtimeClasspath\n"
	project := fstest.MapFS{"app/gradle.lockfile": text(lock)}
	pinned := []runtimes.Pinned{
		pin("com.acme:core:1.0", "1"), pin("io.netty:epoll:4.1", "2", "../4.1-x/epoll-4.1-x.jar"), pin("org.x:bom:1@pom", "3"),
		pin("com.acme:util:1.0", "4"), pin("org.other:util:1.0", "5"),
	}
	set, err := readGradle(project, "app/gradle.lockfile", gradleTarget(answers(asked(t, project, gradleTarget()), pinned...)))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"java/lib/core-1.0.jar":           "com.acme:core 1.0 core-1.0.jar 1",
		"java/lib/epoll-4.1-x.jar":        "io.netty:epoll 4.1 epoll-4.1-x.jar 2",
		"java/lib/com.acme-util-1.0.jar":  "com.acme:util 1.0 util-1.0.jar 4",
		"java/lib/org.other-util-1.0.jar": "org.other:util 1.0 util-1.0.jar 5",
	}
	if got := placed(t, set); !maps.Equal(got, want) || len(set.notes) > 0 {
		t.Errorf("got %v %v\nwant %v", got, set.notes, want)
	}

	exclude := func(t *runtimes.Target) { t.Exclude = []string{"com.acme:*", "a:b"} }
	set, err = readGradle(project, "app/gradle.lockfile", gradleTarget(exclude, answers(asked(t, project, gradleTarget()), pinned...)))
	if err != nil {
		t.Fatal(err)
	}
	if got := placed(t, set); len(got) != 2 || got["java/lib/util-1.0.jar"] == "" {
		t.Errorf("excluded: got %v", got)
	}
	if notes := strings.Join(set.notes, "\n"); !strings.Contains(notes, "a:b is excluded but not in app/gradle.lockfile") || !strings.Contains(notes, "drops what it names and nothing else") {
		t.Errorf("excluded: notes %v", set.notes)
	}
}

// TestGradleNoJar holds that what a layer cannot use is refused by name, and
// can be excluded.
func TestGradleNoJar(t *testing.T) {
	project := fstest.MapFS{"app/gradle.lockfile": text("com.acme:core:1.0=runtimeClasspath\n")}
	answer := answers(asked(t, project, gradleTarget()), pin("com.acme:core:1.0@aar", "1"))
	_, err := readGradle(project, "app/gradle.lockfile", gradleTarget(answer))
	var input *runtimes.InputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), "com.acme:core:1.0@aar is no jar") || !strings.Contains(input.Hint, "exclude: com.acme:core") {
		t.Errorf("got %v", err)
	}
	if set, err := readGradle(project, "app/gradle.lockfile", gradleTarget(answer, func(t *runtimes.Target) { t.Exclude = []string{"com.acme:core"} })); err != nil || len(set.files) != 0 {
		t.Errorf("excluded: %v, %v", set, err)
	}
}

// TestGradleStale holds that an answer to something else is told from the
// right one, and that the message says what moved.
func TestGradleStale(t *testing.T) {
	project := fstest.MapFS{"app/gradle.lockfile": text(someLock)}
	pinned := []runtimes.Pinned{pin("com.acme:core:1.0", "1"), pin("io.netty:epoll:4.1", "2"), pin("org.x:bom:1@pom", "3")}
	before := answers(asked(t, project, gradleTarget()), pinned...)
	damaged := answers(asked(t, project, gradleTarget()), pinned[:2]...)
	java17 := runtimes.Place{Runtime: runtimes.Info{Name: "java17", Family: "java", Version: "17"}, Arch: runtimes.X86_64}
	for name, test := range map[string]struct {
		lock   string
		edit   []func(*runtimes.Target)
		why    string
		damage bool
	}{
		"none":          {lock: someLock, why: "the hashes of its jars are not in layerbuild.lock"},
		"a new version": {lock: strings.Replace(someLock, "4.1", "4.2", 1), edit: []func(*runtimes.Target){before}, why: "has changed since it was resolved: io.netty:epoll:4.2 (line 2), and layerbuild.lock has 4.1"},
		"a new module":  {lock: someLock + "a:b:1=runtimeClasspath\n", edit: []func(*runtimes.Target){before}, why: "has changed since it was resolved: a:b is not in layerbuild.lock (line 4)"},
		"one less":      {lock: "com.acme:core:1.0=runtimeClasspath\n", edit: []func(*runtimes.Target){before}, why: "has changed since it was resolved"},
		"a new place": {lock: someLock, edit: []func(*runtimes.Target){before, func(t *runtimes.Target) { t.Places = append(t.Places, java17) }},
			why: "is resolved for java21 arm64, java21 x86_64, and not for java17 x86_64"},
		"an answer that lacks one": {lock: someLock, edit: []func(*runtimes.Target){damaged}, why: "layerbuild.lock does not say what org.x:bom:1 contributes", damage: true},
	} {
		t.Run(name, func(t *testing.T) {
			project := fstest.MapFS{"app/gradle.lockfile": text(test.lock)}
			questions := asked(t, project, gradleTarget(test.edit...))
			if len(questions) != 1 || questions[0].Why != test.why || questions[0].Damaged != test.damage {
				t.Errorf("got %+v, want %s", questions, test.why)
			}
		})
	}
}

func TestGradleArtifacts(t *testing.T) {
	project := fstest.MapFS{
		"app/gradle.lockfile":       text(someLock),
		"gradle/libs.versions.toml": text("[versions]\nx = \"1\"\n[libraries]\nnative-lib = { module = \"org.y:native\", version.ref = \"x\" }\nold_one = \"org.z:old:1\"\nthird = {group=\"org.w\", name=\"third\"}\n"),
	}
	with := func(artifacts ...string) func(*runtimes.Target) {
		return func(t *runtimes.Target) { t.Artifacts = artifacts }
	}
	target := gradleTarget(with("io.netty:epoll:linux-x86_64"))
	questions := asked(t, project, target)
	if len(questions) != 2 || questions[1].Name != "app/gradle.lockfile io.netty:epoll:4.1:linux-x86_64" || !slices.Equal(questions[1].Requirements, []string{"io.netty:epoll:4.1:linux-x86_64"}) {
		t.Fatalf("got %+v", questions)
	}
	// The layers of the folder share the answer for the lock itself.
	if without := asked(t, project, gradleTarget()); without[0].Digest() != questions[0].Digest() {
		t.Error("an artifact of one layer changes the question of all")
	}
	answers(questions, pin("com.acme:core:1.0", "1"), pin("io.netty:epoll:4.1", "2"), pin("org.x:bom:1@pom", "3"), pin("io.netty:epoll:4.1:linux-x86_64", "4"))(&target)
	set, err := readGradle(project, "app/gradle.lockfile", target)
	if err != nil {
		t.Fatal(err)
	}
	if got := placed(t, set); got["java/lib/epoll-4.1-linux-x86_64.jar"] == "" || got["java/lib/epoll-4.1.jar"] == "" {
		t.Errorf("got %v", got)
	}
	for artifact, want := range map[string]string{
		"io.netty:epoll":        "is not group:artifact:classifier",
		"org.y:native:x":        "org.y:native is not in the runtimeClasspath that is locked",
		"io.netty:epoll:a/b":    "no coordinate has",
		"io.netty:epoll:4.1:x":  "is not group:artifact:classifier",
		"org.z:old:linux":       "org.z:old is not in",
		"org.w:third:linux":     "org.w:third is not in",
		"org.unknown:x:classes": "org.unknown:x is not in",
	} {
		_, err := readGradle(project, "app/gradle.lockfile", gradleTarget(with(artifact)))
		var input *runtimes.InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", artifact, err, want)
			continue
		}
		for module, alias := range map[string]string{"org.y:native": "libs.native.lib", "org.z:old": "libs.old.one", "org.w:third": "libs.third"} {
			if strings.HasPrefix(artifact, module) != strings.Contains(input.Hint, "the version catalog calls it "+alias) {
				t.Errorf("%s: hint %q", artifact, input.Hint)
			}
		}
	}
}

// TestGradleRefused has the locks that do not say what runs, and folders
// without one.
func TestGradleRefused(t *testing.T) {
	const script = "plugins { id 'java' }\n"
	for name, test := range map[string]struct {
		files fstest.MapFS
		edit  func(*runtimes.Target)
		want  string
		hint  string
	}{
		"compileClasspath alone": {
			files: fstest.MapFS{"app/gradle.lockfile": text("a:b:1=compileClasspath\nempty=annotationProcessor\n")},
			want:  "app/gradle.lockfile: it locks annotationProcessor, compileClasspath, and not runtimeClasspath: what a project is compiled with is not what runs",
			hint:  "configurations.runtimeClasspath { resolutionStrategy.activateDependencyLocking() }; then run: gradle dependencies --write-locks",
		},
		"many configurations": {
			files: fstest.MapFS{"app/gradle.lockfile": text("a:b:1=a,b,c,d,e\n")}, want: "it locks a, b, c, d, …, and not runtimeClasspath", hint: gradleWriteLocks,
		},
		"comments alone": {files: fstest.MapFS{"app/gradle.lockfile": text(gradleHead)}, want: "app/gradle.lockfile: it locks no configuration", hint: gradleWriteLocks},
		"nothing runs":   {files: fstest.MapFS{"app/gradle.lockfile": text("empty=runtimeClasspath\n")}, want: "app/gradle.lockfile: nothing to install for java21 on x86_64"},
		"its own project": {
			files: fstest.MapFS{"app/gradle.lockfile": text(someLock)}, edit: func(t *runtimes.Target) { t.Project = true },
			want: "app/gradle.lockfile: project: true needs Gradle, which is not run here", hint: "include",
		},
		"not locked":            {files: fstest.MapFS{"app/build.gradle": text(script)}, want: "app/build.gradle: the Gradle project is not locked", hint: "in build.gradle: dependencyLocking { lockAllConfigurations() }"},
		"not locked, in Kotlin": {files: fstest.MapFS{"app/build.gradle.kts": text(script)}, want: "app/build.gradle.kts: the Gradle project is not locked", hint: "in build.gradle.kts: dependencyLocking"},
		"locking is on": {
			files: fstest.MapFS{"app/build.gradle": text(script + "dependencyLocking { lockAllConfigurations() }\n")},
			want:  "app/build.gradle: the Gradle project is not locked", hint: "dependencyLocking is in it already: run gradle dependencies --write-locks",
		},
		"the build script's lock": {
			files: fstest.MapFS{"app/build.gradle": text(script), "app/buildscript-gradle.lockfile": text("a:b:1=classpath\n")},
			want:  "only the build script's own class path is locked", hint: gradleWriteLocks,
		},
		"other old locks": {
			files: fstest.MapFS{"app/build.gradle": text(script), "app/gradle/dependency-locks/compileClasspath.lockfile": text("a:b:1\n")},
			want:  "app/build.gradle: it has compileClasspath.lockfile, and no lock of the runtimeClasspath", hint: gradleWriteLocks,
		},
		"sub-projects": {
			files: fstest.MapFS{"app/build.gradle": text(script), "app/api/gradle.lockfile": text(someLock), "app/core/gradle.lockfile": text(someLock)},
			want:  "app/build.gradle: the Gradle project is not locked", hint: "each sub-project has its own lock: name its folder as path, such as app/api",
		},
		"no project":   {files: fstest.MapFS{"app/readme": text("")}, want: "no gradle.lockfile and no pom.xml in app"},
		"broken lock":  {files: fstest.MapFS{"app/gradle.lockfile": text("x\n")}, want: "app/gradle.lockfile:1: cannot be read", hint: gradleWriteLocks},
		"broken sums":  {files: fstest.MapFS{"app/gradle.lockfile": text(someLock), "gradle/verification-metadata.xml": text("<x/>")}, want: "gradle/verification-metadata.xml: cannot be read", hint: "--write-verification-metadata"},
		"endless lock": {files: fstest.MapFS{"app/gradle.lockfile": text(strings.Repeat("#\n", maxGradleLock/2+1))}, want: "app/gradle.lockfile: cannot be read: more than"},
	} {
		t.Run(name, func(t *testing.T) {
			target := gradleTarget()
			if test.edit != nil {
				test.edit(&target)
			}
			_, err := Runtime{}.Recipe(test.files, target)
			var input *runtimes.InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), test.want) || !strings.Contains(input.Hint, test.hint) {
				t.Errorf("got %v (hint %s)\nwant %s (%s)", err, input.Hint, test.want, test.hint)
			}
		})
	}
}

// TestGradleFind holds which of several locks wins, and that the others are
// told.
func TestGradleFind(t *testing.T) {
	old := "app/" + gradleLocks[1]
	for name, test := range map[string]struct {
		files []string
		want  string
		notes int
	}{
		"the lock":        {files: []string{"app/gradle.lockfile", "app/build.gradle"}, want: "app/gradle.lockfile"},
		"the old form":    {files: []string{old, "app/build.gradle"}, want: old},
		"both":            {files: []string{old, "app/gradle.lockfile"}, want: "app/gradle.lockfile", notes: 1},
		"with a pom":      {files: []string{old, "app/gradle.lockfile", "app/pom.xml"}, want: "app/gradle.lockfile", notes: 2},
		"old with a pom":  {files: []string{old, "app/pom.xml"}, want: old, notes: 1},
		"a pom":           {files: []string{"app/pom.xml", "app/build.gradle"}, want: "app/pom.xml"},
		"the root's lock": {files: []string{"gradle.lockfile", "app/pom.xml"}, want: "app/pom.xml"},
	} {
		project := fstest.MapFS{}
		for _, file := range test.files {
			project[file] = text(someLock)
		}
		found, err := findLock(project, gradleTarget())
		if err != nil || found.file != test.want || len(found.notes) != test.notes || found.gradle == strings.HasSuffix(found.file, ".xml") {
			t.Errorf("%s: got %+v, %v", name, found, err)
		}
	}
}
