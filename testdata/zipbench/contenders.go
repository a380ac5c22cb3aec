package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// A contender archives the working folder, whose names are top, in out.
type contender struct {
	Name  string // for -contender and zip.json
	Label string // for people
	Kind  kind
	args  func(top []string, out string) []string
	// Of zipper: how many workers, and whether what it writes is read back.
	workers int
	verify  bool
}

type kind int

const (
	peer    kind = iota
	full         // zipper, from nothing
	spliced      // zipper, from an archive of the tree as it was before an edit
)

// contenders are all; the first is what the others are compared with.
func contenders() ([]contender, error) {
	seven, err := exec.LookPath("7zz")
	if err != nil {
		if seven, err = exec.LookPath("7z"); err != nil {
			return nil, fmt.Errorf("%w (Debian's 7zip has it: make deps)", err)
		}
	}
	for _, name := range []string{"zip", "bsdtar"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("%w (Debian's zip and libarchive-tools have them: make deps)", err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// command gives a contender's arguments: args, the archive, the names.
	command := func(args ...string) func([]string, string) []string {
		return func(top []string, out string) []string {
			return append(append(args[:len(args):len(args)], out), top...)
		}
	}
	library := func(args ...string) func([]string, string) []string {
		return func(_ []string, out string) []string {
			return append(append([]string{exe, "pack"}, args...), out)
		}
	}
	list := []contender{
		{Name: "zip9", Label: "zip -9 -r", args: command("zip", "-q", "-9", "-r")},
		{Name: "zip6", Label: "zip -6 -r", args: command("zip", "-q", "-6", "-r")},
		{Name: "7z1", Label: "7-Zip -mx=1", args: command(seven, "a", "-tzip", "-mx=1", "-bso0", "-bsp0")},
		{Name: "7z5", Label: "7-Zip -mx=5", args: command(seven, "a", "-tzip", "-mx=5", "-bso0", "-bsp0")},
		{Name: "bsdtar", Label: "bsdtar", args: command("bsdtar", "--format", "zip", "-cf")},
		{Name: "fastzip", Label: "fastzip", args: library("-with", "fastzip")},
		{Name: "gozip", Label: "Go's archive/zip", args: library("-with", "gozip")},
	}
	workers := []int{1, 2}
	if n := runtime.NumCPU(); n > 2 {
		workers = append(workers, n)
	}
	for _, verify := range []bool{false, true} {
		for _, n := range workers {
			list = append(list, ours(full, n, verify, library))
		}
		list = append(list, ours(spliced, workers[len(workers)-1], verify, library))
	}
	return list, nil
}

func ours(k kind, workers int, verify bool, library func(...string) func([]string, string) []string) contender {
	c := contender{
		Name:  fmt.Sprintf("zipper-%d", workers),
		Label: fmt.Sprintf("zipper, %d workers", workers), Kind: k, workers: workers, verify: verify,
	}
	if workers == 1 {
		c.Label = "zipper, 1 worker"
	}
	args := []string{"-with", "zipper", "-workers", fmt.Sprint(workers)}
	if k == spliced {
		c.Name, c.Label = "splice", "zipper, 1 % changed"
	}
	if verify {
		c.Name += "-verify"
		c.Label += ", read back"
		args = append(args, "-verify")
	}
	c.args = library(args...)
	return c
}
