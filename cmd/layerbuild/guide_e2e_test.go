//go:build e2e

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A guide is a page of doc/ that leads from an empty folder to a packaged
// deployment. What its fenced blocks show is done, in their order: a block of
// console runs the commands after "$ " and wants what stands below them, and
// one with a file's name after the language, such as "js app.js", writes the
// file.
type guide struct {
	*runner
	file string
	here string // the folder in which the next command runs
}

// newGuide makes an empty folder for a page of doc/. Node.js and its npm are
// those of the test tools.
func newGuide(t *testing.T, file string) *guide {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "project")
	r := &runner{t: t, dir: dir, data: t.TempDir()}
	for _, dir := range []string{dir, filepath.Join(r.data, "tmp")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	node := filepath.Join(setting(t, "LAYERBUILD_TEST_TOOLS"), "node/bin")
	r.env = []string{"PATH=" + os.Getenv("PATH") + string(filepath.ListSeparator) + node, "npm_config_ignore_scripts=true", "npm_config_audit=false", "npm_config_fund=false"}
	return &guide{r, filepath.Join("../../doc", file), dir}
}

// install puts one of the test tools, which is written in Python, into the guide's
// PATH. aws answers for it; all else that the guide runs has the machine's network.
func (g *guide) install(aws *cloud, tool string, env ...string) {
	g.t.Helper()
	bin := g.t.TempDir()
	script := "#!/bin/sh\n"
	for _, v := range append(append(aws.env(), "HTTPS_PROXY="+aws.proxy, "AWS_CA_BUNDLE="+aws.ca, "AWS_DEFAULT_REGION=us-east-1"), env...) {
		script += "export " + v + "\n"
	}
	script += "exec " + filepath.Join(setting(g.t, "LAYERBUILD_TEST_TOOLS"), tool) + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, filepath.Base(tool)), []byte(script), 0o777); err != nil {
		g.t.Fatal(err)
	}
	g.env = append(g.env, "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

var fence = regexp.MustCompile("(?ms)^```([a-z]+)(?: ([^\n]+))?\n(.*?)^```$")

// follow does what the page shows.
func (g *guide) follow() {
	g.t.Helper()
	page, err := os.ReadFile(g.file)
	if err != nil {
		g.t.Fatal(err)
	}
	commands := 0
	for _, m := range fence.FindAllStringSubmatch(string(page), -1) {
		switch lang, name, text := m[1], m[2], m[3]; {
		case name != "":
			put(g.t, filepath.Join(g.here, name), text)
		case lang == "console":
			commands += g.console(text)
		}
	}
	if commands == 0 {
		g.t.Fatalf("%s shows no commands", g.file)
	}
	g.here = g.dir
}

// console runs the commands of a block and returns how many there are.
func (g *guide) console(text string) int {
	g.t.Helper()
	if !strings.HasPrefix(text, "$ ") {
		g.t.Fatalf("%s: a console block that starts with no command:\n%s", g.file, text)
	}
	steps := strings.Split("\n"+text, "\n$ ")[1:]
	for _, step := range steps {
		command, want, _ := strings.Cut(step, "\n")
		for strings.HasSuffix(command, `\`) {
			var more string
			more, want, _ = strings.Cut(want, "\n")
			command += "\n" + more
		}
		g.shows(command, g.sh(command), want)
	}
	return len(steps)
}

// sh runs a shell command, which must succeed, and returns what it prints. A
// cd in it holds for the next ones.
func (g *guide) sh(command string) string {
	g.t.Helper()
	place := filepath.Join(g.data, "place")
	cmd, _ := g.command()
	sh := exec.Command("bash", "-ec", command+"\npwd -P >"+place)
	sh.Dir, sh.Env = g.here, cmd.Env
	var said bytes.Buffer
	sh.Stdout, sh.Stderr = &said, &said
	if err := sh.Run(); err != nil {
		g.t.Fatalf("%s: $ %s\n%v\n%s", g.file, command, err, &said)
	}
	here, err := os.ReadFile(place)
	if err != nil {
		g.t.Fatal(err)
	}
	g.here = strings.TrimSpace(string(here))
	return said.String()
}

var (
	took   = regexp.MustCompile(`\b\d+(\.\d+)?m?s\b`)
	weight = regexp.MustCompile(`\b\d+(\.\d+)? (B|kB|MB)\b`)
	space  = regexp.MustCompile(`\s+`)
)

// shows wants the lines of a page in what a command printed, in their order.
// The page may leave lines out. Durations, sizes and widths may differ: another
// version of the compressor packs the same otherwise.
func (g *guide) shows(command, printed, page string) {
	g.t.Helper()
	plain := func(line string) string {
		line = weight.ReplaceAllString(took.ReplaceAllString(line, "0s"), "0 B")
		return strings.TrimSpace(space.ReplaceAllString(line, " "))
	}
	rest := strings.Split(printed, "\n")
	for line := range strings.Lines(page) {
		want := plain(line)
		for want != "" {
			if len(rest) == 0 {
				g.t.Fatalf("%s: $ %s\ndoes not print, or not there: %s\nbut:\n%s", g.file, command, want, printed)
			}
			got := plain(rest[0])
			rest = rest[1:]
			if got == want {
				break
			}
		}
	}
}

// An indexEntry is what layers.json says of an archive.
type indexEntry struct {
	Name, Description, LicenseInfo, File, SHA256 string
	CompatibleRuntimes, CompatibleArchitectures  []string
}

// index reads layers.json.
func (g *guide) index() []indexEntry {
	g.t.Helper()
	var index struct{ Layers []indexEntry }
	if err := json.Unmarshal([]byte(g.read(".layerbuild/dist/layers.json")), &index); err != nil {
		g.t.Fatal(err)
	}
	return index.Layers
}

// disturb does what must not matter: it sets each file's time, empties the
// caches, removes what was built, and moves the folder.
func (g *guide) disturb(built ...string) {
	g.t.Helper()
	for _, name := range append(built, ".layerbuild") {
		if err := os.RemoveAll(filepath.Join(g.dir, name)); err != nil {
			g.t.Fatal(err)
		}
	}
	g.sh("cd " + g.dir + " && find . -exec touch -h -d 2001-02-03 {} +")
	moved := filepath.Join(g.t.TempDir(), "another place")
	if err := os.Rename(g.dir, moved); err != nil {
		g.t.Fatal(err)
	}
	g.dir, g.here, g.data = moved, moved, g.t.TempDir()
	if err := os.Mkdir(filepath.Join(g.data, "tmp"), 0o777); err != nil {
		g.t.Fatal(err)
	}
}
