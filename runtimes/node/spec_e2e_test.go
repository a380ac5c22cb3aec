//go:build e2e

package node

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes/node/ranges"
)

// TestSatisfiesEqualsNPM holds our reading of ranges against npm's own library
// of versions, which lies in npm itself.
func TestSatisfiesEqualsNPM(t *testing.T) {
	versions := []string{
		"0.0.1", "0.0.3", "0.1.0", "0.1.5", "0.2.3", "1.0.0", "1.0.1", "1.2.0", "1.2.3", "1.2.3-beta.2", "1.2.3-beta.4", "1.2.4-alpha", "1.9.9", "2.0.0",
		"2.0.0-rc.1", "2.1.0", "3.0.0", "10.4.3", "22.999.999", "1.2.3+build.5", "0.0.0-20240101", "18.17.0", "20.3.0", "22.0.0",
	}
	wanted := []string{
		"", "*", "x", "X", "1", "1.x", "1.X.x", "1.2", "1.2.x", "1.2.*", "1.2.3", "=1.2.3", "v1.2.3", "= 1.2.3", "^1.2.3", "^1.2", "^1", "^0.2.3", "^0.0.3", "^0.0", "^0.1", "^0",
		"^1.x", "^0.x", "~1.2.3", "~1.2", "~1", "~0.2.3", "~0", "~> 1.2", "~>1.2.3", "> 1.2.3", ">1.2", ">=1.2", "<2", "<=2", "<=1.2", "<1.2.3", "<2.0.0", ">1", ">=1.2.3 <2.0.0",
		">=1.2.3 <1.9.0 || >=2.0.0", "1.2.3 - 2.0.0", "1.2 - 2", "1 - 2", "1.2.3 - 2.1", "^1.2.3-beta.2", "~1.2.3-beta.2", ">=1.2.3-beta.3", ">1.2.3-alpha <1.2.3", "1.2.3-beta.2",
		">=0.0.0-0", "^2.0.0-0", "^1 || ^2", "^1||^2", "1||2||3", "  ^1.2.3  ", "^18.17.0 || ^20.3.0 || >=21.0.0", ">= 0.8.x", ">=6 <7 || >=8", "0.0.0-20240101", "=2.x",
		"<0.0.0-0", "2.0.0-rc.1 || 1.x", ">=2.0.0-rc.1", "~1.2.3 || >=10", "1.2.3+other", "^1.2.3+build",
	}
	type question struct{ Version, Range string }
	var asked []question
	for _, version := range versions {
		for _, r := range wanted {
			asked = append(asked, question{version, r})
		}
	}
	in, _ := json.Marshal(asked)
	node, err := exec.LookPath(filepath.Join(filepath.Dir(npmPath(t)), "node"))
	if err != nil {
		t.Fatal(err)
	}
	root := runNPM(t, t.TempDir(), "root", "--global")
	cmd := exec.Command(node, "-e", `
const path = require("node:path"), fs = require("node:fs");
const found = process.argv.slice(1).flatMap((p) => [path.join(p.trim(), "npm/node_modules/semver")]).find((p) => fs.existsSync(p));
const semver = require(found);
const asked = JSON.parse(fs.readFileSync(0));
// npm itself takes everything for "*", whatever its library says.
const all = (q) => ["", "*"].includes(q.Range.trim());
console.log(JSON.stringify(asked.map((q) => all(q) ? true : semver.validRange(q.Range, true) === null ? null : semver.satisfies(q.Version, q.Range, true))));
`, root)
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, &stderr)
	}
	var answers []*bool
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	different := 0
	for i, q := range asked {
		ok, known := ranges.Match(q.Version, q.Range)
		got := fmt.Sprint(ok)
		if !known {
			got = "no range"
		}
		want := "no range"
		if answers[i] != nil {
			want = fmt.Sprint(*answers[i])
		}
		if got != want {
			different++
			t.Errorf("%q in %q: %s, npm says %s", q.Version, q.Range, got, want)
		}
	}
	t.Logf("%d questions, %d answered otherwise", len(asked), different)
}
