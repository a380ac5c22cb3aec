//go:build e2e

package java

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestSlimAndJava holds that the real java reads what slimJars writes.
func TestSlimAndJava(t *testing.T) {
	java, err := exec.LookPath("java")
	if err != nil {
		t.Fatal(err)
	}
	tree := jarTree(t, map[string]entries{"a.jar": {{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n"}, {"win/a.dll", "MZ"}, {"hello.txt", "hello"}}})
	if _, err := slimJars(jarRecipe("21", runtimes.X86_64, true), tree); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	data, err := tree["java/lib/a.jar"].ReadAll(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	source := `public class T { public static void main(String[] a) throws Exception {
	  System.out.print(new String(T.class.getResourceAsStream("/hello.txt").readAllBytes()));
	  System.out.print(T.class.getResource("/win/a.dll") == null); } }`
	for name, data := range map[string][]byte{"a.jar": data, "T.java": []byte(source)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(java, "-cp", filepath.Join(dir, "a.jar"), filepath.Join(dir, "T.java")).CombinedOutput()
	if err != nil || string(out) != "hellotrue" {
		t.Errorf("java says %s, %v", out, err)
	}
}
