package direct

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestOpenLocal: a file of the project is held against whichever digest it has.
func TestOpenLocal(t *testing.T) {
	f := runtimes.File{Local: &runtimes.LocalFile{Path: "lib/a.tgz", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("a")), nil
	}}}
	for digest, problem := range map[string]string{
		"sha512-H0D8kt": `"sha512-H0D8kt" is no digest`,
		"sha512-" + strings.Repeat("A", 86) + "==":                                                        "lib/a.tgz does not match",
		"sha512-H0D8ktokFpR1CXnubPWC8tXX0o4YM13gWrxU0FYOD1MChgxlK/CNVgJSql50IQVG82n7u86MEs/HlXsmUv6adQ==": "",
		"": "is no digest",
		"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb": "",
	} {
		f.Integrity = digest
		if !strings.HasPrefix(digest, "sha512-") {
			f.Integrity, f.SHA256 = "", digest
		} else {
			f.SHA256 = ""
		}
		_, err := openLocal(f)
		if (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: %v, want %q", digest, err, problem)
		}
	}
}

// TestInstallLocal: a wheel of the project is installed like any other, and is
// held against its hash.
func TestInstallLocal(t *testing.T) {
	data := with(entry{name: "more.py", data: "x = 1\n"}).build(t)
	content := data
	pkg := runtimes.Package{Name: "pkg", Version: "1.0", File: runtimes.File{
		Name: "pkg-1.0-py3-none-any.whl", SHA256: hexSum(data),
		Local: &runtimes.LocalFile{Path: "wheels/pkg", Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content)), nil
		}},
	}}
	d := folder(t.TempDir())
	d.put(t, data)
	var want, got bytes.Buffer
	other := pkg
	other.File.Local = nil
	if err := (&Engine{Downloads: d}).Install(t.Context(), recipe(other), &want, nil); err != nil {
		t.Fatal(err)
	}
	e := Engine{} // has nothing to download with
	if err := e.Install(t.Context(), recipe(pkg), &got, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Error("a local wheel gives another tree")
	}

	content = []byte("changed")
	var digest *runtimes.DigestError
	if err := e.Install(t.Context(), recipe(pkg), &got, nil); !errors.As(err, &digest) || !strings.Contains(err.Error(), "wheels/pkg does not match") {
		t.Errorf("got %v, want a DigestError", err)
	}
}
