package buildkit

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// A step whose Java takes options gets them and the trust store as secrets, so
// that a proxy's password is in no graph; a step that asks anew is never taken
// from what the daemon keeps. Other steps are as they were.
func TestJavaSteps(t *testing.T) {
	c := &runtimes.Container{Image: image, Output: "/layer", Steps: []runtimes.Step{
		{Name: "ask", Args: []string{"mvn"}, JavaOptions: []string{"MAVEN_OPTS"}, Anew: true},
		{Name: "sum", Args: []string{"sum"}},
	}}
	o := options()
	o.trustStore, o.javaOptions = true, true
	g, err := newGraph(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	text := string(readable(t, g.definition))
	for want, n := range map[string]int{trustStorePath: 1, javaOptionsID: 1, `"MAVEN_OPTS"`: 1, `"IgnoreCache": true`: 1} {
		if got := strings.Count(text, want); got != n {
			t.Errorf("%s is there %d times, want %d\n%s", want, got, n, text)
		}
	}
}

func TestAddJava(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://me:hush@proxy.example:3128")
	t.Setenv("HTTP_PROXY", "")
	t.Setenv("http_proxy", "")
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	steps := []runtimes.Step{{Name: "ask", JavaOptions: []string{"MAVEN_OPTS"}}}
	secrets := make(map[string][]byte)
	if err := (&Engine{}).addJava(steps[:0], secrets); err != nil || len(secrets) > 0 {
		t.Errorf("no step takes options: %q, %v", secrets, err)
	}
	if err := (&Engine{}).addJava(steps, secrets); err != nil || secrets[trustStoreID] != nil || !bytes.Contains(secrets[javaOptionsID], []byte("-Dhttps.proxyPassword=hush")) {
		t.Errorf("a proxy alone: %q, %v", secrets, err)
	}
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, []byte("nothing"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{bundle + "x", bundle} {
		err := (&Engine{CABundle: file}).addJava(steps, secrets)
		if file != bundle && err == nil {
			t.Error("a bundle that is not there")
		}
		if err == nil && !strings.Contains(string(secrets[javaOptionsID]), " -Djavax.net.ssl.trustStore="+trustStorePath+" ") {
			t.Errorf("the options are %q", secrets[javaOptionsID])
		}
	}
}
