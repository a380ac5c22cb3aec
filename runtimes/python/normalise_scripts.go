package python

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// commands are the commands that layerbuild writes for a package: path in
// the layer → content.
type commands map[string][]byte

// commands makes those of d from its entry points.
func (n *normaliser) commands(d *dist) (commands, error) {
	if !n.recipe.ConsoleScripts {
		return nil, nil
	}
	file, ok := n.in[path.Join(d.site, d.info, "entry_points.txt")]
	if !ok {
		return nil, nil
	}
	data, err := file.ReadAll(maxInfoFile)
	if err != nil {
		return nil, fmt.Errorf("%s: entry_points.txt: %w", d.file, err)
	}
	points, err := parseEntryPoints(data)
	if err != nil {
		return nil, d.errorf("entry_points.txt: %v", err)
	}
	made := commands{}
	for _, p := range points {
		made["bin/"+p.Name] = p.command(n.recipe)
	}
	return made, nil
}

// writes tells whether the installed command at p is replaced by one of c.
// As pip and uv do, the forms that a wheel may ship for other systems count.
func (c commands) writes(d *dist, p string) bool {
	if d.name == "pip" && versionedPip.MatchString(p) {
		return true
	}
	for _, suffix := range []string{"", ".exe", "-script.py", ".pya"} {
		stem, ok := strings.CutSuffix(p, suffix)
		if _, made := c[stem]; ok && made {
			return true
		}
	}
	return false
}

// versionedPip matches the command that uv makes up for pip, and no other.
var versionedPip = regexp.MustCompile(`^bin/pip3\.[0-9]+$`)

// command is the program that calls the entry point. Lambda's search path
// holds the layer in the function's own process only, so the command finds
// its packages by itself.
func (p entryPoint) command(r runtimes.Recipe) []byte {
	first, _, _ := strings.Cut(p.Attr, ".")
	return fmt.Appendf(nil, `#!%s
import os
import sys

root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(root, %q))

from %s import %s

if __name__ == "__main__":
    sys.exit(%s())
`, r.Interpreter, r.Prefix, p.Module, first, p.Attr)
}

// script checks a script that a wheel ships and points its first line to the
// target's Python.
func (n *normaliser) script(d *dist, e wheel.Entry, f runtimes.TreeFile) (runtimes.TreeFile, error) {
	// The first line decides; most programs that are not Python's are big.
	head, err := readHead(f, 512)
	if err != nil {
		return f, fmt.Errorf("%s: %s: %w", d.file, e.Path, err)
	}
	if pythonLine(head) == 0 {
		return f, nil
	}
	data, err := f.ReadAll(maxInfoFile)
	if err != nil {
		return f, d.errorf("%s: %v", e.Path, err)
	}
	return runtimes.NewTreeFile([]byte("#!"+n.recipe.Interpreter+"\n"+string(data[pythonLine(data):])), true), nil
}

// absolutePython matches the first line as uv writes it.
var absolutePython = regexp.MustCompile(`^#!/[^ \t\r\n]*/python[0-9.]*w?\n`)

// pythonLine gives the length of a first line that is to be replaced, with
// its line ending: that of the wheel specification, "#!python" and whatever
// follows, or uv's form of it, an absolute path.
func pythonLine(head []byte) int {
	if m := absolutePython.Find(head); m != nil {
		return len(m)
	}
	if !bytes.HasPrefix(head, []byte("#!python")) {
		return 0
	}
	end := bytes.IndexAny(head, "\r\n")
	switch {
	case end < 0:
		return len(head)
	case bytes.HasPrefix(head[end:], []byte("\r\n")):
		return end + 2
	}
	return end + 1
}
