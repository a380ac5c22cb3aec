package builder_test

import (
	"testing"

	"github.com/layerbuild/layerbuild/builder"
)

// TestImportStartsOnce: a layer that the cache has starts once, however many images
// its modules are loaded in, since it ends once.
func TestImportStartsOnce(t *testing.T) {
	index := serve(t)
	const config = "layers:\n  api: {path: svc, runtime: python3.11, architectures: [x86_64, arm64], universal: true"
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     config + "}\n",
		"svc/requirements.txt": requirements(index, "core==1.0"),
	})
	p.mustBuild()
	p.write(builder.ConfigName, config+", check: {import: true}}\n")
	p.events = nil
	b := p.builder()
	b.Containers = pinning{b.Direct, func() {}}
	if _, err := b.Build(t.Context(), builder.Options{}); err == nil {
		t.Fatal("an engine that runs nothing has loaded modules")
	}
	count := make(map[builder.EventKind]int)
	for _, e := range p.events {
		count[e.Kind]++
	}
	if count[builder.Started] != 1 || count[builder.Failed] != 1 {
		t.Errorf("%d starts and %d failures, want one each", count[builder.Started], count[builder.Failed])
	}
}
