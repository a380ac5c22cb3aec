package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// maxLabel is the widest that what stands beside a long path may be.
const maxLabel = 28

// overlong returns the lines that are too long for a width. One rule lets a line
// be longer: it ends in a path or an address, which nobody could copy in pieces,
// and nothing but a label stands before that. What a tool printed is its own.
func overlong(text string, width int) (lines []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		start := strings.LastIndexByte(line, ' ') + 1
		path := strings.ContainsAny(line[start:], "/") && columnsOf(line[:start]) <= maxLabel
		if columnsOf(line) > width && !path && !strings.HasPrefix(line, "  | ") {
			lines = append(lines, fmt.Sprintf("%d columns: %s", columnsOf(line), line))
		}
	}
	return lines
}

func TestOverlong(t *testing.T) {
	long := strings.Repeat("long/", 30)
	for _, test := range []struct {
		text string
		want int
	}{
		{"short\n  " + long + "\nfolder  " + long, 0},
		{"this is what is said of the file " + long, 1},
		{long + " is a file", 1},
		{strings.Repeat("long_", 30), 1},
		{strings.Repeat("word ", 30), 1},
	} {
		if got := overlong(test.text, 100); len(got) != test.want {
			t.Errorf("%q: %q", test.text, got)
		}
	}
}

// longName is a layer's, longPath that of the folder where its lock lies.
const (
	longName = "a-layer-with-a-name-that-says-all-of-what-is-in-it-and-more"
	longPath = "services/with/folders/below/folders/as/monorepos/have/them/where/teams/sort/their/code/by/domain"
)

// widthWheels are packages of which names, tags and paths are long.
func widthWheels() []wheelhouse.Wheel {
	all := scriptWheels()
	for i := range 60 {
		name := fmt.Sprintf("package%02d", i)
		if i%7 == 0 {
			name = fmt.Sprintf("apackageofacompanythatlikeslongnamesforitspackages%02d", i)
		}
		w := wheelhouse.Wheel{Name: name, Version: "1.0.0.dev20260101", Files: map[string]string{
			name + "/__init__.py": "",
			name + "/" + strings.Repeat("deeper_and_", 4) + "/" + strings.Repeat("deeper_", 8) + "/file.py": strings.Repeat("x = 1\n", i),
		}}
		if i%2 == 0 { // each says that it is another file
			w.Files["tests/__init__.py"] = "# of " + name + "\n"
		}
		if i%5 == 0 {
			w.Tag = "cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64"
		}
		all = append(all, w)
	}
	return all
}

// stage is a project that verbs are run in, and what their output goes to.
type stage struct {
	t     *testing.T
	index *wheelhouse.Index
	width int
	open  func() (w io.Writer, text func() string)
	all   strings.Builder // what was shown
}

// show runs a verb, which must end with a code, and looks at its lines.
func (s *stage) show(code int, args ...string) {
	s.t.Helper()
	w, text := s.open()
	if got := run(s.t.Context(), args, strings.NewReader(""), w, w); got != code {
		s.t.Errorf("layerbuild %s: exit code %d, want %d", strings.Join(args, " "), got, code)
	}
	shown := text()
	fmt.Fprintf(&s.all, "$ layerbuild %s\n%s\n", strings.Join(args, " "), shown)
	for _, line := range overlong(shown, s.width) {
		s.t.Errorf("layerbuild %s: %s", strings.Join(args, " "), line)
	}
}

// write writes a file of the project.
func (s *stage) write(file, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		s.t.Fatal(err)
	}
}

// lock writes uv.lock of the packages whose number is not among those without.
func (s *stage) lock(folder string, without ...int) {
	s.t.Helper()
	pins := []string{"core==1.0", "api==1.0"}
	for i, w := range widthWheels()[len(scriptWheels()):] {
		if !slices.Contains(without, i) {
			pins = append(pins, w.Name+"=="+w.Version)
		}
	}
	lock, project := uvLock(s.index, pins)
	s.write(filepath.Join(folder, "uv.lock"), lock)
	s.write(filepath.Join(folder, "pyproject.toml"), project)
}

func (s *stage) git(args ...string) {
	s.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b.example"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

const widthConfig = `engine: direct
defaults: {runtime: python3.13, architectures: [x86_64]}
layers:
  ` + longName + `: {path: ` + longPath + `}
  universal-of-more-than-one-runtime: {path: own, plain: true, runtime: [python3.12, python3.13, nodejs22.x], architectures: [x86_64, arm64]}
  worker: {path: worker, runtime: python3.11}
`

// TestWidth: what a person reads fits 100 columns, or the terminal that it is
// shown on, of each verb, whatever names and paths are like.
func TestWidth(t *testing.T) {
	plain := func(*testing.T) func() (io.Writer, func() string) {
		return func() (io.Writer, func() string) { b := new(bytes.Buffer); return b, b.String }
	}
	terminal := func(columns uint16) func(*testing.T) func() (io.Writer, func() string) {
		return func(t *testing.T) func() (io.Writer, func() string) {
			return func() (io.Writer, func() string) { return shownOn(t, columns) }
		}
	}
	for _, medium := range []struct {
		name  string
		width int
		open  func(*testing.T) func() (io.Writer, func() string)
	}{{"pipe", 100, plain}, {"terminal_80", 80, terminal(80)}, {"terminal_130", 130, terminal(130)}} {
		t.Run(medium.name, func(t *testing.T) {
			index, err := wheelhouse.Serve(widthWheels()...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(index.Close)
			for name, value := range map[string]string{
				"COLUMNS": "", "TERM": "xterm", "NO_COLOR": "", "CI": "", "GITHUB_ACTIONS": "", "BUILDKIT_HOST": "",
				"HOME": t.TempDir(), "LAYERBUILD_CACHE_FROM": "file://" + filepath.Join(t.TempDir(), longPath),
				"LAYERBUILD_CACHE_DIR": filepath.Join(t.TempDir(), "cache"), "PIP_INDEX_URL": index.SimpleURL(),
				"DOCKER_HOST": "unix://" + filepath.Join(t.TempDir(), "no-docker.sock"),
			} {
				t.Setenv(name, value)
			}
			t.Chdir(t.TempDir())
			s := &stage{t: t, index: index, width: medium.width, open: medium.open(t)}
			defer func() {
				if t.Failed() || testing.Verbose() {
					t.Log(s.all.String())
				}
			}()
			s.verbs()
			s.errors()
		})
	}
}

// shownOn is a terminal, and what it shows at the end.
func shownOn(t *testing.T, columns uint16) (io.Writer, func() string) {
	master, slave := openTerminal(t, columns)
	seen := watch(t, master)
	return slave, func() string {
		const end = "the end of what was shown"
		fmt.Fprintln(slave, end)
		seen.until(end + "\r\n")
		all, _ := seen.seen()
		slave.Close()
		return regexp.MustCompile(`<[0-9]*>`).ReplaceAllString(strings.TrimSuffix(seen.draw(all), end+"\n"), "")
	}
}

// verbs shows the verbs that succeed.
func (s *stage) verbs() {
	s.lock(longPath)
	s.lock("worker", 0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55)
	s.write("own/bin/a-tool", "#!/bin/sh\n")
	s.write("left/over/"+longPath+"/Pipfile", "[packages]\n")
	s.show(0, "version")
	terminal := s.width
	s.width = docWidth // of a file that is written, wherever it is shown
	s.show(0, "init", "--dry-run")
	s.show(0, "init", "--dry-run", longPath)
	s.width = terminal
	s.show(0, "init", "--yes")
	s.write("layerbuild.yaml", widthConfig)
	s.show(0, "doctor")
	s.show(0, "lock")
	s.show(0, "plan")
	s.show(0, "why", "*")
	s.show(0, "why", "worker", "core")
	s.show(0, "build", "--timings")
	s.show(0, "build", "--verbose")
	s.show(0, "build", "--output", longPath+"/"+longName)
	s.git("init", "-q", "-b", "main")
	s.git("add", ".")
	s.git("commit", "-q", "-m", "first")
	if err := os.Rename(".layerbuild/dist/"+longName+".zip", longName+"-as-it-was.zip"); err != nil {
		s.t.Fatal(err)
	}
	s.lock(longPath, 0, 1, 2, 3, 7, 30)
	s.show(0, "plan", longName)
	s.show(0, "why", longName)
	s.show(0, "why", "*", "--against", "main")
	s.show(0, "build")
	s.show(0, "inspect")
	s.show(0, "inspect", longName, "--all")
	s.show(0, "inspect", "--against", "main")
	s.show(0, "inspect", longName, "--against", longName+"-as-it-was.zip")
	s.show(0, "inspect", longName+"-as-it-was.zip")
	s.show(0, "check")
	s.show(0, "check", longName+"-as-it-was.zip", "--runtime", "python3.13", "--arch", "x86_64")
	for _, rule := range check.Rules() {
		s.show(0, "check", "--explain", rule.ID)
	}
	s.show(0, "zip", longPath, "-o", longPath+".zip", "--exclude", "nothing-is-named-like-this", "--exclude", longPath)
	s.show(0, "cache", "stats")
	s.show(0, "cache", "list")
	s.show(0, "cache", "verify")
	s.show(0, "cache", "prune", "--dry-run")
	s.show(0, "cache", "key", "new", "-o", longPath+"/key")
	s.show(0, "cache", "prune", "--max-size", "1kB")
	s.show(0, "cache", "clean")
}

// errors shows what verbs say that fail.
func (s *stage) errors() {
	s.show(2, "build", "workr")
	s.show(2, "bild")
	s.show(2, "plan", "--arch", "amd64")
	s.show(2, "check", longPath+"/none.zip")
	s.show(2, "check", "--explain", "none")
	s.show(2, "export", "cli", "--output", longPath)
	s.show(1, "inspect", longName+"-as-it-was.zip", "--budget", "1kB")
	s.show(2, "inspect", longName, "--against", "no-such-revision")
	s.show(1, "doctor", "--engine", "buildkit", "--builder", "tcp://127.0.0.1:1", "--cache-from", "file://"+filepath.Join(s.t.TempDir(), longPath))
	s.show(4, "build", "--no-cache", "--engine", "buildkit", "--builder", "tcp://127.0.0.1:1")
	s.show(2, "init")
	s.write("layerbuild.yaml", strings.Replace(widthConfig, "plain: true", "plain: true, excludes: [a], bytecode: 1, runtme: 2", 1))
	s.show(2, "plan")
	s.write("layerbuild.yaml", "layers: {}\n")
	s.show(2, "plan")
	s.write("layerbuild.yaml", strings.ReplaceAll(widthConfig, "path: worker", "path: worker, excludeFiles: ['none/**']"))
	s.write("worker/uv.lock", "no lock\n")
	s.show(2, "plan", "worker")
	s.lock("worker", 0, 1, 2)
	s.show(2, "build", "worker")
}
