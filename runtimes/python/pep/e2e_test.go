//go:build e2e

package pep

import (
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestLive holds the package against the real `packaging` on inputs that no
// golden file has.
func TestLive(t *testing.T) {
	python := testPython(t)
	out, err := exec.Command(python, "-c", "import packaging; print(packaging.__version__)").Output()
	if err != nil || strings.TrimSpace(string(out)) != "25.0" {
		t.Fatalf("%s has packaging %q, want 25.0 (%v)", python, out, err)
	}
	dir, seed := t.TempDir(), strconv.Itoa(rand.IntN(1<<30))
	t.Logf("generate.py --seed %s", seed)
	generate(t, python, "--seed", seed, "--scale", "1.5", dir)
	checkAll(t, dir)
	t.Run("printed", func(t *testing.T) { checkPrinted(t, python, dir) })
}

// checkPrinted lets `packaging` evaluate markers as Marker.String prints them.
func checkPrinted(t *testing.T, python, dir string) {
	_, lines := readEnvironments(t, dir)
	var printed, want []string
	for _, f := range lines {
		if f[1] != "!" {
			m, err := ParseMarker(untab(f[0]))
			if err != nil {
				t.Fatal(err)
			}
			printed, want = append(printed, m.String()), append(want, f[1])
		}
	}
	cmd := exec.Command(python, filepath.Join("testdata", "generate.py"), "--evaluate")
	cmd.Stdin = strings.NewReader(strings.Join(printed, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	if len(got) != len(want) {
		t.Fatalf("%d answers for %d markers", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("packaging finds %s for the printed %s, and %s for what was read", got[i], printed[i], want[i])
		}
	}
}
