package doctor

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// escapes set colours, which Maven does also where nobody sees them.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Tool is a program that builds may call.
type Tool struct {
	Names  []string // the first that is found counts
	Args   []string // that have it print its version
	For    string   // what it is used for
	Needed string   // what of the configuration needs it, or ""
	Fix    string
}

// Check asks the tool for its version.
func (t Tool) Check() Check {
	return Check{Subject: t.Names[0], Look: func(ctx context.Context) []Finding { return []Finding{t.look(ctx)} }}
}

func (t Tool) look(ctx context.Context) Finding {
	f := Finding{Subject: t.Names[0]}
	for _, name := range t.Names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		cmd := exec.CommandContext(ctx, path, t.Args...)
		cmd.WaitDelay = time.Second // for what it may have started, as mvn does Java
		out, err := cmd.CombinedOutput()
		if err != nil {
			f.Status, f.Text, f.Fix = t.lacking(), fmt.Sprintf("%s does not run: %v", path, err), t.Fix
			return f
		}
		line, _, _ := bytes.Cut(bytes.TrimSpace(escapes.ReplaceAll(out, nil)), []byte("\n"))
		f.Status, f.Text = OK, strings.TrimSpace(string(line))+" ("+path+")"
		return f
	}
	f.Status, f.Text = t.lacking(), "not found; "+t.For
	if f.Status != OK {
		f.Text, f.Fix = "not found, and "+t.Needed, t.Fix
	}
	return f
}

func (t Tool) lacking() Status {
	if t.Needed == "" {
		return OK
	}
	return Warn
}
