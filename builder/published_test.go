package builder

import (
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestMarkPublished: published is what a registry's package has, and neither
// what was built or run here, nor what is nobody's.
func TestMarkPublished(t *testing.T) {
	hash := runtimes.File{SHA256: "aa"}
	local := runtimes.File{SHA256: "aa", Local: &runtimes.LocalFile{Path: "m.whl"}}
	r := runtimes.Recipe{Packages: []runtimes.Package{
		{Name: "wheel", File: hash},
		{Name: "tarball", File: runtimes.File{Integrity: "sha512-aa"}},
		{Name: "local", File: local},
		{Name: "built", File: hash, Build: &runtimes.Build{}},
		{Name: "scripted", File: hash, Scripts: true},
		{Name: "unhashed", File: runtimes.File{Name: "m.tgz"}},
		{Name: "both", Version: "1", File: hash}, {Name: "both", Version: "2", File: local},
		{Name: "both too", Version: "1", File: local}, {Name: "both too", Version: "2", File: hash},
	}}
	tree := make(runtimes.Tree)
	for _, owner := range []string{"", "other", "wheel", "tarball", "local", "built", "scripted", "unhashed", "both", "both too"} {
		tree[owner+"/file.py"] = runtimes.TreeFile{Package: owner}
	}
	tree["wheel-1.0.dist-info/direct_url.json"] = runtimes.TreeFile{Package: "wheel"}
	markPublished(r, tree)
	for name, f := range tree {
		if want := name == "wheel/file.py" || name == "tarball/file.py"; f.Published != want {
			t.Errorf("%s: published is %t", name, f.Published)
		}
	}
}
