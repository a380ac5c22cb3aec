package java

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// projectOf makes a project of texts, by file.
func projectOf(files map[string]string) fs.FS {
	project := fstest.MapFS{}
	for name, text := range files {
		project[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return project
}

// pomText is a pom with a parent's and its own name, and what else it has.
func pomText(parent, name, more string) string {
	if parent != "" {
		parent = "<parent><groupId>com.acme</groupId><artifactId>" + parent + "</artifactId><version>1</version></parent>"
	}
	return "<project>" + parent + "<groupId>com.acme</groupId><artifactId>" + name + "</artifactId><version>1</version>" + more + "</project>"
}

func dependencyOn(group, name, version, more string) string {
	return "<dependency><groupId>" + group + "</groupId><artifactId>" + name + "</artifactId><version>" + version + "</version>" + more + "</dependency>"
}

func dependencies(all ...string) string {
	return "<dependencies>" + strings.Join(all, "") + "</dependencies>"
}

func java21() runtimes.Target {
	info, _ := runtimes.Lookup("java21")
	place := runtimes.Place{Runtime: info, Arch: runtimes.X86_64}
	return runtimes.Target{Runtime: info, Arch: runtimes.X86_64, Path: ".", Places: []runtimes.Place{place}}
}

func inputPaths(t *testing.T, p *poms, exclude ...string) []string {
	t.Helper()
	var paths []string
	for _, in := range p.inputs(exclude) {
		paths = append(paths, in.Path)
	}
	return paths
}

func TestPomsNeeded(t *testing.T) {
	sibling := dependencies(dependencyOn("com.acme", "common", "${project.version}", ""))
	for name, test := range map[string]struct {
		files map[string]string
		file  string
		want  string
	}{
		"alone": {map[string]string{"pom.xml": pomText("", "app", "")}, "pom.xml", "pom.xml"},
		"parent by custom": {map[string]string{
			"pom.xml": pomText("", "root", ""), "app/pom.xml": pomText("root", "app", ""),
		}, "app/pom.xml", "app/pom.xml pom.xml"},
		"parent by path": {map[string]string{
			"parents/base.xml": pomText("", "base", ""),
			"app/pom.xml": "<project><parent><groupId>com.acme</groupId><artifactId>base</artifactId><version>1</version>" +
				"<relativePath>../parents/base.xml</relativePath></parent><artifactId>app</artifactId></project>",
		}, "app/pom.xml", "app/pom.xml parents/base.xml"},
		"parent by folder": {map[string]string{
			"parents/pom.xml": pomText("", "base", ""),
			"app/pom.xml": "<project><parent><groupId>com.acme</groupId><artifactId>base</artifactId><version>1</version>" +
				`<relativePath>..\parents</relativePath></parent><artifactId>app</artifactId></project>`,
		}, "app/pom.xml", "app/pom.xml parents/pom.xml"},
		"parent in repositories only": {map[string]string{
			"pom.xml": pomText("", "root", ""),
			"app/pom.xml": "<project><parent><groupId>com.acme</groupId><artifactId>root</artifactId><version>1</version>" +
				"<relativePath/></parent><artifactId>app</artifactId></project>",
		}, "app/pom.xml", "app/pom.xml"},
		"another project's pom above": {map[string]string{
			"pom.xml": pomText("", "other", ""), "app/pom.xml": pomText("root", "app", ""),
		}, "app/pom.xml", "app/pom.xml"},
		"parent out of the project": {map[string]string{"pom.xml": pomText("root", "app", "")}, "pom.xml", "pom.xml"},
		"sibling, and what it needs": {map[string]string{
			"pom.xml":        pomText("", "root", "<modules><module>app</module><module>common</module><module>base</module><module>unused</module></modules>"),
			"app/pom.xml":    pomText("root", "app", sibling),
			"common/pom.xml": pomText("root", "common", dependencies(dependencyOn("com.acme", "base", "1", ""))),
			"base/pom.xml":   pomText("root", "base", ""),
			"unused/pom.xml": pomText("root", "unused", ""),
		}, "app/pom.xml", "app/pom.xml base/pom.xml common/pom.xml pom.xml layerbuild-modules.xml"},
		"versions imported from a module of a profile": {map[string]string{
			"pom.xml": pomText("", "root", "<profiles><profile><id>x</id><modules><module>bom</module></modules></profile></profiles>"),
			"app/pom.xml": pomText("root", "app", "<dependencyManagement>"+
				dependencies(dependencyOn("${project.groupId}", "bom", "1", "<type>pom</type><scope>import</scope>"))+"</dependencyManagement>"),
			"bom/pom.xml": pomText("", "bom", ""),
		}, "app/pom.xml", "app/pom.xml bom/pom.xml pom.xml layerbuild-modules.xml"},
		"a managed version alone needs no module": {map[string]string{
			"pom.xml":        pomText("", "root", "<modules><module>app</module><module>common</module></modules><dependencyManagement>"+sibling+"</dependencyManagement>"),
			"app/pom.xml":    pomText("root", "app", ""),
			"common/pom.xml": pomText("root", "common", ""),
		}, "app/pom.xml", "app/pom.xml pom.xml"},
	} {
		p, err := readPoms(projectOf(test.files), test.file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(inputPaths(t, p), " "); got != test.want {
			t.Errorf("%s: needs %s, want %s", name, got, test.want)
		}
	}
}

func TestPomErrors(t *testing.T) {
	for text, want := range map[string]string{
		"<project>\n<dependencies>\n</project>":                                             "pom.xml:3: is not XML that can be read: element <dependencies> closed by </project>",
		"<project>\n<<<<<<< HEAD\n<version>1</version>\n=======\n>>>>>>> other\n</project>": "pom.xml:2: holds a merge conflict",
		"":                     "pom.xml:1: is not XML that can be read: it is empty",
		"<html>\n</html>":      "pom.xml:1: is no pom: it is a <html>, not a <project>",
		"<project/><project/>": "pom.xml:1: is not XML that can be read: it has two root elements",
		"<?xml version=\"1.0\" encoding=\"EBCDIC\"?><project/>":                                                                    "pom.xml:1: is not XML that can be read: xml: opening charset \"EBCDIC\": the encoding EBCDIC is not known: save it as UTF-8",
		strings.Repeat("<project>", maxDepth+1):                                                                                    "pom.xml:1: is not XML that can be read: its elements are nested more than 60 deep",
		"<project>" + strings.Repeat("<a/>", maxElements) + "</project>":                                                           "pom.xml:1: is not XML that can be read: it has more than 200000 elements",
		strings.Repeat(" ", maxPomSize) + "<project/>":                                                                             "pom.xml: has more than 4194304 bytes",
		pomText("", "app", "<repositories>\n<repository><url>https://me:secret@repo.example/m2</url></repository></repositories>"): "pom.xml:2: the address of a repository holds a user or password",
	} {
		_, err := Runtime{}.Recipe(projectOf(map[string]string{"pom.xml": text}), java21())
		var input *runtimes.InputError
		if !errors.As(err, &input) || err.Error() != want {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
	loop := map[string]string{
		"a/pom.xml": "<project><parent><groupId>g</groupId><artifactId>b</artifactId><relativePath>../b</relativePath></parent><groupId>g</groupId><artifactId>a</artifactId></project>",
		"b/pom.xml": "<project><parent><groupId>g</groupId><artifactId>a</artifactId><relativePath>../a</relativePath></parent><groupId>g</groupId><artifactId>b</artifactId></project>",
	}
	if _, err := readPoms(projectOf(loop), "a/pom.xml"); err == nil || !strings.Contains(err.Error(), "b/pom.xml:1: is its own parent") {
		t.Errorf("poms that are each other's parent: %v", err)
	}
}

// What decides no dependency makes no answer stale, and what does, does.
func TestQuestionDigest(t *testing.T) {
	ask := func(text string, change func(*runtimes.Target)) string {
		target := java21()
		if change != nil {
			change(&target)
		}
		p, err := readPoms(projectOf(map[string]string{"pom.xml": text}), "pom.xml")
		if err != nil {
			t.Fatal(err)
		}
		q, err := p.question(target)
		if err != nil {
			t.Fatal(err)
		}
		return q.Name + " " + q.Digest()
	}
	profile := "<profiles><profile><id>prod</id></profile></profiles>"
	base := pomText("", "app", dependencies(dependencyOn("org.x", "a", "1", ""))+profile)
	want := ask(base, nil)
	for _, same := range []string{
		strings.ReplaceAll(base, "><", ">\n\t<"),
		strings.Replace(base, "<dependencies>", "<!-- all of them -->\n<dependencies><!-- really -->", 1),
		strings.Replace(base, "<dependencies>", "<name>App</name><url>https://acme.example</url><developers><developer><id>me</id></developer></developers><dependencies>", 1),
		strings.Replace(base, "<dependencies>", "<build><finalName>x</finalName><plugins><plugin><artifactId>maven-shade-plugin</artifactId></plugin></plugins></build><dependencies>", 1),
		"\ufeff" + base,
		"<?xml version='1.0' encoding='ISO-8859-1'?><!DOCTYPE project>" + strings.Replace(base, "<dependencies>", "<description>caf\xe9</description><dependencies>", 1),
	} {
		if got := ask(same, nil); got != want {
			t.Errorf("%s\nasks %s, want %s", same, got, want)
		}
	}
	seen := []string{want}
	for _, other := range []string{
		ask(strings.Replace(base, "<version>1</version></dependency>", "<version>2</version></dependency>", 1), nil),
		ask(strings.Replace(base, "<dependencies>", "<properties><p>1</p></properties><dependencies>", 1), nil),
		ask(strings.Replace(base, "<dependencies>", "<build><extensions><extension><artifactId>os-maven-plugin</artifactId></extension></extensions></build><dependencies>", 1), nil),
		ask(strings.Replace(base, "<dependencies>", "<build><plugins><plugin><artifactId>x</artifactId><extensions>true</extensions></plugin></plugins></build><dependencies>", 1), nil),
		ask(base, func(t *runtimes.Target) { t.Profiles = []string{"prod"} }),
		ask(base, func(t *runtimes.Target) { t.Exclude = []string{"org.x:b"} }),
	} {
		if slices.Contains(seen, other) {
			t.Errorf("asked twice: %s", other)
		}
		seen = append(seen, other)
	}
	if !strings.HasPrefix(seen[5], "pom.xml -P prod ") || !strings.HasPrefix(seen[6], "pom.xml without org.x:b ") {
		t.Errorf("the names are %q", seen)
	}
}

func TestExclude(t *testing.T) {
	text := pomText("", "app", "<properties><g>org.x</g></properties>"+dependencies(
		dependencyOn("${g}", "gone", "1", ""),
		dependencyOn("org.y", "a", "1", ""),
		dependencyOn("org.y", "b", "1", "<exclusions><exclusion><groupId>z</groupId><artifactId>z</artifactId></exclusion></exclusions>")))
	p, err := readPoms(projectOf(map[string]string{"pom.xml": text}), "pom.xml")
	if err != nil {
		t.Fatal(err)
	}
	got := string(p.inputs([]string{"com.sun:*", "org.x:gone"})[0].Data)
	if strings.Contains(got, "<groupId>${g}</groupId>") {
		t.Errorf("what is excluded stays a dependency:\n%s", got)
	}
	if n := strings.Count(got, "<artifactId>gone</artifactId>"); n != 2 {
		t.Errorf("%d exclusions, want one in each of the 2 others:\n%s", n, got)
	}
	if !strings.Contains(got, "<artifactId>z</artifactId>") || strings.Count(got, "<exclusions>") != 2 {
		t.Errorf("the project's own exclusion is lost:\n%s", got)
	}
	for _, bad := range []string{"name", "g:", ":a", "g:a*", "*:*", "g:a:1"} {
		if err := checkExclude([]string{bad}); err == nil {
			t.Errorf("exclude %q is taken", bad)
		}
	}
}

func TestHold(t *testing.T) {
	text := pomText("", "app", "<properties><r>[1,2)</r></properties>"+dependencies(
		dependencyOn("org.x", "range", "${r}", ""),
		dependencyOn("org.x", "moved", "[2,3)", ""),
		dependencyOn("org.x", "snapshot", "1.0-SNAPSHOT", ""),
		dependencyOn("org.x", "exact", "1.5", ""),
		dependencyOn("org.x", "latest", "LATEST", "")))
	earlier := []runtimes.Pinned{
		{Requirement: "org.x:range:1.5"}, {Requirement: "org.x:moved:1.9"}, {Requirement: "org.x:exact:1.4"},
		{Requirement: "org.x:snapshot:1.0-20240101.120000-3"}, {Requirement: "org.x:latest:7:natives ; java21 arm64"},
	}
	versions := func(upgrade ...string) string {
		inputs := []runtimes.InlineFile{{Path: ".mvn/maven.config", Data: []byte("-X")}, {Path: "pom.xml", Data: []byte(text)}}
		held, err := Hold(inputs, earlier, upgrade)
		if err != nil {
			t.Fatal(err)
		}
		p, err := parsePom("pom.xml", held[1].Data)
		if err != nil || string(inputs[1].Data) != text {
			t.Fatalf("%v, or the inputs were changed", err)
		}
		var all []string
		for _, d := range p.dependencies() {
			all = append(all, d.version)
		}
		return strings.Join(all, " ")
	}
	if got, want := versions(), "1.5 [2,3) 1.0-20240101.120000-3 1.5 7"; got != want {
		t.Errorf("held: %s, want %s", got, want)
	}
	if got, want := versions("*"), "[1,2) [2,3) 1.0-SNAPSHOT 1.5 LATEST"; got != want {
		t.Errorf("all upgraded: %s, want %s", got, want)
	}
	if got, want := versions("org.x:snapshot"), "1.5 [2,3) 1.0-SNAPSHOT 1.5 7"; got != want {
		t.Errorf("one upgraded: %s, want %s", got, want)
	}
}

func FuzzPom(f *testing.F) {
	f.Add([]byte(pomText("root", "app", dependencies(dependencyOn("${project.groupId}", "${a}", "[1,2)", ""))+"<properties><a>${b}</a><b>${a}${a}</b></properties>")))
	f.Add([]byte(pomText("app", "app", "<modules><module>.</module><module>../../x</module></modules><repositories><repository><url>http://a</url></repository></repositories>")))
	f.Add([]byte("<?xml version='1.0' encoding='latin1'?><project><a>&eacute;<![CDATA[<]]>&#10;</a></project>"))
	f.Add([]byte("<project><build><plugins><plugin><artifactId>x</artifactId><extensions>true</extensions></plugin></plugins></build></project>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		root := pomText("", "root", "<modules><module>app</module></modules>")
		p, err := readPoms(projectOf(map[string]string{"pom.xml": root, "app/pom.xml": string(data)}), "app/pom.xml")
		if err != nil {
			var input *runtimes.InputError
			if !errors.As(err, &input) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		_, _ = p.repositories()
		p.open()
		q, err := p.question(java21())
		if err != nil {
			return
		}
		// What is written is read back as the same.
		for _, in := range q.Inputs {
			again, err := parsePom(in.Path, in.Data)
			if err != nil {
				t.Fatalf("%v:\n%s", err, in.Data)
			}
			if got := again.root.format(); !bytes.Equal(got, in.Data) {
				t.Fatalf("%s is written as\n%s", in.Data, got)
			}
		}
		if _, err := Hold(q.Inputs, []runtimes.Pinned{{Requirement: "org.x:a:1"}}, nil); err != nil {
			t.Fatal(err)
		}
	})
}
