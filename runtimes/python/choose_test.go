package python

import (
	"cmp"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestChoose(t *testing.T) {
	tests := []struct {
		name    string
		runtime string
		arch    runtimes.Arch
		files   string // "=" puts a requires-python to the file before
		want    string // the wheel, or why there is none
	}{
		{"newest glibc that fits wins", "python3.12", runtimes.X86_64,
			"p-1-cp312-cp312-manylinux_2_17_x86_64.whl p-1-cp312-cp312-manylinux_2_28_x86_64.whl p-1-cp312-cp312-manylinux_2_35_x86_64.whl",
			"p-1-cp312-cp312-manylinux_2_28_x86_64.whl"},
		{"the same on Amazon Linux 2", "python3.11", runtimes.X86_64,
			"p-1-cp311-cp311-manylinux_2_17_x86_64.whl p-1-cp311-cp311-manylinux_2_24_x86_64.whl p-1-cp311-cp311-manylinux_2_28_x86_64.whl",
			"p-1-cp311-cp311-manylinux_2_24_x86_64.whl"},
		{"one name for several levels", "python3.11", runtimes.ARM64,
			"p-1-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.manylinux_2_28_aarch64.whl p-1-cp311-cp311-manylinux2014_aarch64.whl",
			"p-1-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.manylinux_2_28_aarch64.whl"},
		{"old names of levels", "python3.9", runtimes.X86_64,
			"p-1-cp39-cp39-manylinux1_x86_64.whl p-1-cp39-cp39-manylinux2010_x86_64.whl", "p-1-cp39-cp39-manylinux2010_x86_64.whl"},
		{"this Python before the stable interface", "python3.13", runtimes.X86_64,
			"p-1-cp39-abi3-manylinux_2_28_x86_64.whl p-1-cp313-cp313-manylinux_2_17_x86_64.whl", "p-1-cp313-cp313-manylinux_2_17_x86_64.whl"},
		{"the stable interface of an older Python", "python3.13", runtimes.X86_64,
			"p-1-cp39-abi3-manylinux_2_28_x86_64.whl p-1-cp311-abi3-manylinux_2_17_x86_64.whl p-1-py3-none-any.whl", "p-1-cp311-abi3-manylinux_2_17_x86_64.whl"},
		{"native before pure", "python3.12", runtimes.ARM64,
			"p-1-py3-none-any.whl p-1-py3-none-manylinux_2_17_aarch64.whl", "p-1-py3-none-manylinux_2_17_aarch64.whl"},
		{"highest build", "python3.12", runtimes.X86_64,
			"p-1-py3-none-any.whl p-1-2-py3-none-any.whl p-1-10-py3-none-any.whl p-1-9b-py3-none-any.whl", "p-1-10-py3-none-any.whl"},
		{"first by name", "python3.12", runtimes.X86_64,
			"p-1-py3-none-any.whl p-1-py2.py3-none-any.whl", "p-1-py2.py3-none-any.whl"},
		{"free-threaded is another Python", "python3.13", runtimes.X86_64,
			"p-1-cp313-cp313t-manylinux_2_17_x86_64.whl", "no wheel for python3.13, only for cp313 with the interface cp313t"},
		{"requires-python", "python3.12", runtimes.X86_64,
			"p-1-py3-none-any.whl =>=3.13 p-1-py2.py3-none-any.whl =>=3.9", "p-1-py2.py3-none-any.whl"},
		{"a patch release is taken to be there", "python3.12", runtimes.X86_64,
			"p-1-py3-none-any.whl =>=3.12.40", "p-1-py3-none-any.whl"},
		{"another project's wheel", "python3.12", runtimes.X86_64,
			"q-1-py3-none-any.whl p-1.tar.gz", "published as source only"},

		{"too new a glibc", "python3.11", runtimes.X86_64,
			"p-1-cp311-cp311-manylinux_2_28_x86_64.whl p-1-cp311-cp311-manylinux_2_34_x86_64.whl p-1-cp311-cp311-macosx_11_0_arm64.whl p-1.tar.gz",
			"its wheels for x86_64 need glibc 2.28; python3.11 (Amazon Linux 2) has 2.26"},
		{"source only", "python3.12", runtimes.X86_64, "p-1.tar.gz", "published as source only"},
		{"no wheel for this Python", "python3.14", runtimes.ARM64,
			"p-1-cp312-cp312-manylinux_2_17_aarch64.whl p-1-cp39-cp39-manylinux_2_17_aarch64.whl p-1-cp312-cp312-win_amd64.whl",
			"no wheel for python3.14, only for cp39 and cp312"},
		{"no wheel for this architecture", "python3.12", runtimes.ARM64,
			"p-1-cp312-cp312-manylinux_2_17_x86_64.whl p-1-cp312-cp312-manylinux_2_17_i686.whl", "no wheel for arm64, only for i686 and x86_64"},
		{"other systems", "python3.12", runtimes.X86_64,
			"p-1-cp312-cp312-musllinux_1_2_x86_64.whl p-1-py3-none-win_amd64.whl p-1-cp312-cp312-macosx_11_0_arm64.whl", "wheels for macOS, Windows and musl Linux only"},
		{"neither Python nor architecture", "python3.12", runtimes.ARM64,
			"p-1-cp311-cp311-manylinux_2_17_x86_64.whl", "no wheel for arm64, only for x86_64"},
		{"requires-python of all", "python3.9", runtimes.X86_64, "p-1-py3-none-any.whl =>=3.10", "its wheels require python>=3.10"},
		{"no file", "python3.12", runtimes.X86_64, "", "no file of it is locked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := lockedPackage{name: "p", version: "1"}
			for _, f := range strings.Fields(tt.files) {
				if requires, ok := strings.CutPrefix(f, "="); ok {
					p.files[len(p.files)-1].RequiresPython = requires
					continue
				}
				p.files = append(p.files, runtimes.File{Name: f})
			}
			for range 2 { // the order in which files are listed decides nothing
				got := newChooser(target(t, tt.runtime, tt.arch)).choose(p)
				if text := cmp.Or(got.Missing, got.File.Name); text != tt.want {
					t.Errorf("got  %s\nwant %s", text, tt.want)
				}
				if source := strings.HasSuffix(tt.files, "p-1.tar.gz"); (got.Build != nil) != source || source && got.File.Name != "p-1.tar.gz" {
					t.Errorf("built from %s: %v", got.File.Name, got.Build)
				}
				for i, j := 0, len(p.files)-1; i < j; i, j = i+1, j-1 {
					p.files[i], p.files[j] = p.files[j], p.files[i]
				}
			}
		})
	}
}
