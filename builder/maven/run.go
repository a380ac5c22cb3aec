package maven

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/layerbuild/layerbuild/builder/jvm"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java"
	"github.com/layerbuild/layerbuild/runtimes/java/settings"
)

// folders are where a run's files are.
type folders struct {
	project, repository, settings, list string
}

// arguments are Maven's.
func (r run) arguments(f folders) []string {
	args := []string{
		"--batch-mode", "--no-transfer-progress", "--settings", f.settings,
		"-Dmaven.repo.local=" + f.repository,
		"-Daether.artifactResolver.snapshotNormalization=false", // a snapshot's file keeps its time
		"-Dstyle.color=never",
	}
	if r.job.Profile != "" {
		args = append(args, "--activate-profiles", r.job.Profile)
	}
	if r.job.Reactor == "" {
		args = append(args, "--non-recursive", "--file", f.project+"/"+r.job.Module)
	} else {
		// Only what has passed the phase compile is a module for others. There is
		// no source that could be compiled.
		args = append(args, "--file", f.project+"/"+r.job.Reactor, "--projects", r.job.Module, "--also-make", "compile")
	}
	return append(args, java.Plugin+":list", "-DincludeScope=runtime", "-DoutputAbsoluteArtifactFilename=true", "-DoutputFile="+f.list)
}

// settingsOnMachine is the settings.xml for this machine's Maven. No password is
// written: the file names variables, which Maven's process alone has.
func (r *Resolver) settingsOnMachine() (file []byte, variables []string, err error) {
	file = r.Settings.XML(r.Project)
	loggedIn, err := settings.AddServers(file, r.Logins, func(password string) string {
		name := fmt.Sprintf("LAYERBUILD_MAVEN_PASSWORD_%d", len(variables))
		variables = append(variables, name+"="+password)
		return "${env." + name + "}"
	})
	if err != nil || loggedIn == nil {
		return file, nil, err
	}
	return loggedIn, variables, nil
}

// inImage is where a run's files are in a container.
var inImage = folders{
	project: "/layerbuild/project", repository: "/layerbuild/repository",
	settings: "/layerbuild/settings.xml", list: outputFolder + "/list",
}

const outputFolder = "/layer"

// sumFiles hashes the files of Maven's list where they are, so that they need
// not leave the container.
const sumFiles = `set -eu
sed -n 's|^.*:\(/layerbuild/repository/[^ ]*\).*$|\1|p' /layer/list | sort -u | while read -r file; do
	sha256sum "$file"
done > /layer/sums
`

// maxOutput bounds what a container may give.
const maxOutput = 16 << 20

func (r *Resolver) inContainer(ctx context.Context, run run) (output, error) {
	image := run.variant.place.Runtime.ImageToBuild(runtimes.X86_64)
	digest, err := r.Containers.ResolveImage(ctx, image)
	if err != nil {
		return output{}, fmt.Errorf("resolve image %s: %w", image, err)
	}
	ask := java.MavenStep("resolve "+run.question.Name, run.arguments(inImage)...)
	ask.Inputs = append(ask.Inputs, runtimes.InlineFile{Path: inImage.settings, Data: r.Settings.XML(r.Project), Whereabouts: true, Logins: runtimes.MavenSettings})
	for _, in := range run.inputs {
		ask.Inputs = append(ask.Inputs, runtimes.InlineFile{Path: path.Join(inImage.project, in.Path), Data: in.Data})
	}
	ask.Anew = true
	if run.variant.place.Arch == runtimes.ARM64 {
		ask.Env = append(ask.Env, armOptions)
	}
	sum := runtimes.Step{Name: "hash what Maven fetched", Args: []string{"/bin/sh", "-c", sumFiles}, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"}, Anew: true}
	recipe := runtimes.Recipe{
		Runtime: "java", LockFile: run.question.Name, Indexes: run.question.Indexes,
		Container: &runtimes.Container{
			Image: image + "@" + digest, Arch: runtimes.X86_64,
			Steps: []runtimes.Step{ask, sum}, Output: outputFolder,
		},
	}
	w := &limited{left: maxOutput}
	if err := r.Containers.Install(ctx, recipe, w, nil); err != nil {
		return output{}, err
	}
	files, err := untar(&w.buf)
	if err != nil {
		return output{}, err
	}
	return output{list: files["list"], repository: inImage.repository, sums: parseSums(files["sums"], inImage.repository)}, nil
}

// armOptions have Java say that the machine is one for arm64.
const armOptions = "JAVA_TOOL_OPTIONS=-Dos.arch=aarch64"

// limited keeps what is written, up to a limit.
type limited struct {
	buf  bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("the list of Maven has more than %d bytes", maxOutput)
	}
	return l.buf.Write(p)
}

func untar(in io.Reader) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for r := tar.NewReader(in); ; {
		header, err := r.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag == tar.TypeReg {
			if files[path.Clean(header.Name)], err = io.ReadAll(r); err != nil {
				return nil, err
			}
		}
	}
}

// onMachine gives the function that runs this machine's Maven, if it has one.
func (r *Resolver) onMachine(nowhere *runtimes.UnreachableError) (func(context.Context, run) (output, error), error) {
	program, err := exec.LookPath("mvn")
	if err != nil {
		return nil, &runtimes.UnreachableError{
			Address: nowhere.Address, Err: nowhere.Err,
			Needed: "a pom is resolved by Maven, and there is no mvn on this machine either",
		}
	}
	return func(ctx context.Context, run run) (output, error) { return r.machine(ctx, program, run) }, nil
}

func (r *Resolver) machine(ctx context.Context, program string, run run) (output, error) {
	if err := os.MkdirAll(r.Folder, 0o777); err != nil {
		return output{}, err
	}
	r.clear(time.Now().Add(-maxRun))
	dir, err := os.MkdirTemp(r.Folder, workPrefix+"*")
	if err != nil {
		return output{}, err
	}
	defer os.RemoveAll(dir)
	f := folders{filepath.Join(dir, "project"), filepath.Join(dir, "repository"), filepath.Join(dir, "settings.xml"), filepath.Join(dir, "list")}
	write := func(name string, data []byte) {
		if err == nil {
			err = os.MkdirAll(filepath.Dir(name), 0o777)
		}
		if err == nil {
			err = os.WriteFile(name, data, 0o666)
		}
	}
	file, variables, err := r.settingsOnMachine()
	write(f.settings, file)
	for _, in := range run.inputs {
		write(filepath.Join(f.project, filepath.FromSlash(in.Path)), in.Data)
	}
	trustStore := ""
	if r.CABundle != "" && err == nil {
		var store []byte
		store, err = jvm.TrustStore(r.CABundle)
		trustStore = filepath.Join(dir, "truststore.jks")
		write(trustStore, store)
	}
	if err != nil {
		return output{}, err
	}
	options, err := jvm.Options(trustStore, jvm.ProxiesFromEnvironment())
	if err != nil {
		return output{}, err
	}
	if err := r.start(ctx, program, dir, run, f, options, variables); err != nil {
		return output{}, err
	}
	list, err := os.ReadFile(f.list)
	if err != nil {
		return output{}, err
	}
	return hashListed(output{list: list, repository: f.repository, sums: make(map[string]string)})
}

// workPrefix begins the names of folders where runs have their files. One that
// is as old as maxRun is of a process that was killed.
const (
	workPrefix = "work-"
	maxRun     = 24 * time.Hour
)

// clear removes the folders that were made before a time.
func (r *Resolver) clear(before time.Time) {
	files, err := os.ReadDir(r.Folder)
	if err != nil {
		return
	}
	for _, file := range files {
		info, err := file.Info()
		if err == nil && strings.HasPrefix(file.Name(), workPrefix) && info.ModTime().Before(before) {
			_ = os.RemoveAll(filepath.Join(r.Folder, file.Name()))
		}
	}
}

// failure is a Maven that did not succeed.
type failure struct {
	lines []string
	err   error
}

func (f *failure) Error() string { return "mvn: " + f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

func (r *Resolver) start(ctx context.Context, program, dir string, run run, f folders, options, variables []string) error {
	cmd := exec.CommandContext(ctx, program, run.arguments(f)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MAVEN_SKIP_RC=1", "MAVEN_ARGS=", "MAVEN_OPTS="+strings.Join(options, " "))
	cmd.Env = append(cmd.Env, variables...)
	if run.variant.place.Arch == runtimes.ARM64 && runtime.GOARCH != "arm64" {
		cmd.Env = append(cmd.Env, armOptions)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second // for what it may have started
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return &failure{strings.Split(strings.TrimSpace(out.String()), "\n"), err}
	}
	return err
}

// hashListed hashes the files of the list.
func hashListed(out output) (output, error) {
	all, err := parseList(out.list)
	if err != nil {
		return out, err
	}
	for _, l := range all {
		in, err := filepath.Rel(out.repository, l.file)
		if l.file == "" || err != nil || !filepath.IsLocal(in) {
			continue
		}
		f, err := os.Open(l.file)
		if err != nil {
			return out, err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return out, err
		}
		out.sums[filepath.ToSlash(in)] = hex.EncodeToString(h.Sum(nil))
	}
	return out, nil
}
