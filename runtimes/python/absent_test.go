package python

import (
	"errors"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestAbsentFile: the lock file decides which of its files is installed. Where
// the index has that one with another hash only, no other takes its place.
func TestAbsentFile(t *testing.T) {
	project := files(map[string]string{
		"pyproject.toml": "[project]\nname = 'app'\nversion = '1'\nrequires-python = '>=3.13'\ndependencies = ['fast']\n[tool.poetry]\npackage-mode = false\n",
		"poetry.lock": `[[package]]
name = "fast"
version = "1.0"
description = ""
optional = false
python-versions = "*"
groups = ["main"]
files = [
    {file = "fast-1.0-cp313-cp313-manylinux_2_17_x86_64.whl", hash = "sha256:` + hashA + `"},
    {file = "fast-1.0-py3-none-any.whl", hash = "sha256:` + hashB + `"},
]

[metadata]
lock-version = "2.1"
python-versions = ">=3.13"
content-hash = ""
`,
	})
	for arch, lacks := range map[runtimes.Arch]bool{runtimes.X86_64: true, runtimes.ARM64: false} {
		target := target(t, "python3.13", arch)
		q := runtimes.FileRequest{Ecosystem: "pypi", Name: "fast", Version: "1.0", Hashes: []string{hashA, hashB}}
		target.Files = map[string][]runtimes.File{q.Key(): {{Name: "fast-1.0-py3-none-any.whl", SHA256: hashB, URL: "https://f.example/any"}}}
		r, err := Runtime{}.Recipe(project, target)
		var digest *runtimes.DigestError
		switch {
		case lacks && (!errors.As(err, &digest) || digest.Want != hashA):
			t.Errorf("%s: got %v, want an error about the file for it", arch, err)
		case !lacks && (err != nil || r.Packages[0].File.SHA256 != hashB):
			t.Errorf("%s: %v, %+v", arch, err, r.Packages)
		}
	}
}
