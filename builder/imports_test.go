package builder_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/layerbuild/layerbuild/"

// mayImport is the design's import rule: which packages of ours a package may
// import, by prefix of the import path below the module. Tests are free.
var mayImport = map[string][]string{
	// What makes the archives and packages that are published.
	"cmd/layerbuild/packaging/release": {"zipper"},

	"runtimes":              {},
	"runtimes/python":       {"runtimes", "runtimes/python/pep", "runtimes/python/pyc", "runtimes/python/wheel"},
	"runtimes/python/pep":   {"runtimes"},
	"runtimes/python/pyc":   {},
	"runtimes/python/wheel": {},

	"runtimes/node":          {"runtimes", "runtimes/node/commands", "runtimes/node/ranges"},
	"runtimes/node/ranges":   {},
	"runtimes/node/commands": {},

	// What pip and uv read beside a project is Python's business, too, but no
	// plugin's: plugins see the project alone. The command line brings it.
	"runtimes/python/indexes": {"runtimes"},

	// So is what npm and Maven read.
	"runtimes/node/npmrc":    {"runtimes"},
	"runtimes/java/settings": {"runtimes"},

	"runtimes/java":            {"runtimes", "runtimes/java/coordinate", "runtimes/java/jarfile"},
	"runtimes/java/jarfile":    {"runtimes"},
	"runtimes/java/coordinate": {},

	"cache/tempfile": {},
	"zipper":         {"cache/tempfile", "zipper/internal/deflate"},

	"zipper/internal/deflate": {},

	"cache/ctxio":      {},
	"cache":            {"cache/ctxio", "cache/disk", "cache/tempfile"},
	"cache/disk":       {"cache/ctxio"},
	"cache/oci":        {"cache", "cache/ctxio"},
	"cache/s3":         {"cache", "cache/ctxio"},
	"cache/cachetest":  {"cache"},
	"cache/share":      {"cache", "cache/ctxio"},
	"cache/web":        {"cache"},
	"builder":          {"runtimes", "zipper", "cache", "builder/tree", "builder/check", "builder/inspect", "builder/smoke"},
	"builder/tree":     {"runtimes", "zipper"},
	"builder/smoke":    {"runtimes"},
	"builder/check":    {"runtimes", "runtimes/java/jarfile", "runtimes/python/pep", "runtimes/node/ranges", "runtimes/python/pyc"},
	"builder/inspect":  {"runtimes", "runtimes/java/jarfile", "runtimes/python/pep", "builder/check"},
	"builder/direct":   {"runtimes", "runtimes/python/wheel", "runtimes/node/commands", "runtimes/java/coordinate", "cache/tempfile"},
	"builder/buildkit": {"runtimes", "runtimes/node/npmrc", "runtimes/java/settings", "builder/jvm"},
	"builder/git":      {"runtimes"},
	"builder/jvm":      {"runtimes"},
	"builder/yamledit": {},
	"builder/maven":    {"runtimes", "runtimes/java", "runtimes/java/coordinate", "runtimes/java/settings", "builder/jvm"},
	"builder/resolver": {"runtimes", "runtimes/python", "runtimes/python/pep", "runtimes/python/wheel", "builder/direct"},
	"builder/doctor":   {"runtimes", "cache", "builder/buildkit"},
	"builder/propose":  {"builder", "builder/yamledit", "runtimes"},
	"builder/export":   {"builder", "runtimes"},
	"builder/modules":  {"runtimes", "runtimes/java/coordinate", "builder/direct"},
	"cmd/layerbuild":   {"builder", "builder/check", "builder/inspect", "builder/smoke", "builder/direct", "builder/buildkit", "builder/git", "builder/resolver", "runtimes", "runtimes/python", "runtimes/python/indexes", "runtimes/node", "runtimes/node/npmrc", "runtimes/java", "zipper", "cache", "cache/oci", "cache/s3", "cache/share", "cache/web", "builder/modules", "builder/maven", "builder/propose", "builder/export", "builder/doctor", "runtimes/java/settings"},
}

// onlyIn says which package of ours alone may import a module.
var onlyIn = map[string]string{
	"github.com/moby/buildkit":                "builder/buildkit",
	"github.com/google/osv-scalibr":           "builder/direct",
	"github.com/klauspost/compress":           "zipper builder/direct",
	"github.com/spf13/cobra":                  "cmd/layerbuild",
	"github.com/pelletier/go-toml":            "runtimes/python runtimes/python/indexes builder/check builder/resolver runtimes/java",
	"gopkg.in/ini.v1":                         "runtimes/python/indexes",
	"github.com/bmatcuk/doublestar":           "runtimes builder runtimes/node",
	"github.com/vbauerster/mpb":               "cmd/layerbuild",
	"deps.dev/util":                           "runtimes/python/pep runtimes/python/wheel runtimes/node/ranges runtimes/java",
	"github.com/agext/levenshtein":            "builder cmd/layerbuild",
	"github.com/cenkalti/backoff":             "builder/direct cache",
	"google.golang.org/protobuf":              "cache/web",
	"golang.org/x/net":                        "builder/direct builder/buildkit",
	"gopkg.in/yaml.v3":                        "builder builder/export builder/propose builder/yamledit runtimes/node runtimes/node/npmrc",
	"github.com/tailscale/hujson":             "runtimes/node",
	"github.com/gofrs/flock":                  "cache/disk builder/resolver",
	"github.com/docker/cli/cli":               "builder/buildkit",
	"github.com/go-git/go-git":                "runtimes/python builder/propose",
	"github.com/pavlo-v-chernykh/keystore-go": "builder/jvm",
	"github.com/aws":                          "cache/s3",
	"oras.land/oras-go":                       "cache/oci",
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], module)
		allowed, known := mayImport[pkg]
		if !known {
			t.Errorf("package %s is not in the design: add it to mayImport and doc/design.md, or move it", pkg)
			continue
		}
		seen++
		for _, imported := range fields[1:] {
			if ours, ok := strings.CutPrefix(imported, module); ok && !contains(allowed, ours) {
				t.Errorf("%s must not import %s", pkg, ours)
			}
			for prefix, owners := range onlyIn {
				if (imported == prefix || strings.HasPrefix(imported, prefix+"/")) && !contains(strings.Fields(owners), pkg) {
					t.Errorf("%s imports %s, which belongs to %s", pkg, imported, owners)
				}
			}
		}
	}
	if seen != len(mayImport) {
		t.Errorf("found %d packages, the design has %d", seen, len(mayImport))
	}
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}
