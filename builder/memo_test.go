package builder

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

// TestRecorderSeesChange: a file that two readings found different decided
// nothing that can be remembered.
func TestRecorderSeesChange(t *testing.T) {
	project := fstest.MapFS{"uv.lock": {Data: []byte("old")}}
	r := newRecorder(project)
	for range 2 {
		if _, err := fs.ReadFile(r, "uv.lock"); err != nil {
			t.Fatal(err)
		}
	}
	if r.failed {
		t.Error("two equal readings are taken for a change")
	}
	project["uv.lock"] = &fstest.MapFile{Data: []byte("new")}
	if _, err := fs.ReadFile(r, "uv.lock"); err != nil {
		t.Fatal(err)
	}
	if !r.failed {
		t.Error("a change between two readings is not noticed")
	}
}
