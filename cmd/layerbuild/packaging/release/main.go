// Command release makes what is published of layerbuild: for each platform an
// archive, an npm package and a wheel with the program, and SHA256SUMS. The same
// commit and the same Go give the same bytes, in whatever folder and whenever.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

// A target is a platform, by the names that Go, npm and Python give it.
type target struct {
	os, arch string
	npm      [2]string // os and cpu of package.json
	wheel    string    // platform tags: the program is static, so it suits any C library
}

var targets = []target{
	{"linux", "amd64", [2]string{"linux", "x64"}, "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64"},
	{"linux", "arm64", [2]string{"linux", "arm64"}, "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64"},
	// Go's own minimum is macOS 12.
	{"darwin", "amd64", [2]string{"darwin", "x64"}, "macosx_12_0_x86_64"},
	{"darwin", "arm64", [2]string{"darwin", "arm64"}, "macosx_12_0_arm64"},
	{"windows", "amd64", [2]string{"win32", "x64"}, "win_amd64"},
	{"windows", "arm64", [2]string{"win32", "arm64"}, "win_arm64"},
}

func (t target) String() string { return t.os + "/" + t.arch }

// program is the name of the program's file.
func (t target) program() string {
	if t.os == "windows" {
		return "layerbuild.exe"
	}
	return "layerbuild"
}

// A release is one run.
type release struct {
	version version
	out     string
	sums    []string // lines of SHA256SUMS
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	named := flags.String("version", "", "the `version`, such as 1.2.0 or 1.2.0-rc.1; otherwise Git's tags say it")
	out := flags.String("o", "dist", "a `folder` that is empty or not there")
	only := flags.String("only", "", "make only these `targets`, such as linux/amd64,darwin/arm64")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if _, err := os.Stat("cmd/layerbuild/packaging/release"); err != nil {
		return fmt.Errorf("run it in the repository's top folder: %w", err)
	}
	wanted, err := choose(*only)
	if err != nil {
		return err
	}
	r := &release{out: *out}
	if r.version, err = versionOf(ctx, *named); err != nil {
		return err
	}
	if left, err := os.ReadDir(r.out); err == nil && len(left) > 0 {
		return fmt.Errorf("%s is not empty: it holds %s", r.out, left[0].Name())
	}
	return r.make(ctx, wanted)
}

// choose returns the targets that a list with commas names, or all of them.
func choose(list string) ([]target, error) {
	if list == "" {
		return targets, nil
	}
	var chosen []target
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(targets, func(t target) bool { return t.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no target %q: the targets are %v", name, targets)
		}
		chosen = append(chosen, targets[i])
	}
	return chosen, nil
}

func (r *release) make(ctx context.Context, wanted []target) error {
	temp, err := os.MkdirTemp("", "layerbuild-release-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	docs, err := r.documents(ctx, temp)
	if err != nil {
		return err
	}
	for _, t := range wanted {
		fmt.Println("layerbuild", r.version, t)
		program, err := r.build(ctx, t, temp)
		if err != nil {
			return err
		}
		err = errors.Join(r.archive(ctx, t, program, docs), r.npmPlatform(t, program), r.wheel(ctx, t, program))
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		if err := os.Remove(filepath.Join(temp, t.program())); err != nil {
			return err
		}
	}
	if err := r.npmMain(wanted); err != nil {
		return err
	}
	slices.SortFunc(r.sums, func(a, b string) int { return strings.Compare(a[sha256.Size*2:], b[sha256.Size*2:]) })
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(strings.Join(r.sums, "")), 0o644)
}

// write puts a file into the release.
func (r *release) write(name string, data []byte) error {
	path := filepath.Join(r.out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	r.sums = append(r.sums, fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name))
	return os.WriteFile(path, data, 0o644)
}
