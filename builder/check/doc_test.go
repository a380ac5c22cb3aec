package check_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestDoc: doc/checks.md lists the rules as they are.
func TestDoc(t *testing.T) {
	const file = "../../doc/checks.md"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(data), "## The checks\n")
	if !ok {
		t.Fatalf("%s has no section for the checks", file)
	}
	var b strings.Builder
	b.WriteString(head + "## The checks\n")
	for _, r := range check.Rules() {
		fmt.Fprintf(&b, "\n### %s\n\nAn %s. Finds %s.\n%s\n\nWhat to do: %s.\n", r.ID, r.Severity, r.Finds, r.Explain, r.Hint)
	}
	want := strings.ReplaceAll(b.String(), "\nAn warning.", "\nA warning.")
	if want == string(data) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the rules say: run make update", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o666); err != nil {
		t.Fatal(err)
	}
}
