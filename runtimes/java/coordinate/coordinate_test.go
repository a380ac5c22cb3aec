package coordinate

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Coordinate{
		"com.example:app:1.0":                {Group: "com.example", Artifact: "app", Version: "1.0"},
		"a:b_2.13:1.0+x~y":                   {Group: "a", Artifact: "b_2.13", Version: "1.0+x~y"},
		"io.netty:epoll:4.1:linux-x86_64":    {Group: "io.netty", Artifact: "epoll", Version: "4.1", Classifier: "linux-x86_64"},
		"com.example:app:1.0@pom":            {Group: "com.example", Artifact: "app", Version: "1.0", Extension: "pom"},
		"com.example:app:1.0:natives@aar":    {Group: "com.example", Artifact: "app", Version: "1.0", Classifier: "natives", Extension: "aar"},
		"com.example:app:1.0:natives@tar.gz": {Group: "com.example", Artifact: "app", Version: "1.0", Classifier: "natives", Extension: "tar.gz"},
	} {
		got, err := Parse(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("Parse(%q) = %+v (%s), %v", text, got, got, err)
		}
	}
	if c, err := Parse("a:b:1@jar"); err != nil || c.String() != "a:b:1" {
		t.Errorf("a jar by name: %v, %v", c, err)
	}
	for _, text := range []string{
		"", "a", "a:b", "a:b:", ":b:1", "a::1", "a:b:1:", "a:b:1:c:d", "a:b:1@", "a..b:c:1", ".a:b:1", "a:..:1", "a:b:..",
		"a:b/c:1", "a/b:c:1", "a:b:1 2", "a:b:1\n", "a:b:1?x", "a:b:1#x", "a:b:1%2e", `a:b\c:1`, "a:b:${v}", "a:ä:1", "a:b:" + strings.Repeat("1", 201),
	} {
		if c, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", text, c)
		}
	}
}

func TestPath(t *testing.T) {
	c, err := Parse("com.google.guava:guava:33.0.0-jre")
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"guava-33.0.0-jre.jar":        "com/google/guava/guava/33.0.0-jre/guava-33.0.0-jre.jar",
		"../33.0.0-android/guava.jar": "com/google/guava/guava/33.0.0-android/guava.jar",
		"x/y.jar":                     "com/google/guava/guava/33.0.0-jre/x/y.jar",
		"../../../../../x.jar":        "x.jar",
	} {
		if got, err := c.Path(file); err != nil || got != want {
			t.Errorf("Path(%q) = %q, %v", file, got, err)
		}
	}
	snapshot := Coordinate{Group: "x", Artifact: "lib", Version: "1.0-20240101.120000-3"}
	if got, err := snapshot.Path(snapshot.FileName()); err != nil || got != "x/lib/1.0-SNAPSHOT/lib-1.0-20240101.120000-3.jar" {
		t.Errorf("a snapshot lies at %q, %v", got, err)
	}
	for _, file := range []string{"", "/x.jar", "../../../../../../x.jar", "x/", "https://x.example/y.jar", "x.jar?a", `a\b.jar`, "a b.jar"} {
		if got, err := c.Path(file); err == nil {
			t.Errorf("Path(%q) = %q, want an error", file, got)
		}
	}
	for c, want := range map[Coordinate]string{
		{Artifact: "a", Version: "1"}:                                      "a-1.jar",
		{Artifact: "a", Version: "1", Classifier: "c"}:                     "a-1-c.jar",
		{Artifact: "a", Version: "1", Classifier: "c", Extension: "so.gz"}: "a-1-c.so.gz",
	} {
		if got := c.FileName(); got != want {
			t.Errorf("FileName of %+v = %q", c, got)
		}
	}
}

func TestChecksum(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	good := "a.b:c:1/c-1.jar sha256:" + sum
	c, err := ParseChecksum(good)
	if err != nil || c.String() != good || c.File != "c-1.jar" || c.Release.Artifact != "c" {
		t.Errorf("ParseChecksum(%q) = %+v, %v", good, c, err)
	}
	if _, err := ParseChecksum("a.b:c:1/c-1.jar sha512:" + sum + sum); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		"", "a.b:c:1/c-1.jar", "a.b:c:1 sha256:" + sum, "a.b:c:1/c-1.jar sha256", "a.b:c:1/c-1.jar md5:" + sum,
		"a.b:c:1/c-1.jar sha512:" + sum, "a.b:c:1/c-1.jar sha256:" + strings.ToUpper(sum), "a.b:c/c-1.jar sha256:" + sum,
		"a.b:c:1/../../../../../x sha256:" + sum,
	} {
		if c, err := ParseChecksum(bad); err == nil {
			t.Errorf("ParseChecksum(%q) = %+v, want an error", bad, c)
		}
	}
}
