//go:build e2e && linux

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// Disks that are full or cannot be written, which takes root: each is a file
// system mounted where the program writes.

// mount mounts a file system of some megabytes at dir, for this test.
func mount(t *testing.T, dir string, megabytes int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Fatalf("mount a tmpfs (as root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// resize gives it another size.
func resize(t *testing.T, dir string, megabytes int) {
	t.Helper()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Fatal(err)
	}
}

// readOnly lets nobody write to a folder until the function it returns is
// called. Not even root, whom modes do not stop.
func readOnly(t *testing.T, dir string) (writable func()) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatalf("mount (as root): %v", err)
	}
	mounted := true
	writable = func() {
		if mounted {
			mounted = false
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Errorf("unmount: %v", err)
			}
		}
	}
	t.Cleanup(writable)
	if err := unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	return writable
}

// bigIndex serves big, of four megabytes that cannot be packed, and small.
func bigIndex(t *testing.T) *wheelhouse.Index {
	t.Helper()
	payload := make([]byte, 4<<20)
	rand.Read(payload)
	index, err := wheelhouse.Serve(
		wheelhouse.Wheel{Name: "big", Version: "1.0", Files: map[string]string{"big/random.bin": string(payload)}},
		wheelhouse.Wheel{Name: "small", Version: "1.0", Files: map[string]string{"small/__init__.py": ""}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(index.Close)
	return index
}

// alone is what a project gives on a machine where all is well.
func alone(t *testing.T, index *wheelhouse.Index, pins ...string) map[string][]byte {
	t.Helper()
	r := newRunner(t, index, pins...)
	r.run(0, "build", "--engine", "direct")
	return r.outputs()
}

// relock changes what the project locks.
func (r *runner) relock(index *wheelhouse.Index, pins ...string) {
	lock, pyproject := uvLock(index, pins)
	r.write("uv.lock", lock)
	r.write("pyproject.toml", pyproject)
}

// failsWith builds and wants exit code 1, an error that says all of it, and
// the outputs as they were.
func (r *runner) failsWith(want []string, args ...string) {
	r.t.Helper()
	before := r.outputs()
	stdout, stderr := r.run(exitFailed, append([]string{"build"}, args...)...)
	if stdout != "" {
		r.t.Errorf("a failure printed a result: %s", stdout)
	}
	for _, text := range append(want, "layerbuild: error: ", "layerbuild: hint: ") {
		if !strings.Contains(stderr, text) {
			r.t.Errorf("no %q in %s", text, stderr)
		}
	}
	equalFolders(r.t, r.outputs(), before)
	r.whole()
}

// engines are those by which a tree comes.
var engines = []string{"direct", "buildkit"}

func TestFullDisk(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	index := bigIndex(t)
	want := alone(t, index, "big==1.0", "small==1.0")
	full := []string{"no space left on device", "hint: the disk is full there"}
	for _, engine := range engines {
		for name, dir := range map[string]func(r *runner) string{
			"temporary files": func(r *runner) string { return filepath.Join(r.data, "tmp") },
			"output":          func(r *runner) string { return filepath.Join(r.dir, ".layerbuild/dist") },
		} {
			t.Run(engine+", "+name, func(t *testing.T) {
				r := newRunner(t, index, "small==1.0")
				disk := dir(r)
				mount(t, disk, 2)
				r.run(0, "build", "--engine", engine) // it has room for that
				r.relock(index, "big==1.0", "small==1.0")
				for range 2 {
					r.failsWith(append(full, disk), "--engine", engine)
				}
				resize(t, disk, 64)
				r.run(0, "build", "--engine", engine)
				equalFolders(t, r.outputs(), want)
			})
		}
	}
}

// TestFullCache: a cache on a disk of its own that is full costs a warning, and
// room is made there by pruning.
func TestFullCache(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	index := bigIndex(t)
	want := alone(t, index, "big==1.0", "small==1.0")
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			r := newRunner(t, index, "small==1.0")
			disk := filepath.Join(r.data, "cache")
			mount(t, disk, 2)
			r.run(0, "build", "--engine", engine) // it has room for that
			r.relock(index, "big==1.0", "small==1.0")
			for range 2 {
				stdout, stderr := r.run(0, "build", "--engine", engine)
				if !strings.Contains(stdout, "built") || !strings.Contains(stderr, "the cache cannot keep this layer: ") || !strings.Contains(stderr, "no space left on device") {
					t.Errorf("stdout %s, stderr %s", stdout, stderr)
				}
				equalFolders(t, r.outputs(), want)
			}
			if err := os.WriteFile(filepath.Join(disk, "ac", "filler"), make([]byte, 4<<20), 0o666); !errors.Is(err, unix.ENOSPC) {
				t.Fatalf("the disk is not full: %v", err)
			}
			ageAll(t, disk)
			if stdout, _ := r.run(0, "cache", "prune", "--max-size", "0B"); !strings.Contains(stdout, "removed 1 layer") {
				t.Errorf("stdout %s", stdout)
			}
			resize(t, disk, 64)
			r.run(0, "build", "--engine", engine)
			equalFolders(t, r.outputs(), want)
		})
	}
}

// TestFailingDisk: a cache on a disk that answers with errors where an archive
// lies, and wherever something is to be written, costs a new build and warnings.
func TestFailingDisk(t *testing.T) {
	index := bigIndex(t)
	want := alone(t, index, "big==1.0", "small==1.0")
	r := newRunner(t, index, "big==1.0", "small==1.0")
	disk, platter := filepath.Join(r.data, "cache"), t.TempDir()
	mount(t, platter, 80)
	image := filepath.Join(platter, "disk")
	mountImage(t, disk, image, 64<<20)
	r.run(0, "build", "--engine", "direct")
	unmount := remount(t, disk, image)
	defer unmount()
	// The archive's blob is the only file of that size, which lies far behind what
	// the file system knows itself by.
	if err := os.Truncate(image, 12<<20); err != nil {
		t.Fatal(err)
	}
	// Where a single block is written behind it, all that was lost reads as zeros.
	resize(t, platter, 12)
	if err := os.WriteFile(filepath.Join(platter, "filler"), make([]byte, 12<<20), 0o666); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the image has room to grow: %v", err)
	}
	if !failsToRead(t, disk) {
		t.Fatal("every file of the cache can still be read")
	}
	if err := os.RemoveAll(filepath.Join(r.dir, ".layerbuild")); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := r.run(0, "build", "--engine", "direct")
	if !strings.Contains(stdout, "built") || !strings.Contains(stderr, "input/output error") {
		t.Errorf("stdout %s, stderr %s", stdout, stderr)
	}
	equalFolders(t, r.outputs(), want)
}

// mountImage mounts an ext4 that lies in a file.
func mountImage(t *testing.T, dir, image string, size int64) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-O", "^has_journal", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s (as root): %v\n%s", strings.Join(command, " "), err, out)
		}
	}
}

// remount mounts it again, so that the kernel has nothing of it in memory.
func remount(t *testing.T, dir, image string) (unmount func()) {
	t.Helper()
	for _, command := range [][]string{{"umount", dir}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
		}
	}
	return func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	}
}

// failsToRead tells whether some file of a folder gives an error of the disk.
func failsToRead(t *testing.T, dir string) (failed bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if _, err := os.ReadFile(name); errors.Is(err, unix.EIO) {
			failed = true
		}
		return nil
	})
	if err != nil && !errors.Is(err, unix.EIO) {
		t.Fatal(err)
	}
	return failed || err != nil
}

// ageAll makes all of a cache look unused for a day.
func ageAll(t *testing.T, dir string) {
	t.Helper()
	then := time.Now().Add(-24 * time.Hour)
	for _, space := range []string{"ac", "cas", "stamp"} {
		files, err := filepath.Glob(filepath.Join(dir, space, "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if err := os.Chtimes(file, then, then); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestFullDiskAnywhere lets the disk of everything be full at one moment after
// another: what comes out is right or is not there.
func TestFullDiskAnywhere(t *testing.T) {
	index := bigIndex(t)
	want := alone(t, index, "big==1.0", "small==1.0")
	failures := 0
	for megabytes := 1; ; megabytes++ {
		r := newRunner(t, index, "big==1.0", "small==1.0")
		disk := t.TempDir()
		mount(t, disk, megabytes)
		for _, dir := range []string{"out", "tmp"} {
			if err := os.Mkdir(filepath.Join(disk, dir), 0o777); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(filepath.Join(disk, "out"), filepath.Join(r.dir, ".layerbuild")); err != nil {
			t.Fatal(err)
		}
		r.data = disk
		cmd, stderr := r.command("build", "--engine", "direct")
		err := cmd.Run()
		got := readFolder(t, filepath.Join(disk, "out/dist"))
		if err == nil {
			equalFolders(t, got, want)
			if !strings.Contains(stderr.String(), "warning: ") { // that the cache kept nothing
				break
			}
			continue
		}
		failures++
		if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(stderr.String(), "no space left on device") || !strings.Contains(stderr.String(), disk) {
			t.Errorf("%d MB: exit code %d\n%s", megabytes, code, stderr)
		}
		maps.DeleteFunc(got, func(name string, data []byte) bool { return string(want[name]) == string(data) })
		if left := r.temporaries(); len(got) > 0 || len(left) > 0 {
			t.Errorf("%d MB: half-written or left behind: %d, %v", megabytes, len(got), left)
		}
		resize(t, disk, 64)
		r.run(0, "build", "--engine", "direct")
		equalFolders(t, readFolder(t, filepath.Join(disk, "out/dist")), want)
		if megabytes == 60 {
			t.Fatal("nothing is enough")
		}
	}
	if failures < 5 {
		t.Errorf("only %d disks were too small", failures)
	}
	t.Logf("%d disks were too small", failures)
}

func TestReadOnlyOutput(t *testing.T) {
	index := bigIndex(t)
	r := newRunner(t, index, "small==1.0")
	output := filepath.Join(r.dir, ".layerbuild/dist")
	for range 2 { // without an earlier output, and with one
		writable := readOnly(t, output)
		r.failsWith([]string{"the output folder " + output + " cannot be written: read-only file system", "--output"}, "--engine", "direct")
		writable()
		r.run(0, "build", "--engine", "direct")
		wantOutputs(t, r)
		r.relock(index, "big==1.0", "small==1.0")
	}
	r.run(0, "build", "--engine", "direct")
	equalFolders(t, r.outputs(), alone(t, index, "big==1.0", "small==1.0"))

	// What is in place needs not be written.
	readOnly(t, output)
	if stdout, stderr := r.run(0, "build", "--engine", "direct"); !strings.Contains(stdout, "hit") || strings.Contains(stderr, "warning") {
		t.Errorf("stdout %s, stderr %s", stdout, stderr)
	}
}

// TestReadOnlyCache: a cache that cannot be written costs time and a warning.
func TestReadOnlyCache(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	index := bigIndex(t)
	want := alone(t, index, "big==1.0", "small==1.0")
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			r := newRunner(t, index, "big==1.0", "small==1.0")
			dir := filepath.Join(r.data, "cache")
			writable := readOnly(t, dir)
			for range 2 {
				stdout, stderr := r.run(0, "build", "--engine", engine)
				if !strings.Contains(stdout, "built") || !strings.Contains(stderr, "warning: ") || !strings.Contains(stderr, "the cache cannot keep this layer: ") ||
					!strings.Contains(stderr, dir) || !strings.Contains(stderr, "read-only file system") {
					t.Errorf("stdout %s, stderr %s", stdout, stderr)
				}
				equalFolders(t, r.outputs(), want)
				r.whole()
			}

			// Nor is there a place for temporary files.
			temporary := filepath.Join(r.data, "tmp")
			also := readOnly(t, temporary)
			r.failsWith([]string{temporary, "read-only file system", "TMPDIR"}, "--engine", engine)
			also()

			// What it holds, it gives.
			writable()
			r.run(0, "build", "--engine", engine)
			readOnly(t, dir)
			if err := os.RemoveAll(filepath.Join(r.dir, ".layerbuild")); err != nil {
				t.Fatal(err)
			}
			if stdout, stderr := r.run(0, "build", "--engine", engine); !strings.Contains(stdout, "hit") || strings.Contains(stderr, "warning") {
				t.Errorf("stdout %s, stderr %s", stdout, stderr)
			}
			equalFolders(t, r.outputs(), want)
		})
	}
}

// TestReadOnlyProject: layerbuild.lock cannot be written. Where a container
// was asked for that is an error; else the direct engine builds, which needs
// none of it.
func TestReadOnlyProject(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	index := bigIndex(t)
	r := newRunner(t, index, "small==1.0")
	project := filepath.Join(r.dir, "project")
	if err := os.Mkdir(project, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"layerbuild.yaml", "uv.lock", "pyproject.toml"} {
		if err := os.Rename(filepath.Join(r.dir, name), filepath.Join(project, name)); err != nil {
			t.Fatal(err)
		}
	}
	output := filepath.Join(r.dir, ".layerbuild/dist")
	args := []string{"-c", filepath.Join(project, "layerbuild.yaml"), "--output", output}
	writable := readOnly(t, project)
	r.failsWith([]string{"layerbuild.lock", "read-only file system"}, append(args, "--engine", "buildkit")...)
	_, stderr := r.run(0, append([]string{"build"}, args...)...)
	if !strings.Contains(stderr, "layerbuild: warning: ") || !strings.Contains(stderr, "read-only file system; the direct engine gives the same bytes") {
		t.Error(stderr)
	}
	wantOutputs(t, r)
	direct := r.outputs()
	writable()
	r.run(0, append([]string{"build", "--engine", "buildkit", "--no-cache"}, args...)...)
	equalFolders(t, r.outputs(), direct)
}
