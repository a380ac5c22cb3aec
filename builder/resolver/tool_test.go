package resolver

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

func TestChooseWheel(t *testing.T) {
	const amd64, arm64 = "uv-0.13.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
		"uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl"
	tool := runtimes.Tool{Version: "0.13.9"}
	for _, name := range []string{
		"uv-0.13.9-py3-none-manylinux_2_28_aarch64.whl", // glibc 2.28 is more than every machine has
		"uv-0.13.9-py3-none-win_amd64.whl", "uv-0.13.9-py3-none-musllinux_1_1_x86_64.whl",
		"uv-0.13.9-py3-none-macosx_11_0_arm64.whl", "uv-0.13.9-py3-none-macosx_10_12_x86_64.whl", amd64, arm64,
		"uv-0.13.9-py3-none-manylinux_2_17_i686.manylinux2014_i686.whl",
	} {
		tool.Files = append(tool.Files, runtimes.File{Name: name})
	}
	for machine, want := range map[string]string{
		"linux/amd64": amd64, "linux/arm64": arm64,
		"linux/amd64 musl": "uv-0.13.9-py3-none-musllinux_1_1_x86_64.whl", "linux/arm64 musl": arm64,
		"darwin/amd64": "uv-0.13.9-py3-none-macosx_10_12_x86_64.whl", "darwin/arm64": "uv-0.13.9-py3-none-macosx_11_0_arm64.whl",
		"windows/amd64": "uv-0.13.9-py3-none-win_amd64.whl", "windows/arm64": "uv-0.13.9-py3-none-win_amd64.whl",
	} {
		if got, err := chooseWheel(tool, machine); err != nil || got.Name != want {
			t.Errorf("%s: %s, %v", machine, got.Name, err)
		}
	}
	var input *runtimes.InputError
	if f, err := chooseWheel(tool, "plan9/amd64"); !errors.As(err, &input) {
		t.Errorf("plan9: %v, %v", f, err)
	}
	tool.Files = tool.Files[:1]
	if f, err := chooseWheel(tool, "linux/amd64"); !errors.As(err, &input) || !strings.Contains(input.Hint, "--upgrade tools") {
		t.Errorf("a tool without a file for the machine: %v, %v", f, err)
	}
}

// platform is one that chooseWheel takes here.
var platform = map[string]string{
	"linux/amd64": "manylinux_2_17_x86_64", "linux/arm64": "manylinux_2_17_aarch64",
	"linux/amd64 musl": "musllinux_1_1_x86_64", "linux/arm64 musl": "musllinux_1_1_aarch64",
	"darwin/amd64": "macosx_10_12_x86_64", "darwin/arm64": "macosx_11_0_arm64", "windows/amd64": "win_amd64",
}[thisMachine()]

func TestToolIsUnpackedAndVerified(t *testing.T) {
	name := programName("1.0", runtime.GOOS)
	index, err := wheelhouse.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	file, err := index.Add(wheelhouse.Wheel{Name: "uv", Version: "1.0", Tag: "py3-none-" + platform, Files: map[string]string{name: "the program"}})
	if err != nil {
		t.Fatal(err)
	}
	tool := runtimes.Tool{Version: "1.0", Files: []runtimes.File{{Name: file.Name, SHA256: file.SHA256}}}
	r := &Resolver{Engine: &direct.Engine{Downloads: &downloads{}, Client: http.DefaultClient}, Folder: t.TempDir()}
	get := func() string {
		t.Helper()
		work, unlock, err := r.lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		program, err := r.uv(t.Context(), tool, []string{index.SimpleURL()}, work)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(program); err != nil || string(data) != "the program" {
			t.Fatalf("%s holds %q, %v", program, data, err)
		}
		return program
	}
	program := get()
	if info, err := os.Stat(program); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o755 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	asked := index.Requests()
	if again := get(); again != program || index.Requests() != asked {
		t.Errorf("%s is fetched again, to %s", program, again)
	}
	if err := os.WriteFile(program, []byte("another one"), 0o755); err != nil {
		t.Fatal(err)
	}
	get() // which looks at what is in the file
	if left, _ := filepath.Glob(filepath.Join(r.Folder, "uv-*")); len(left) != 1 {
		t.Errorf("left are %q", left)
	}
}

func TestWrongToolIsRefused(t *testing.T) {
	index, err := wheelhouse.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	file, err := index.Add(wheelhouse.Wheel{Name: "uv", Version: "1.0", Tag: "py3-none-" + platform, Files: map[string]string{"uv": "elsewhere"}})
	if err != nil {
		t.Fatal(err)
	}
	r := &Resolver{Engine: &direct.Engine{Downloads: &downloads{}, Client: http.DefaultClient}, Folder: t.TempDir()}
	work, unlock, err := r.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	tool := runtimes.Tool{Version: "1.0", Files: []runtimes.File{{Name: file.Name, SHA256: file.SHA256}}}
	var broken *runtimes.PackageError
	if _, err := r.uv(t.Context(), tool, []string{index.SimpleURL()}, work); !errors.As(err, &broken) {
		t.Errorf("a wheel without the program: %v", err)
	}

	changed := file
	changed.Data = append([]byte("x"), file.Data...)
	index.AddFile("uv", changed) // the index still states the hash of before
	r.Engine.Downloads = &downloads{}
	var digest *runtimes.DigestError
	if _, err := r.uv(t.Context(), tool, []string{index.SimpleURL()}, work); !errors.As(err, &digest) {
		t.Errorf("a changed wheel: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.Folder, "uv-*")); len(left) != 0 {
		t.Errorf("left are %q", left)
	}
}

func TestUnpackRefuses(t *testing.T) {
	good, err := wheelhouse.Wheel{Name: "uv", Version: "1.0", Files: map[string]string{"program": strings.Repeat("content ", 100)}}.Build()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	var defect *defectError
	for what, data := range map[string][]byte{
		"nothing":   nil,
		"no zip":    []byte("hello"),
		"cut":       good.Data[:len(good.Data)/2],
		"other bit": flipped(t, good.Data, "program"),
	} {
		if _, err := unpack(opened(data), "program", filepath.Join(folder, "out")); !errors.As(err, &defect) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := unpack(opened(good.Data), "program", filepath.Join(folder, "absent", "out")); err == nil || errors.As(err, &defect) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// flipped changes a bit of the content of the first entry called name.
func flipped(t *testing.T, data []byte, name string) []byte {
	t.Helper()
	data = append([]byte(nil), data...)
	at := strings.Index(string(data), name)
	if at < 0 {
		t.Fatal("no such entry")
	}
	data[at+len(name)+12] ^= 4
	return data
}
