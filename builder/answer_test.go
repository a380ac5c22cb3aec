package builder_test

import (
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// TestPartialIndex: an index that lacks some of the locked files has not
// answered for good.
func TestPartialIndex(t *testing.T) {
	full := serve(t)
	partial, err := wheelhouse.Serve(testWheels()[7]) // fastmath for arm64 alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(partial.Close)
	p := newProject(t, partial, map[string]string{
		builder.ConfigName:     oneLayer,
		"svc/requirements.txt": requirements(full, "fastmath==1.0"),
	})
	if _, err := p.build(builder.Options{}); err == nil {
		t.Fatal("built without a file that fits")
	}
	p.index = full
	p.mustBuild()
}
