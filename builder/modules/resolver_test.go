package modules

import (
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
)

// A pomText is a POM with what a test wants in it.
func pomText(inner string) string {
	return `<?xml version="1.0" encoding="ISO-8859-1"?><project xmlns="http://maven.example/POM/4.0.0">` +
		"<name>Caf\xe9 &eacute;</name>" + inner + "</project>"
}

const redirect = "<!-- do_not_remove: published-with-gradle-metadata -->"

func packaging(p string) string { return pomText("<packaging>" + p + "</packaging>") }

// TestContributes has one module of each kind.
func TestContributes(t *testing.T) {
	runtime := `{"formatVersion":"1.1","component":{"group":"g","module":"m"},"variants":[
	  {"name":"api","attributes":{"org.gradle.usage":"java-api","org.gradle.category":"library"},"files":[{"name":"api.jar","url":"api.jar"}]},
	  {"name":"run","attributes":{"org.gradle.usage":"java-runtime","org.gradle.category":"library"},FILES}]}`
	for name, test := range map[string]struct {
		want  string
		files map[string]string // of g:m:1, by extension; or by path
		get   map[string]string
	}{
		"a jar":                {files: map[string]string{"m-1.pom": pomText(""), "m-1.jar": "jar"}, get: map[string]string{"g:m:1": hexSum("jar")}},
		"a bundle":             {files: map[string]string{"m-1.pom": packaging("bundle"), "m-1.jar": "jar"}, get: map[string]string{"g:m:1": hexSum("jar")}},
		"a plugin":             {files: map[string]string{"m-1.pom": packaging(" maven-plugin "), "m-1.jar": "jar"}, get: map[string]string{"g:m:1": hexSum("jar")}},
		"a BOM":                {files: map[string]string{"m-1.pom": packaging("pom")}, get: map[string]string{"g:m:1@pom": hexSum(packaging("pom"))}},
		"a pom with a jar":     {files: map[string]string{"m-1.pom": packaging("pom"), "m-1.jar": "jar"}, get: map[string]string{"g:m:1": hexSum("jar")}},
		"a jar by other name":  {files: map[string]string{"m-1.pom": packaging("hk2-jar"), "m-1.jar": "jar"}, get: map[string]string{"g:m:1": hexSum("jar")}},
		"an archive":           {files: map[string]string{"m-1.pom": packaging("aar"), "m-1.aar": "aar"}, get: map[string]string{"g:m:1@aar": hexSum("aar")}},
		"only Maven can tell":  {files: map[string]string{"m-1.pom": packaging("${kind.of.parent}"), "m-1.jar": "jar"}, get: map[string]string{"g:m:1": hexSum("jar")}},
		"a property":           {files: map[string]string{"m-1.pom": pomText("<packaging>${kind}</packaging><properties><kind>pom</kind></properties>")}, get: map[string]string{"g:m:1@pom": hexSum(pomText("<packaging>${kind}</packaging><properties><kind>pom</kind></properties>"))}},
		"no jar":               {files: map[string]string{"m-1.pom": pomText("")}, want: "g:m:1 has no file m-1.jar in URL, though its POM says that it has one"},
		"a jar in vain":        {files: map[string]string{"m-1.pom": packaging("bundle")}, want: "though its POM says"},
		"not there":            {want: "g:m:1 is in none of the repositories: URL"},
		"a POM without an end": {files: map[string]string{"m-1.pom": "<project><packaging>jar"}, want: "its POM cannot be read"},
		"a list":               {files: map[string]string{"m-1.pom": "[]"}, want: "its POM cannot be read"},
		"a bad packaging":      {files: map[string]string{"m-1.pom": packaging("../../x"), "m-1.jar": "jar"}, want: `its POM has the packaging "../../x"`},
		"relocated": {
			files: map[string]string{"m-1.pom": pomText("<distributionManagement><relocation><groupId>h</groupId><artifactId>n</artifactId></relocation></distributionManagement>"), "m-1.jar": "no", "/h/n/1/n-1.pom": pomText(""), "/h/n/1/n-1.jar": "moved"},
			get:   map[string]string{"g:m:1@pom": hexSum(pomText("<distributionManagement><relocation><groupId>h</groupId><artifactId>n</artifactId></relocation></distributionManagement>")), "h:n:1": hexSum("moved")},
		},
		"relocated to another version": {files: map[string]string{"m-1.pom": pomText("<distributionManagement><relocation><version>2</version></relocation></distributionManagement>")}, want: "g:m:1: it has moved to the version 2"},
		"relocated nowhere":            {files: map[string]string{"m-1.pom": pomText("<distributionManagement><relocation><groupId>a/b</groupId></relocation></distributionManagement>")}, want: "its POM relocates it to"},
		"relocated in a circle": {
			files: map[string]string{"m-1.pom": pomText("<distributionManagement><relocation><artifactId>n</artifactId></relocation></distributionManagement>"), "/g/n/1/n-1.pom": pomText("<distributionManagement><relocation><artifactId>o</artifactId></relocation></distributionManagement>"), "/g/o/1/o-1.pom": pomText("<distributionManagement><relocation><artifactId>n</artifactId></relocation></distributionManagement>")},
			want:  "leads from one module to the next",
		},
		"a variant": {
			files: map[string]string{"m-1.pom": pomText(redirect), "m-1.module": strings.Replace(runtime, "FILES", `"files":[{"name":"m-1.jar","url":"m-1.jar","sha256":"`+hexSum("jar")+`"}]`, 1), "m-1.jar": "jar"},
			get:   map[string]string{"g:m:1": hexSum("jar")},
		},
		"a variant's other file": {
			files: map[string]string{"m-1.pom": pomText(redirect), "m-1.module": strings.Replace(runtime, "FILES", `"files":[{"name":"m.jar","url":"../1-x/m-1-x.jar"}]`, 1), "/g/m/1-x/m-1-x.jar": "jar", "m-1.jar": "no"},
			get:   map[string]string{"g:m:1:x": hexSum("jar") + " ../1-x/m-1-x.jar"},
		},
		"a variant of two files": {
			files: map[string]string{"m-1.pom": pomText(redirect), "m-1.module": strings.Replace(runtime, "FILES", `"files":[{"name":"m-1.jar","url":"m-1.jar"},{"name":"x","url":"extra.jar"}]`, 1), "m-1.jar": "jar", "extra.jar": "extra"},
			get:   map[string]string{"g:m:1": hexSum("jar"), "g:m:1:extra": hexSum("extra") + " extra.jar"},
		},
		"a variant without files": {
			files: map[string]string{"m-1.pom": pomText(redirect), "m-1.module": strings.Replace(runtime, "FILES", `"files":[]`, 1), "m-1.jar": "no"},
			get:   map[string]string{"g:m:1@module": hexSum(strings.Replace(runtime, "FILES", `"files":[]`, 1))},
		},
		"available at": {
			files: map[string]string{"m-1.pom": pomText(redirect), "m-1.module": strings.Replace(runtime, "FILES", `"available-at":{"url":"../../m-jvm/1/m-jvm-1.module","group":"g","module":"m-jvm","version":"1"}`, 1), "m-1.jar": "no", "/g/m-jvm/1/m-jvm-1.pom": pomText(""), "/g/m-jvm/1/m-jvm-1.jar": "jvm"},
			get:   map[string]string{"g:m:1@module": hexSum(strings.Replace(runtime, "FILES", `"available-at":{"url":"../../m-jvm/1/m-jvm-1.module","group":"g","module":"m-jvm","version":"1"}`, 1)), "g:m-jvm:1": hexSum("jvm")},
		},
		"no metadata after all": {files: map[string]string{"m-1.pom": pomText(redirect), "m-1.jar": "jar"}, get: map[string]string{"g:m:1": hexSum("jar")}},
		"metadata that does not count": {
			files: map[string]string{"m-1.pom": pomText(""), "m-1.module": "no JSON", "m-1.jar": "jar"}, get: map[string]string{"g:m:1": hexSum("jar")},
		},
		"metadata that cannot be read":    {files: map[string]string{"m-1.pom": pomText(redirect), "m-1.module": "no JSON", "m-1.jar": "jar"}, want: "g:m:1: its module metadata cannot be read"},
		"metadata of a newer form":        {files: map[string]string{"m-1.pom": pomText(redirect), "m-1.module": `{"formatVersion":"2.0"}`}, want: `format version "2.0"`},
		"a variant's lost file":           {files: map[string]string{"m-1.pom": pomText(redirect), "m-1.module": strings.Replace(runtime, "FILES", `"files":[{"name":"m-1.jar","url":"m-1.jar"}]`, 1)}, want: "though its module metadata says that it has one"},
		"a variant's file somewhere else": {files: map[string]string{"m-1.pom": pomText(redirect), "m-1.module": strings.Replace(runtime, "FILES", `"files":[{"name":"m-1.jar","url":"https://x.example/m-1.jar"}]`, 1)}, want: "is not a file of g:m:1 in a repository"},
		"available nowhere":               {files: map[string]string{"m-1.pom": pomText(redirect), "m-1.module": strings.Replace(runtime, "FILES", `"available-at":{"group":"g"}`, 1)}, want: "it is available at"},
	} {
		t.Run(name, func(t *testing.T) {
			files := make(map[string]string)
			for p, content := range test.files {
				if rest, absolute := strings.CutPrefix(p, "/"); absolute {
					files[rest] = content
				} else {
					files["g/m/1/"+p] = content
				}
			}
			server := serve(t, files, nil)
			r, kept := resolver(t)
			got, err := r.Resolve(t.Context(), question([]string{"g:m:1"}, server), runtimes.Tool{}, nil, nil)
			if test.want != "" {
				var input *runtimes.InputError
				if want := strings.ReplaceAll(test.want, "URL", server.URL); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				} else if name != "relocated in a circle" && (!errors.As(err, &input) || input.Hint == "" || input.File != "app/gradle.lockfile") {
					t.Errorf("%v names no file and no way out", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(answer(got), test.get) {
				t.Errorf("got %v\nwant %v", answer(got), test.get)
			}
			for requirement, sum := range answer(got) {
				sum, _, _ = strings.Cut(sum, " ")
				if _, ok := kept.files[sum]; !ok && !strings.HasSuffix(requirement, "@pom") && !strings.HasSuffix(requirement, "@module") {
					t.Errorf("%s was not kept", requirement)
				}
			}
		})
	}
}

// TestMovedInTheLock holds that what a module has moved to is the lock's, in
// the lock's version.
func TestMovedInTheLock(t *testing.T) {
	server := serve(t, map[string]string{
		"g/m/1/m-1.pom": pomText("<distributionManagement><relocation><groupId>h</groupId></relocation></distributionManagement>"),
		"h/m/2/m-2.pom": pomText(""), "h/m/2/m-2.jar": "two",
	}, nil)
	r, _ := resolver(t)
	got, err := r.Resolve(t.Context(), question([]string{"g:m:1", "h:m:2"}, server), runtimes.Tool{}, nil, nil)
	if err != nil || answer(got)["h:m:2"] != hexSum("two") || len(got) != 2 {
		t.Errorf("got %v, %v", answer(got), err)
	}
}

func TestClassifier(t *testing.T) {
	server := serve(t, map[string]string{"g/m/1/m-1.pom": packaging("pom"), "g/m/1/m-1-linux-x86_64.jar": "native"}, nil)
	r, _ := resolver(t)
	got, err := r.Resolve(t.Context(), question([]string{"g:m:1:linux-x86_64"}, server), runtimes.Tool{}, nil, nil)
	if err != nil || len(got) != 1 || answer(got)["g:m:1:linux-x86_64"] != hexSum("native") {
		t.Errorf("got %v, %v", answer(got), err)
	}
	_, err = r.Resolve(t.Context(), question([]string{"g:m:1:linux-arm"}, server), runtimes.Tool{}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "g:m:1 has no file m-1-linux-arm.jar") {
		t.Errorf("got %v", err)
	}
}

// TestRepositories holds that one repository answers for all of a module.
func TestRepositories(t *testing.T) {
	first := serve(t, map[string]string{"g/a/1/a-1.pom": pomText(""), "g/a/1/a-1.jar": "first"}, nil)
	second := serve(t, map[string]string{
		"g/a/1/a-1.pom": pomText(""), "g/a/1/a-1.jar": "second",
		"g/b/1/b-1.pom": pomText(""), "g/b/1/b-1.jar": "b",
	}, nil)
	r, _ := resolver(t)
	got, err := r.Resolve(t.Context(), question([]string{"g:a:1", "g:b:1"}, first, second), runtimes.Tool{}, nil, nil)
	if err != nil || answer(got)["g:a:1"] != hexSum("first") || answer(got)["g:b:1"] != hexSum("b") {
		t.Errorf("got %v, %v", answer(got), err)
	}
	for _, p := range second.paths() {
		if strings.HasPrefix(p, "g/a/") {
			t.Errorf("the second repository was asked for %s", p)
		}
	}
}

// TestRefused holds that a private repository's refusal names the module.
func TestRefused(t *testing.T) {
	open := serve(t, map[string]string{"g/a/1/a-1.pom": pomText(""), "g/a/1/a-1.jar": "a"}, nil)
	private := serve(t, nil, map[string]int{"com/acme/p/1/p-1.pom": 401})
	r, _ := resolver(t)
	_, err := r.Resolve(t.Context(), question([]string{"com.acme:p:1", "g:a:1", "g:z:9"}, open, private), runtimes.Tool{}, nil, nil)
	var login *runtimes.LoginError
	if !errors.As(err, &login) || !strings.Contains(err.Error(), "com.acme:p:1: ") || !strings.Contains(err.Error(), "p-1.pom") {
		t.Errorf("got %v", err)
	}
	// All that is wrong is told at once.
	if err == nil || !strings.Contains(err.Error(), "g:z:9 is in none of the repositories: "+open.URL+", "+private.URL) {
		t.Errorf("got %v", err)
	}
}

// TestChecksums holds files and metadata against what the project verifies
// them by.
func TestChecksums(t *testing.T) {
	jar, wrong := direct.Sums{SHA256: hexSum("jar"), SHA512: sumsOf([]byte("jar")).SHA512}, sumsOf([]byte("wrong"))
	pom := sumsOf([]byte(pomText("")))
	for name, test := range map[string]struct {
		constraints []string
		want        string // of the error
	}{
		"none":            {},
		"sha256":          {constraints: []string{"g:m:1/m-1.jar sha256:" + jar.SHA256}},
		"sha512":          {constraints: []string{"g:m:1/m-1.jar sha512:" + jar.SHA512}},
		"one of two":      {constraints: []string{"g:m:1/m-1.jar sha256:" + wrong.SHA256, "g:m:1/m-1.jar sha256:" + jar.SHA256}},
		"of another file": {constraints: []string{"g:m:2/m-1.jar sha256:" + wrong.SHA256, "g:m:1/m-1-x.jar sha256:" + wrong.SHA256}},
		"the POM's":       {constraints: []string{"g:m:1/m-1.pom sha256:" + pom.SHA256}},
		"wrong sha256":    {constraints: []string{"g:m:1/m-1.jar sha256:" + wrong.SHA256}, want: "m-1.jar does not match its locked SHA-256 " + wrong.SHA256 + ": got " + jar.SHA256 + " (from app/gradle.lockfile)"},
		"wrong sha512":    {constraints: []string{"g:m:1/m-1.jar sha512:" + wrong.SHA512}, want: "got sha512:" + jar.SHA512},
		"two kinds":       {constraints: []string{"g:m:1/m-1.jar sha256:" + jar.SHA256, "g:m:1/m-1.jar sha512:" + wrong.SHA512}, want: "m-1.jar does not match"},
		"wrong POM":       {constraints: []string{"g:m:1/m-1.pom sha256:" + wrong.SHA256}, want: "m-1.pom does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, map[string]string{"g/m/1/m-1.pom": pomText(""), "g/m/1/m-1.jar": "jar"}, nil)
			r, _ := resolver(t)
			q := question([]string{"g:m:1"}, server)
			q.Constraints = test.constraints
			got, err := r.Resolve(t.Context(), q, runtimes.Tool{}, nil, nil)
			var digest *runtimes.DigestError
			switch {
			case test.want == "" && (err != nil || answer(got)["g:m:1"] != jar.SHA256):
				t.Errorf("got %v, %v", answer(got), err)
			case test.want != "" && (!errors.As(err, &digest) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	t.Run("of the metadata", func(t *testing.T) {
		metadata := `{"formatVersion":"1.0","variants":[{"name":"run","attributes":{},"files":[{"name":"m-1.jar","url":"m-1.jar","sha256":"` + wrong.SHA256 + `"}]}]}`
		server := serve(t, map[string]string{"g/m/1/m-1.pom": pomText(redirect), "g/m/1/m-1.module": metadata, "g/m/1/m-1.jar": "jar"}, nil)
		r, _ := resolver(t)
		got, err := r.Resolve(t.Context(), question([]string{"g:m:1"}, server), runtimes.Tool{}, nil, nil)
		if err != nil || answer(got)["g:m:1"] != jar.SHA256 { // as the real jackson-datatype-jsr310:2.18.4 has it
			t.Errorf("got %v, %v", answer(got), err)
		}
	})
}

// TestEarlier holds that a hash that is locked stays, and that nothing is
// fetched for it; and that an upgrade asks again.
func TestEarlier(t *testing.T) {
	server := serve(t, map[string]string{"g/m/1/m-1.pom": pomText(""), "g/m/1/m-1.jar": "jar"}, nil)
	earlier := []runtimes.Pinned{{Requirement: "g:m:1", SHA256: []string{hexSum("as it was")}}}
	q := question([]string{"g:m:1"}, server)
	r, _ := resolver(t)
	got, err := r.Resolve(t.Context(), q, runtimes.Tool{}, earlier, nil)
	if err != nil || answer(got)["g:m:1"] != hexSum("as it was") {
		t.Errorf("got %v, %v", answer(got), err)
	}
	if paths := server.paths(); len(paths) != 1 || paths[0] != "g/m/1/m-1.pom" {
		t.Errorf("asked for %v", paths)
	}
	for _, upgrade := range [][]string{{"*"}, {"g:m"}} {
		got, err = r.Resolve(t.Context(), q, runtimes.Tool{}, earlier, upgrade)
		if err != nil || answer(got)["g:m:1"] != hexSum("jar") {
			t.Errorf("upgrade %v: got %v, %v", upgrade, answer(got), err)
		}
	}
	// What the project verifies by goes before what is locked.
	q.Constraints = []string{"g:m:1/m-1.jar sha256:" + hexSum("jar")}
	got, err = r.Resolve(t.Context(), q, runtimes.Tool{}, earlier, nil)
	if err != nil || answer(got)["g:m:1"] != hexSum("jar") {
		t.Errorf("verified: got %v, %v", answer(got), err)
	}
}

// TestOldestPlace holds that what goes in runs at every place.
func TestOldestPlace(t *testing.T) {
	run := func(java string) string {
		return v("run" + java + " usage=java-runtime category=library java=" + java)
	}
	server := serve(t, map[string]string{
		"g/m/1/m-1.pom": pomText(redirect), "g/m/1/m-1.module": `{"formatVersion":"1.1","variants":[` + run("8") + "," + run("11") + "," + run("17") + `]}`,
		"g/m/1/run8.jar": "8", "g/m/1/run11.jar": "11", "g/m/1/run17.jar": "17",
	}, nil)
	r, _ := resolver(t)
	q := question([]string{"g:m:1"}, server)
	for places, want := range map[string]string{"17": "17", "21 11 17": "11", "8 25": "8"} {
		q.Places = nil
		for java := range strings.FieldsSeq(places) {
			q.Places = append(q.Places, runtimes.Place{Runtime: runtimes.Info{Name: "java" + java, Version: java}})
		}
		got, err := r.Resolve(t.Context(), q, runtimes.Tool{}, nil, nil)
		if err != nil || len(got) != 1 || got[0].SHA256[0] != hexSum(want) {
			t.Errorf("Java %s: got %v, %v", places, answer(got), err)
		}
	}
}

func TestDefectsOfAQuestion(t *testing.T) {
	r, _ := resolver(t)
	for _, q := range []runtimes.Question{
		{Ecosystem: "pypi"},
		{Ecosystem: "maven", Requirements: []string{"a:b"}},
		{Ecosystem: "maven", Constraints: []string{"x"}},
	} {
		if got, err := r.Resolve(t.Context(), q, runtimes.Tool{}, nil, nil); err == nil {
			t.Errorf("%+v gives %v", q, got)
		}
	}
	server := serve(t, map[string]string{"g/m/1/m-1.pom": strings.Repeat(" ", maxDocument+1)}, nil)
	if _, err := r.Resolve(t.Context(), question([]string{"g:m:1"}, server), runtimes.Tool{}, nil, nil); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a POM without bound: %v", err)
	}
}
