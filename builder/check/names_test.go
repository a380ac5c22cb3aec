package check_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// TestSoundNames: what looks odd and is none of the checks' business.
func TestSoundNames(t *testing.T) {
	tree := runtimes.Tree{}
	for _, name := range []string{
		"Lib/a", "lib/b", // folders that are merged elsewhere
		"ß", "ss", "ı", "i",
		"python/日本語.py", "python/a b.py", "python/a:b", "python/…",
		"python/" + strings.Repeat("x", 255),
		strings.Repeat("folder/", 584) + "x", // 4,089 bytes
	} {
		tree[name] = file("", []byte("x"))
	}
	for _, mode := range []fs.FileMode{0o444, 0o555, 0o644, 0o664, 0o755, 0o775} {
		tree["bin/"+mode.String()] = with(mode)
	}
	if warnings, err := check.Gather(tree, limit).Judge([]check.Target{al2}, nil); err != nil || warnings != nil {
		t.Errorf("found %v, %v", warnings, err)
	}
}

// TestNamesAreShown: no name does anything to a terminal.
func TestNamesAreShown(t *testing.T) {
	for name, want := range map[string]string{
		"python/a\x1b[2J.py": `"python/a\x1b[2J.py" is bad`,
		"python/\xff":        `"python/\xff" is bad`,
		"python/日本語.py":      "python/日本語.py is bad",
	} {
		if got := (check.Finding{Path: name, Problem: "is bad"}).String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
