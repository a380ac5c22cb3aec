package check

import (
	"fmt"
	"io/fs"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The ids of the checks on files' modes. What layerbuild packs has modes of its
// own making; these are for archives that something else has made.
const (
	ModeRead   = "mode-read"
	ModeRun    = "mode-run"
	ModeSetID  = "mode-setid"
	ModeDevice = "mode-device"
)

var modeRules = []Rule{
	{ModeRead, Error, "a file that not everybody may read", "Lambda unpacks a layer with the modes that the zip states and runs functions as a user of its own. It refuses such a layer (\"Some files do not have read permissions\"), or the function does not find its modules.",
		"give files the mode 0644, or 0755 where they are programs, or pack them with layerbuild zip"},
	{ModeRun, Warning, "a program that only its owner may run", "Functions run as a user of their own: the program fails with \"permission denied\". A library needs no such permission.",
		"give it the mode 0755"},
	{ModeSetID, Warning, "a program that would run as another user or group", "The set-id bits do nothing in a function, and some unpackers and scanners refuse a file that has them.",
		"chmod ug-s"},
	{ModeDevice, Error, "a device, a named pipe or a socket", "A layer holds files and links. What unpacks the archive makes an empty file of it, or fails.",
		"leave it out"},
}

// modeFindings are modes and kinds of files that no layer should have.
func modeFindings(t runtimes.Tree) (found []Finding) {
	for _, name := range t.Paths() {
		f := t[name]
		add := func(id, format string, args ...any) {
			found = append(found, Finding{ID: id, Path: name, Package: f.Package, Problem: fmt.Sprintf(format, args...)})
		}
		if f.Mode&fs.ModeSymlink != 0 {
			continue
		}
		if kind := deviceKind(f.Mode); kind != "" {
			add(ModeDevice, "is %s", kind)
			continue
		}
		perm := f.Mode.Perm()
		if perm&0o404 != 0o404 {
			add(ModeRead, "has the mode %04o, with which not everybody may read it", perm)
		} else if perm&0o100 != 0 && perm&0o001 == 0 {
			add(ModeRun, "has the mode %04o, with which only its owner or group may run it", perm)
		}
		if f.Mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
			add(ModeSetID, "has a set-id bit (%s)", f.Mode)
		}
	}
	return found
}

// deviceKind says what a file is that is neither a regular file nor a link, ""
// where it is one of these.
func deviceKind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return ""
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "no regular file"
}
