//go:build e2e

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	digest "github.com/opencontainers/go-digest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// clone is a copy of the example on some machine of some user.
type clone struct {
	name string
	uid  int
	env  []string
	mask string // umask
	jobs string
	tls  bool // BuildKit by TCP and TLS
}

// nobody is a user that owns nothing.
const nobody = 65534

// TestExample builds the example for real: in two copies with nothing in
// common but the committed files, by either engine. All must give the same
// bytes, and these must work in Lambda's images.
func TestExample(t *testing.T) {
	here := clone{"here", 0, []string{"TZ=UTC", "LC_ALL=C"}, "022", "1", false}
	there := clone{"another place", nobody, []string{"TZ=Asia/Kolkata", "LC_ALL=de_DE.UTF-8"}, "077", "4", true}
	var want map[string][]byte
	for _, c := range []clone{here, there} {
		for _, engine := range []string{"direct", "buildkit"} {
			t.Run(c.name+"/"+engine, func(t *testing.T) {
				got := c.build(t, engine)
				if want == nil {
					want = got
				}
				equalFolders(t, got, want)
			})
		}
	}
	dir := t.TempDir()
	for name, data := range want {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	layers := readIndex(t, filepath.Join(dir, "layers.json"))
	if len(layers) != 2 {
		t.Fatalf("%d archives, want one for each architecture", len(layers))
	}
	for _, l := range layers {
		t.Run("works/"+l.Architectures[0], func(t *testing.T) {
			file := filepath.Join(dir, l.File)
			for _, args := range [][]string{{"unzip", "-tq"}, {setting(t, "LAYERBUILD_TEST_PYTHON"), "-m", "zipfile", "-t"}} {
				if out, err := exec.Command(args[0], append(args[1:], file)...).CombinedOutput(); err != nil {
					t.Errorf("%v: %v\n%s", args, err, out)
				}
			}
			runInImage(t, l.Architectures[0], file, l.SHA256)
		})
	}
}

// build builds a fresh copy of the example with nothing cached.
func (c clone) build(t *testing.T, engine string) map[string][]byte {
	// Not t.TempDir, whose parents are for the own user alone.
	root, err := os.MkdirTemp("", "layerbuild e2e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	r := &runner{t: t, dir: filepath.Join(root, c.name, "project"), data: filepath.Join(root, "data")}
	if err := os.MkdirAll(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"layerbuild.yaml", "requirements.txt"} {
		data, err := os.ReadFile(filepath.Join(example, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(r.dir, 0o777); err != nil {
			t.Fatal(err)
		}
		r.write(name, string(data))
	}
	r.env = append(c.env, "HOME="+r.data)
	setting(t, "BUILDKIT_HOST")
	if c.tls {
		r.env = append(r.env, "BUILDKIT_HOST=")
		r.write("layerbuild.yaml", r.read("layerbuild.yaml")+"\nbuilder:\n  address: "+setting(t, "LAYERBUILD_TEST_BUILDKIT_TLS_ADDR")+
			"\n  tls: {ca: ../tls/ca.pem, cert: ../tls/cert.pem, key: ../tls/key.pem}\n")
		if err := os.CopyFS(filepath.Join(root, c.name, "tls"), os.DirFS(setting(t, "LAYERBUILD_TEST_BUILDKIT_TLS_DIR"))); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(root, "layerbuild")
	copyProgram(t, program)
	chown(t, root, c.uid)

	cmd, stderr := r.command("build", "--engine", engine, "--no-cache", "--jobs", c.jobs)
	cmd.Path = "/bin/sh"
	cmd.Args = append([]string{"sh", "-c", "umask " + c.mask + `; exec "$@"`, "sh", program}, cmd.Args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.uid)}}
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	t.Logf("built in %v", time.Since(begin).Round(time.Second))
	if !strings.Contains(stderr.String(), "building, engine "+engine) {
		t.Errorf("not built by %s:\n%s", engine, stderr)
	}
	wantOwner(t, root, c.uid)
	if left := r.temporaries(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "layerbuild.lock")); (err == nil) != (engine == "buildkit") {
		t.Errorf("layerbuild.lock: %v", err)
	}
	return r.outputs()
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	from, err := exec.LookPath("layerbuild")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func chown(t *testing.T, dir string, uid int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantOwner wants that all files belong to the user who built.
func wantOwner(t *testing.T, dir string, uid int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) != uid || int(owner.Gid) != uid {
			t.Errorf("%s belongs to %d:%d", name, owner.Uid, owner.Gid)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// indexed is an archive in layers.json.
type indexed struct {
	File, SHA256  string
	Architectures []string `json:"compatibleArchitectures"`
}

func readIndex(t *testing.T, file string) []indexed {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var index struct{ Layers []indexed }
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	return index.Layers
}

// useLayer is what a function does with the layer.
const useLayer = `
import platform, sys
import boto3, numpy, pandas, pydantic, requests
from cryptography.fernet import Fernet

where = sys.argv[1]
assert platform.machine() == where, platform.machine()
for m in (boto3, numpy, pandas, pydantic, requests):
    assert m.__file__.startswith('/opt/python/lib/python3.11/site-packages/'), m.__file__
total = int((numpy.arange(10) * 2).sum())
frame = pandas.DataFrame({'k': ['a', 'b', 'a'], 'v': [1, 2, 3]}).groupby('k')['v'].sum().to_dict()
f = Fernet(Fernet.generate_key())
class Order(pydantic.BaseModel):
    n: int
print('RESULT', where, total, frame, f.decrypt(f.encrypt(b'round trip')).decode(), Order(n='7').n)
`

// runInImage unpacks a layer to /opt of the runtime's image, as Lambda does,
// and runs useLayer there, arm64 by qemu, with Lambda's search path.
func runInImage(t *testing.T, arch, file, sha256 string) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	// The daemon fetches the layer: steps see no folder of this machine.
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(file))))
	defer server.Close()
	layer := llb.HTTP(server.URL+"/"+filepath.Base(file), llb.Filename("layer.zip"), llb.Checksum(digest.NewDigestFromEncoded(digest.SHA256, sha256)))
	code := llb.Scratch().File(llb.Mkfile("/use.py", 0o644, []byte(useLayer)))

	runtime, _ := runtimes.Lookup("python3.11")
	image, python := runtime.Image, runtime.Interpreter
	platform := map[string]llb.ConstraintsOpt{"x86_64": llb.LinuxAmd64, "arm64": llb.LinuxArm64}[arch]
	machine := map[string]string{"x86_64": "x86_64", "arm64": "aarch64"}[arch]
	unzip := llb.Image(image, llb.LinuxAmd64).Run(llb.Args([]string{python, "-m", "zipfile", "-e", "/zip/layer.zip", "/layer"}))
	unzip.AddMount("/zip", layer, llb.Readonly)
	opt := unzip.AddMount("/layer", llb.Scratch())
	use := llb.Image(image, platform).Run(
		llb.Args([]string{python, "/code/use.py", machine}), llb.IgnoreCache, platform,
		llb.AddEnv("LD_LIBRARY_PATH", "/var/lang/lib:/lib64:/usr/lib64:/opt/lib"),
		llb.AddEnv("PYTHONPATH", "/opt/python/lib/python3.11/site-packages:/opt/python"),
	)
	use.AddMount("/opt", opt, llb.Readonly)
	use.AddMount("/code", code, llb.Readonly)

	def, err := use.Root().Marshal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	printed, err := solve(ctx, setting(t, "BUILDKIT_HOST"), def)
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	want := fmt.Sprintf("RESULT %s 90 {'a': 4, 'b': 2} round trip 7", machine)
	if got := regexp.MustCompile(`RESULT .*`).FindString(printed); got != want {
		t.Errorf("got  %s\nwant %s\n%s", got, want, printed)
	}
}

// solve runs a definition and returns what its steps print.
func solve(ctx context.Context, address string, def *llb.Definition) (string, error) {
	c, err := client.New(ctx, address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	var printed strings.Builder
	status := make(chan *client.SolveStatus)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for s := range status {
			for _, l := range s.Logs {
				printed.Write(l.Data)
			}
		}
	}()
	_, err = c.Solve(ctx, def, client.SolveOpt{}, status)
	<-shown
	return printed.String(), err
}
