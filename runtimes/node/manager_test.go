package node

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestManager(t *testing.T) {
	for _, test := range []struct {
		packageManager, tool, version string
	}{
		{"pnpm@9.15.9", "pnpm@9.15.9", "9.15.9"},
		{"pnpm@9.15.9+sha512.abcd", "pnpm@9.15.9", "9.15.9"},
		{"yarn@4.1.0", "pnpm@10", "10.1.2"},
		{"", "pnpm@10", "10.1.2"},
		{"pnpm", "pnpm@10", "10.1.2"},
		{"pnpm@../../x", "pnpm@10", "10.1.2"},
	} {
		named, ok := namedManager(test.packageManager, "pnpm")
		if !ok {
			named = ""
		}
		m := chooseManager("pnpm", named, "10.1.2")
		need := m.need()
		if need.Tool != test.tool || need.Version != test.version || need.Ecosystem != "npm" || need.Package != "pnpm" {
			t.Errorf("%q: need is %+v", test.packageManager, need)
		}
	}
}

// TestManagerCheck holds that corepack's hash and the pin must agree.
func TestManagerCheck(t *testing.T) {
	sum := sha512.Sum512([]byte("pnpm"))
	m := chooseManager("pnpm", "9.15.9", "10.1.2")
	pins := runtimes.Pins{Tools: map[string]runtimes.Tool{"pnpm@9.15.9": {
		Version: "9.15.9",
		Files:   []runtimes.File{{Name: "pnpm-9.15.9.tgz", Integrity: "sha512-" + base64.StdEncoding.EncodeToString(sum[:])}},
	}}}
	if err := m.check("package.json", "pnpm@9.15.9+sha512."+hex.EncodeToString(sum[:]), pins); err != nil {
		t.Error(err)
	}
	if err := m.check("package.json", "pnpm@9.15.9", pins); err != nil {
		t.Error(err)
	}
	sum[0]++
	var digest *runtimes.DigestError
	if err := m.check("package.json", "pnpm@9.15.9+sha512."+hex.EncodeToString(sum[:]), pins); !errors.As(err, &digest) {
		t.Errorf("another hash: %v", err)
	}
	var input *runtimes.InputError
	if err := m.check("package.json", "pnpm@9.15.9+sha512.xyz", pins); !errors.As(err, &input) {
		t.Errorf("no hash: %v", err)
	}
	step := m.bring(runtimes.Target{Pins: pins})
	if lock := string(step.Inputs[1].Data); !strings.Contains(lock, pins.Tools["pnpm@9.15.9"].Files[0].Integrity) || !strings.Contains(lock, `"node_modules/pnpm"`) {
		t.Errorf("the step's lock is %s", lock)
	}
}
