package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
)

// A file is one of an archive.
type file struct {
	name       string // in the archive
	data       []byte
	executable bool
}

// build returns the program for a target. Whatever could let a machine's setting
// into it is set here.
func (r *release) build(ctx context.Context, t target, temp string) ([]byte, error) {
	out := filepath.Join(temp, t.program())
	err := r.compile(ctx, out, "grpcnotrace", "GOOS="+t.os, "GOARCH="+t.arch)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	return os.ReadFile(out)
}

func (r *release) compile(ctx context.Context, out, tags string, env ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", tags, "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid= -X main.released=v"+string(r.version), "-o", out, "./cmd/layerbuild")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOFIPS140=off", "GOAMD64=v1", "GOARM64=v8.0")
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// shells are those that have completions, with the names that these files have
// where they are installed.
var shells = []struct{ shell, file string }{
	{"bash", "completions/layerbuild.bash"},
	{"fish", "completions/layerbuild.fish"},
	{"powershell", "completions/layerbuild.ps1"},
	{"zsh", "completions/_layerbuild"},
}

// documents returns what an archive holds beside the program. Man pages and
// completions are what a program for this machine says of itself.
func (r *release) documents(ctx context.Context, temp string) ([]file, error) {
	var files []file
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: name, data: data})
	}
	program := filepath.Join(temp, "layerbuild-man")
	if err := r.compile(ctx, program, "grpcnotrace,man", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH); err != nil {
		return nil, err
	}
	pages := filepath.Join(temp, "man")
	if err := os.Mkdir(pages, 0o755); err != nil {
		return nil, err
	}
	if _, err := output(ctx, program, "man", pages); err != nil {
		return nil, err
	}
	list, err := os.ReadDir(pages)
	if err != nil {
		return nil, err
	}
	for _, page := range list {
		data, err := os.ReadFile(filepath.Join(pages, page.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: path.Join("man/man1", page.Name()), data: data})
	}
	for _, s := range shells {
		data, err := output(ctx, program, "completion", s.shell)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: s.file, data: data})
	}
	return files, nil
}

func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%q: %w\n%s", args, err, &stderr)
	}
	return out, nil
}
