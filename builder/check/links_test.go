package check

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestHostileLinks: links that each lead to and fro through all the others are
// found, and not followed for hours.
func TestHostileLinks(t *testing.T) {
	link := func(to string) runtimes.TreeFile { return runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: to} }
	tree := runtimes.Tree{"d/file": {Mode: 0o644}}
	there := strings.Repeat("d/../", 800)
	tree["l0"] = link(there + "d/file")
	for i := 1; i < 30_000; i++ {
		tree[fmt.Sprintf("l%d", i)] = link(there + fmt.Sprintf("l%d", i-i%30))
	}
	begin := time.Now()
	found := archiveFindings(tree, Weight{Limit: 1})
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	if len(found) == 0 || found[0].ID != Link || !strings.Contains(found[len(found)-1].Problem, "to and fro") {
		t.Errorf("found %d, the last %+v", len(found), found[max(0, len(found)-1):])
	}
}

// TestManyLinks: as many links as a layer can hold are no finding.
func TestManyLinks(t *testing.T) {
	tree := runtimes.Tree{"lib/real/package/with/a/long/path/file.so.1": {Mode: 0o644}}
	for i := range MaxEntries - 1 {
		tree[fmt.Sprintf("nodejs/node_modules/.pnpm/package-%d@1.0.0/node_modules/other", i)] =
			runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: "../../../../../lib/real/package/with/a/long/path/file.so.1"}
	}
	if found := archiveFindings(tree, Weight{Limit: 1}); len(found) != 0 {
		t.Errorf("%+v", found[0])
	}
}
