//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// clone is a copy of a project on some machine of some user.
type clone struct {
	name string
	uid  int
	env  []string
	mask fs.FileMode // umask
	jobs string
	tls  bool // BuildKit by TCP and TLS
}

// nobody is a user that owns nothing.
const nobody = 65534

// build builds a fresh copy of a project with nothing cached. If the project
// has no layerbuild.lock yet, it gets the one that comes of it.
func (c clone) build(t *testing.T, project *runner, engine string, more ...string) map[string][]byte {
	t.Helper()
	// Not t.TempDir, whose parents are for the own user alone.
	root, err := os.MkdirTemp("", "layerbuild e2e")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	r := &runner{t: t, dir: filepath.Join(root, c.name, "project"), data: filepath.Join(root, "data")}
	if err := os.MkdirAll(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	copyProject(t, r.dir, project.dir, c.mask)
	r.env = append(c.env, "HOME="+r.data)
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

	args := append([]string{"build", "--engine", engine, "--no-cache", "--jobs", c.jobs}, more...)
	lock := filepath.Join(project.dir, "layerbuild.lock")
	_, err = os.Stat(lock)
	locked := err == nil
	if locked {
		args = append(args, "--locked")
	}
	cmd, stderr := r.command(args...)
	cmd.Path = "/bin/sh"
	cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`umask %03o; exec "$@"`, c.mask), "sh", program}, cmd.Args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.uid)}}
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s, %s: %v\n%s", c.name, engine, err, stderr)
	}
	t.Logf("%s, %s %v: %v", c.name, engine, more, time.Since(begin).Round(100*time.Millisecond))
	if !strings.Contains(stderr.String(), "building, engine "+engine) {
		t.Errorf("%s: not built by %s:\n%s", c.name, engine, stderr)
	}
	wantOwner(t, root, c.uid)
	if left := r.temporaries(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if !locked {
		project.write("layerbuild.lock", r.read("layerbuild.lock"))
	}
	return r.outputs()
}

// copyProject copies a folder as somebody with that umask checks it out.
func copyProject(t *testing.T, to, from string, mask fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(to, ".layerbuild")); err != nil { // of make demo
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chmod(name, info.Mode().Perm()&^mask)
	})
	if err != nil {
		t.Fatal(err)
	}
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
	Name, File, Manifest, SHA256, SHA256Base64 string

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
