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

// TestSeenFolder: what makes a folder another one, without a file's content.
func TestSeenFolder(t *testing.T) {
	project := fstest.MapFS{"lib/run": {Mode: 0o644}}
	first := seen(project, "lib", "dir")
	project["lib/run"] = &fstest.MapFile{Mode: 0o600}
	if got := seen(project, "lib", "dir"); got != first {
		t.Error("who may read a file counts")
	}
	project["lib/run"] = &fstest.MapFile{Mode: 0o755}
	if got := seen(project, "lib", "dir"); got == first {
		t.Error("whether a file is executable does not count")
	}
	project["lib/run"], project["lib/more"] = &fstest.MapFile{Mode: 0o644}, &fstest.MapFile{}
	if got := seen(project, "lib", "dir"); got == first {
		t.Error("one more file does not count")
	}
}
