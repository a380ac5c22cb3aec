//go:build e2e

package maven

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// The tests here run this machine's Maven; that in the image is run by
// cmd/layerbuild's.

// nobody is where no daemon is.
type nobody struct{ *buildkit.Engine }

func (n nobody) Ping(ctx context.Context) (string, error) {
	_, err := n.Engine.Ping(ctx)
	return "", err
}

func newResolver(t *testing.T) *Resolver {
	t.Helper()
	return &Resolver{
		Containers: nobody{&buildkit.Engine{Address: "tcp://127.0.0.1:1"}},
		Folder:     t.TempDir(), CABundle: os.Getenv("SSL_CERT_FILE"),
	}
}

// questionOf is what a project's app/pom.xml leaves open.
func questionOf(t *testing.T, project fs.FS, profiles ...string) runtimes.Question {
	t.Helper()
	info, _ := runtimes.Lookup("java17")
	target := runtimes.Target{
		Runtime: info, Arch: runtimes.X86_64, Path: "app", Profiles: profiles,
		Places: []runtimes.Place{{Runtime: info, Arch: runtimes.X86_64}},
	}
	_, err := java.Runtime{}.Recipe(project, target)
	var open *runtimes.Unresolved
	if !errors.As(err, &open) {
		t.Fatalf("not open: %v", err)
	}
	return open.Questions[0]
}

// libraries are what the generated projects choose from: their coordinates.
var libraries = []string{
	"com.fasterxml.jackson.core:jackson-databind:2.17.2", "com.fasterxml.jackson.core:jackson-core:2.15.4",
	"com.google.guava:guava:33.2.1-jre", "org.slf4j:slf4j-api:2.0.13", "ch.qos.logback:logback-classic:1.5.6",
	"org.apache.commons:commons-text:1.12.0", "commons-io:commons-io:2.16.1", "io.netty:netty-handler:4.1.100.Final",
	"org.apache.httpcomponents:httpclient:4.5.14", "com.squareup.okhttp3:okhttp:4.12.0", "com.zaxxer:HikariCP:5.1.0",
	"org.postgresql:postgresql:42.7.3", "com.amazonaws:aws-lambda-java-events:3.11.6", "org.yaml:snakeyaml:2.2",
}

func dep(g, a, v, more string) string {
	if v != "" {
		v = "<version>" + v + "</version>"
	}
	return "<dependency><groupId>" + g + "</groupId><artifactId>" + a + "</artifactId>" + v + more + "</dependency>"
}

// generate writes a project with one of the things that poms do, among
// dependencies that a seed chooses.
func generate(t *testing.T, dir string, seed int) (profiles []string) {
	r := rand.New(rand.NewPCG(uint64(seed), 5))
	var deps, managed, parent, more, profile, properties string
	for _, i := range r.Perm(len(libraries))[:3+r.IntN(3)] {
		p := strings.Split(libraries[i], ":")
		scope := []string{"", "<scope>runtime</scope>", "<scope>test</scope>", "<scope>provided</scope>", "<optional>true</optional>", ""}[r.IntN(6)]
		deps += dep(p[0], p[1], p[2], scope)
	}
	const lists = "<type>pom</type><scope>import</scope>"
	switch seed {
	case 0:
		managed = dep("software.amazon.awssdk", "bom", "2.25.60", lists)
		deps += dep("software.amazon.awssdk", "sqs", "", "")
	case 1:
		deps += dep("org.apache.httpcomponents.client5", "httpclient5", "5.3.1",
			"<exclusions><exclusion><groupId>org.slf4j</groupId><artifactId>*</artifactId></exclusion></exclusions>")
	case 2:
		deps += dep("io.netty", "netty-transport-native-epoll", "4.1.100.Final", "<classifier>linux-x86_64</classifier>") +
			dep("io.netty", "netty-transport-native-epoll", "4.1.100.Final", "<classifier>linux-aarch_64</classifier><scope>runtime</scope>")
	case 3:
		profiles = []string{"prod"}
		profile = "<profile><id>prod</id><dependencies>" + dep("org.mariadb.jdbc", "mariadb-java-client", "3.4.1", "") + "</dependencies></profile>" +
			"<profile><id>dev</id><dependencies>" + dep("com.h2database", "h2", "2.2.224", "") + "</dependencies></profile>"
	case 4:
		parent = "<parent><groupId>t</groupId><artifactId>root</artifactId><version>1</version></parent>"
		deps += dep("org.apache.kafka", "kafka-clients", "", "")
	case 5:
		properties = "<properties><base>1.1</base><tx.version>${base}7.0</tx.version></properties>"
		deps += dep("org.apache.commons", "commons-csv", "${base}", "") + dep("commons-codec", "commons-codec", "1.${x}", "")
		properties = strings.Replace(properties, "</properties>", "<x>16.1</x></properties>", 1)
	case 6:
		managed = dep("org.slf4j", "slf4j-api", "1.7.36", "") + dep("com.fasterxml.jackson.core", "jackson-annotations", "2.14.0", "")
		deps += dep("com.fasterxml.jackson.core", "jackson-databind", "2.16.0", "")
	case 7:
		deps += dep("org.slf4j", "slf4j-api", "2.0.7", "<type>test-jar</type>") + dep("org.apache.maven", "maven-model", "3.9.6", "<type>pom</type>")
	case 8:
		parent = "<parent><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-parent</artifactId><version>3.2.5</version><relativePath/></parent>"
		deps += dep("org.springframework.boot", "spring-boot-starter-json", "", "")
	case 9:
		deps += dep("com.google.inject", "guice", "5.1.0", "<classifier>classes</classifier>") + dep("org.ow2.asm", "asm", "[9.2,9.5]", "")
		more = "<build><plugins><plugin><artifactId>maven-shade-plugin</artifactId><version>3.6.0</version></plugin></plugins></build><name>N</name>"
	}
	app := "<project><modelVersion>4.0.0</modelVersion>" + parent + "<groupId>t</groupId><artifactId>app</artifactId><version>1</version>" + more + properties +
		"<dependencyManagement><dependencies>" + managed + "</dependencies></dependencyManagement><dependencies>" + deps + "</dependencies><profiles>" + profile + "</profiles></project>"
	root := "<project><modelVersion>4.0.0</modelVersion><groupId>t</groupId><artifactId>root</artifactId><version>1</version><packaging>pom</packaging>" +
		"<modules><module>app</module></modules><properties><kafka>3.7.0</kafka></properties><dependencyManagement><dependencies>" +
		dep("org.apache.kafka", "kafka-clients", "${kafka}", "") + "</dependencies></dependencyManagement></project>"
	for name, text := range map[string]string{"app/pom.xml": app, "pom.xml": root} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return profiles
}

// node is a line of what dependency:tree says.
type node struct {
	GroupID, ArtifactID, Version, Type, Classifier, Scope string
	Children                                              []node
}

func (n node) jars(to []string) []string {
	for _, c := range n.Children {
		if c.Type != "pom" && (c.Scope == "compile" || c.Scope == "runtime") {
			requirement := coordinate.Coordinate{Group: c.GroupID, Artifact: c.ArtifactID, Version: c.Version, Classifier: c.Classifier}
			to = append(to, requirement.String())
		}
		to = c.jars(to)
	}
	return to
}

// treeOf asks Maven for the tree of the poms as they are: all of it, since a jar
// that is needed at run time may hang below one that is not.
func treeOf(t *testing.T, dir, repository string, profiles []string) []string {
	t.Helper()
	file := filepath.Join(dir, "tree.json")
	args := []string{"--batch-mode", "--quiet", "-Dmaven.repo.local=" + repository, "--file", filepath.Join(dir, "app", "pom.xml"),
		java.Plugin + ":tree", "-DoutputType=json", "-DoutputFile=" + file}
	for _, p := range profiles {
		args = append(args, "--activate-profiles", p)
	}
	if out, err := exec.Command("mvn", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var root node
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	jars := root.jars(nil)
	slices.Sort(jars)
	return jars
}

// TestGenerated holds projects against what another goal of Maven's says
// that they come to.
func TestGenerated(t *testing.T) {
	r, repository := newResolver(t), t.TempDir()
	for seed := range projects(t, 3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir := t.TempDir()
			profiles := generate(t, dir, seed)
			packages, err := r.Resolve(t.Context(), questionOf(t, os.DirFS(dir), profiles...), runtimes.Tool{}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range packages {
				got = append(got, p.Requirement)
			}
			want := treeOf(t, dir, repository, profiles)
			if !slices.Equal(got, want) || len(got) == 0 {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
	if left, err := os.ReadDir(r.Folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
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
