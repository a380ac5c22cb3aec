package buildkit

import (
	"io"
	"io/fs"
	"slices"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/protobuf/proto"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestTreeFS: files come in the order in which BuildKit compares them, folder by
// folder, and each after its folder.
func TestTreeFS(t *testing.T) {
	tree := runtimes.Tree{
		"a/b/c":   runtimes.NewTreeFile([]byte("c"), true),
		"a/b-":    runtimes.NewTreeFile(nil, false),
		"a/b.txt": runtimes.NewTreeFile(nil, false),
		"l":       {Mode: fs.ModeSymlink | 0o777, Link: "a/b"},
	}
	files := newTreeFS(tree)
	var got []string
	err := files.Walk(t.Context(), "", func(name string, d fs.DirEntry, err error) error {
		info, infoErr := d.Info()
		if err != nil || infoErr != nil {
			t.Fatal(err, infoErr)
		}
		got = append(got, info.Mode().String()+" "+name)
		return nil
	})
	want := []string{"drwxr-xr-x a", "drwxr-xr-x a/b", "-rwxr-xr-x a/b/c", "-rw-r--r-- a/b-", "-rw-r--r-- a/b.txt", "Lrwxrwxrwx l"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %q, want %q", err, got, want)
	}
	f, err := files.Open("a/b/c")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(f); err != nil || string(data) != "c" {
		t.Errorf("got %q, %v", data, err)
	}
	if _, err := files.Open("a"); err == nil {
		t.Error("a folder was opened")
	}
}

// TestProbeGraph: a probe has no network and can write /tmp and its output only.
func TestProbeGraph(t *testing.T) {
	p := runtimes.Probe{Image: image, Digest: "d", Output: "/out", Step: runtimes.Step{Name: "load", Args: []string{"/bin/load"}}}
	g, err := newProbeGraph(t.Context(), p, llb.LinuxArm64)
	if err != nil {
		t.Fatal(err)
	}
	var exec *pb.ExecOp
	for _, data := range g.definition.Def {
		var op pb.Op
		if err := proto.Unmarshal(data, &op); err != nil {
			t.Fatal(err)
		}
		if e := op.GetExec(); e != nil {
			exec = e
			if op.GetPlatform().GetArchitecture() != "arm64" {
				t.Errorf("runs on %v", op.GetPlatform())
			}
		}
	}
	if exec.GetNetwork() != pb.NetMode_NONE {
		t.Errorf("the network is %v", exec.GetNetwork())
	}
	var writable []string
	for _, m := range exec.GetMounts() {
		if !m.Readonly {
			writable = append(writable, m.Dest)
		}
	}
	slices.Sort(writable)
	if !slices.Equal(writable, []string{"/out", "/tmp"}) {
		t.Errorf("can be written: %q", writable)
	}
	p.Image = "public.example/lambda/python:3.11"
	if _, err := newProbeGraph(t.Context(), p, llb.LinuxArm64); err == nil {
		t.Error("an image without a digest is taken")
	}
}
