package builder

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// sampleProject holds the folders that the patterns of the tests meet.
var sampleProject = fstest.MapFS{
	"services/api/uv.lock":                          {},
	"services/worker/requirements.txt":              {},
	"services/worker/node_modules/x/uv.lock":        {},
	"services/unlocked/pyproject.toml":              {},
	"services/web/package-lock.json":                {},
	"services/README.md":                            {},
	"services/uv.lock":                              {},
	"services/.venv/requirements.txt":               {},
	"services/docs/index.html":                      {},
	"jobs/api/uv.lock":                              {},
	"jobs/night.ly/uv.lock":                         {},
	"jobs/Api/uv.lock":                              {},
	"jobs/custom/locked.txt":                        {},
	"jobs/" + strings.Repeat("n", 141) + "/uv.lock": {},
	"jobs/layers/uv.lock":                           {},
}

// BenchmarkPatterns: fifty services cost a few milliseconds at most.
func BenchmarkPatterns(b *testing.B) {
	root := b.TempDir()
	for i := range 50 {
		folder := filepath.Join(root, "services", fmt.Sprint("service-", i))
		if err := os.MkdirAll(folder, 0o777); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "requirements.txt"), nil, 0o666); err != nil {
			b.Fatal(err)
		}
	}
	file := filepath.Join(root, ConfigName)
	config := "layers: {all: {path: services/*, runtime: python3.13, architectures: [arm64]}}\n"
	if err := os.WriteFile(file, []byte(config), 0o666); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if c, err := LoadConfig(file); err != nil || len(c.Layers) != 50 {
			b.Fatal(err)
		}
	}
}
