package resolver

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
)

// maxProgram bounds what a wheel is unpacked to: uv has 40 MB.
const maxProgram = 512 << 20

// wheelFor tells the wheels that a machine can run.
var wheelFor = map[string]*regexp.Regexp{
	"linux/amd64":      regexp.MustCompile(`manylinux[0-9_.a-z]*_x86_64\.`),
	"linux/arm64":      regexp.MustCompile(`manylinux[0-9_.a-z]*_aarch64\.`),
	"linux/amd64 musl": regexp.MustCompile(`musllinux[0-9_.a-z]*_x86_64\.`),
	"linux/arm64 musl": regexp.MustCompile(`musllinux[0-9_.a-z]*_aarch64\.`),
	"darwin/amd64":     regexp.MustCompile(`macosx_[0-9_]+_x86_64\.`),
	"darwin/arm64":     regexp.MustCompile(`macosx_[0-9_]+_arm64\.`),
	"windows/amd64":    regexp.MustCompile(`win_amd64\.`),
	"windows/arm64":    regexp.MustCompile(`win_(arm64|amd64)\.`), // it emulates
}

// glibcLoader is what programs for glibc are started with.
var glibcLoader = map[string]string{
	"linux/amd64": "/lib64/ld-linux-x86-64.so.2",
	"linux/arm64": "/lib/ld-linux-aarch64.so.1",
}

// thisMachine is how [wheelFor] calls the machine. Where glibc is not (Alpine,
// NixOS), programs for musl run, which bring all that they need.
func thisMachine() string {
	machine := runtime.GOOS + "/" + runtime.GOARCH
	if loader := glibcLoader[machine]; loader != "" {
		if _, err := os.Stat(loader); err != nil {
			machine += " musl"
		}
	}
	return machine
}

// chooseWheel picks the tool's file for a machine: of several the one that
// asks for least, which is the first by name.
func chooseWheel(tool runtimes.Tool, machine string) (runtimes.File, error) {
	fits, known := wheelFor[machine]
	if known {
		files := slices.Clone(tool.Files)
		slices.SortFunc(files, func(a, b runtimes.File) int { return strings.Compare(a.Name, b.Name) })
		for _, f := range files {
			if fits.MatchString(f.Name) {
				return f, nil
			}
		}
		return runtimes.File{}, &runtimes.InputError{
			Problem: fmt.Sprintf("layerbuild.lock has no file of uv %s for this machine, %s", tool.Version, machine),
			Hint:    "let layerbuild lock --upgrade tools write them anew, or resolve on another machine and commit layerbuild.lock",
		}
	}
	return runtimes.File{}, &runtimes.InputError{
		Problem: "there is no uv for this machine, " + machine,
		Hint:    "resolve on another machine, and commit layerbuild.lock",
	}
}

// uv returns the path of the pinned uv, which it unpacks in the folder work and
// verifies.
func (r *Resolver) uv(ctx context.Context, tool runtimes.Tool, indexes []string, work string) (string, error) {
	file, err := chooseWheel(tool, thisMachine())
	if err != nil {
		return "", err
	}
	if !isSHA256(file.SHA256) {
		return "", fmt.Errorf("%s: %q is no SHA-256", file.Name, file.SHA256)
	}
	name := programName(tool.Version, runtime.GOOS)
	stem, suffix := "uv-"+tool.Version+"-"+file.SHA256[:16]+"-", filepath.Ext(path.Base(name))
	if program, ok := unpacked(r.Folder, stem, suffix); ok {
		return program, nil
	}
	wheel, err := r.Engine.Fetch(ctx, runtimes.Package{Name: "uv", Version: tool.Version, File: file}, indexes)
	if err != nil {
		return "", fmt.Errorf("get uv %s: %w", tool.Version, err)
	}
	defer wheel.Close()
	temp := filepath.Join(work, "program")
	sum, err := unpack(wheel, name, temp)
	var defect *defectError
	if errors.As(err, &defect) {
		return "", &runtimes.PackageError{File: file.Name, Problem: defect.Error()}
	}
	if err != nil {
		return "", err
	}
	program := filepath.Join(r.Folder, stem+sum+suffix)
	if err := os.Rename(temp, program); err != nil {
		return "", err
	}
	return program, nil
}

// programName is where a wheel has the tool's program.
func programName(version, goos string) string {
	name := "uv-" + version + ".data/scripts/uv"
	if goos == "windows" {
		name += ".exe"
	}
	return name
}

// unpacked finds a program that was unpacked before. Its name holds the hash
// of its content; one that changed since is removed.
func unpacked(folder, stem, suffix string) (program string, ok bool) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return "", false
	}
	for _, file := range files {
		sum, ours := strings.CutPrefix(strings.TrimSuffix(file.Name(), suffix), stem)
		if !ours {
			continue
		}
		path := filepath.Join(folder, file.Name())
		if got, err := sumOf(path); err == nil && got == sum {
			return path, true
		}
		_ = os.RemoveAll(path) // where it cannot be, it is passed over all the same
	}
	return "", false
}

func sumOf(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// unpack writes one file of a wheel to a file, executable, and returns its
// SHA-256. What is wrong with the wheel is a *defectError.
func unpack(wheel direct.ReadAtCloser, name, file string) (sum string, err error) {
	z, err := zip.NewReader(wheel, wheel.Size())
	if err != nil {
		return "", &defectError{err}
	}
	i := slices.IndexFunc(z.File, func(f *zip.File) bool { return f.Name == name })
	if i < 0 {
		return "", &defectError{fmt.Errorf("has no %s", name)}
	}
	in, err := z.File[i].Open()
	if err != nil {
		return "", &defectError{err}
	}
	defer in.Close()
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return "", err
	}
	defer out.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), &defects{io.LimitReader(in, maxProgram+1)})
	if err != nil {
		return "", err
	}
	if n > maxProgram {
		return "", &defectError{fmt.Errorf("%s has more than %d bytes", name, maxProgram)}
	}
	if err := errors.Join(out.Sync(), out.Chmod(0o755)); err != nil { // whatever the umask is
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), out.Close()
}

// defectError is a defect of an archive, which no disk or network is to blame
// for.
type defectError struct{ err error }

func (e *defectError) Error() string { return e.err.Error() }
func (e *defectError) Unwrap() error { return e.err }

// defects tells the errors of reading an archive from those of writing.
type defects struct{ r io.Reader }

func (d *defects) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &defectError{err}
	}
	return n, err
}
