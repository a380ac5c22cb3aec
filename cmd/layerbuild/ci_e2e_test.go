//go:build e2e

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCISchemas holds what doc/ has for GitHub and GitLab against their own
// schemas: the action, the template, and the recipes of doc/ci.md.
func TestCISchemas(t *testing.T) {
	files := map[string][]string{ // by schema
		"github-actions": {"../../doc/ci/action.yml"},
		"gitlab-ci":      {"../../doc/ci/gitlab.yml"},
	}
	page, err := os.ReadFile("../../doc/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, m := range fence.FindAllStringSubmatch(string(page), -1) {
		schema := ""
		switch first, _, _ := strings.Cut(m[3], "\n"); {
		case strings.HasPrefix(first, "# .github/workflows/"):
			schema = "github-workflows"
		case first == "# .gitlab-ci.yml":
			schema = "gitlab-ci"
		default:
			continue
		}
		file := filepath.Join(dir, fmt.Sprintf("%d.yml", i))
		writeFile(t, file, m[3])
		files[schema] = append(files[schema], file)
	}
	if len(files["github-workflows"]) < 3 || len(files["gitlab-ci"]) < 3 {
		t.Errorf("doc/ci.md has %v", files)
	}
	wrong := filepath.Join(dir, "wrong.yml")
	writeFile(t, wrong, "name: layerbuild\ndescription: x\nruns: {using: composite}\n")
	if out, err := schemaChecker(t, "github-actions", wrong).CombinedOutput(); err == nil {
		t.Errorf("an action without steps passes: %s", out)
	}
	for schema, files := range files {
		if out, err := schemaChecker(t, schema, files...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", schema, err, out)
		}
	}
}

// schemaChecker is check-jsonschema with a schema that it brings along.
func schemaChecker(t *testing.T, schema string, files ...string) *exec.Cmd {
	t.Helper()
	args := []string{"--builtin-schema", "vendor." + schema}
	if schema == "gitlab-ci" {
		args = append(args, "--data-transform", "gitlab-ci") // its !reference tags
	}
	return exec.Command(filepath.Join(setting(t, "LAYERBUILD_TEST_TOOLS"), "venv-schemas/bin/check-jsonschema"), append(args, files...)...)
}
