// Package smoke loads what a layer's packages say that they have, in the image
// of the layer's runtime, and says what cannot be loaded.
//
// The terms:
//
//   - An item is one thing to load: a module, a package or a class. Which there
//     are, only the packages' metadata in the layer decides.
//   - A worker is a program in the runtime's own language that loads items, one
//     after the other, in one process. A crash ends it and the next worker goes
//     on behind the item; what failed is loaded once more by a worker that
//     loads nothing else, and only that counts.
//
// A worker takes its items from a file, one in each line, and adds lines to
// another, named results, by the number of an item:
//
//	start N      the item is being loaded
//	alone N      it is being loaded once more, by itself
//	ok N
//	fail N TEXT
//
// After each worker the script that starts them adds "exit STATUS".
package smoke

import (
	"bufio"
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Version changes whenever an earlier success says nothing any more.
const Version = 2

// timeLimit is how long one item may take: several times what the slowest
// packages need in an emulator.
const timeLimit = 3 * time.Minute

// An Item is one thing to load.
type Item struct {
	Name    string // as the runtime's language has it
	Package string // that brings it: name and version, or the jar
	line    string // what the worker is told
}

// A Failure is an item that could not be loaded.
type Failure struct {
	Item
	Problem string // in one line
}

// Items lists what a layer's packages bring for a runtime, without what skip
// names; unused are the members of skip that name nothing.
func Items(tree runtimes.Tree, info runtimes.Info, skip []string) (items []Item, unused []string, err error) {
	var all []Item
	switch info.Family {
	case "python":
		all, err = pythonItems(tree, info.Version)
	case "nodejs":
		all, err = nodeItems(tree, info.Version)
	case "java":
		all, err = javaItems(tree)
	}
	if err != nil {
		return nil, nil, err
	}
	used := make(map[string]bool)
	for _, item := range all {
		skipped := false
		for _, pattern := range skip {
			if matches(pattern, item.Name) {
				used[pattern], skipped = true, true
			}
		}
		if !skipped {
			items = append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b Item) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.line, b.line)) })
	unused = slices.DeleteFunc(slices.Clone(skip), func(s string) bool { return used[s] })
	return slices.CompactFunc(items, func(a, b Item) bool { return a.line == b.line }), unused, nil
}

// matches tells whether a pattern, in which each * stands for any characters,
// means a name.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[last])
}

//go:embed run.sh
var script []byte

// folder is where the step's files are in the container.
const folder = "/layerbuild"

// NewProbe describes how the items are loaded. Image, Arch and the layer are
// the caller's to set.
func NewProbe(items []Item, info runtimes.Info) runtimes.Probe {
	return newProbe(items, info, timeLimit)
}

func newProbe(items []Item, info runtimes.Info, limit time.Duration) runtimes.Probe {
	var list strings.Builder
	for _, item := range items {
		list.WriteString(item.line + "\n")
	}
	const output = folder + "/out"
	inputs := []runtimes.InlineFile{
		{Path: folder + "/run.sh", Data: script},
		{Path: folder + "/items", Data: []byte(list.String())},
	}
	// Each worker loads an item for the first time, or one for the second.
	args := []string{"/bin/sh", folder + "/run.sh", output, strconv.Itoa(2*len(items) + 2)}
	env := []string{
		"AWS_DEFAULT_REGION=us-east-1",
		"AWS_EXECUTION_ENV=AWS_Lambda_" + info.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024",
		"AWS_LAMBDA_FUNCTION_NAME=smoke-test",
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_REGION=us-east-1",
		"LAMBDA_RUNTIME_DIR=/var/runtime",
		"LAMBDA_TASK_ROOT=/var/task",
		"LANG=en_US.UTF-8",
		"LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
		"PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"TZ=:UTC",
	}
	var worker runtimes.InlineFile
	switch info.Family {
	case "python":
		worker = runtimes.InlineFile{Path: folder + "/worker.py", Data: pythonWorker}
		args = append(args, info.Interpreter, worker.Path)
		env = append(env, "PYTHONPATH=/opt/"+pythonFolder(info.Version)+":/opt/python")
	case "nodejs":
		worker = runtimes.InlineFile{Path: folder + "/worker.js", Data: nodeWorker}
		args = append(args, info.Interpreter, worker.Path)
		env = append(env, "NODE_PATH=/opt/"+nodeFolder(info.Version)+":/opt/nodejs/node_modules:/var/runtime/node_modules")
	case "java":
		worker = runtimes.InlineFile{Path: folder + "/" + javaWorkerName + ".class", Data: javaWorker}
		args = append(args, info.Interpreter, "-cp", folder+":/opt/java/lib/*", javaWorkerName)
	}
	args = append(args, folder+"/items", output, strconv.Itoa(int(limit.Seconds())))
	slices.Sort(env)
	return runtimes.Probe{
		Step:   runtimes.Step{Name: fmt.Sprintf("load %d modules", len(items)), Args: args, Env: env, Inputs: append(inputs, worker)},
		Output: output,
	}
}

// ReadResults says which items failed, by what the workers have written. An
// item of which nothing is written is an error: it is not known whether it
// can be loaded.
func ReadResults(r io.Reader, items []Item) ([]Failure, error) {
	return readResults(r, items, timeLimit)
}

func readResults(r io.Reader, items []Item, limit time.Duration) ([]Failure, error) {
	const ok = "ok"
	state := make([]string, len(items))
	current := -1 // that a worker has begun and not ended
	ended := ""   // how the last worker did
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		number, text, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(number)
		if err != nil || word != "exit" && (n < 0 || n >= len(items)) {
			return nil, fmt.Errorf("the smoke test wrote %q", lines.Text())
		}
		switch word {
		case "start", "alone":
			current = n
		case "ok":
			state[n], current = ok, -1
		case "fail":
			state[n], current = text, -1
		case "exit":
			if current >= 0 {
				state[current] = ending(n, limit)
			}
			current, ended = -1, number
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	var failures []Failure
	for i, s := range state {
		switch s {
		case "":
			return nil, fmt.Errorf("the smoke test ended before %s was loaded (exit status %s)", items[i].Name, ended)
		case ok:
		default:
			failures = append(failures, Failure{items[i], s})
		}
	}
	return failures, nil
}

// signals are those that end a process by a defect in it, by their numbers on
// Linux.
var signals = map[int]string{4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM", 31: "SIGSYS"}

// ending says how an item has ended its worker, by the shell's status.
func ending(status int, limit time.Duration) string {
	const alarm = 14
	switch n := status - 128; {
	case n == alarm:
		return fmt.Sprintf("does not end: given up after %v", limit)
	case signals[n] != "":
		return "crashes the runtime with " + signals[n]
	case n > 0:
		return fmt.Sprintf("crashes the runtime with signal %d", n)
	}
	return fmt.Sprintf("ends the runtime with exit status %d", status)
}

// A FailedError says what of a layer cannot be loaded.
type FailedError struct {
	Runtime  string
	Arch     runtimes.Arch
	Failures []Failure
	Loaded   int // without failure
}

func (e *FailedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d cannot be loaded by %s on %s [import]:", len(e.Failures), len(e.Failures)+e.Loaded, e.Runtime, e.Arch)
	for _, f := range e.Failures {
		fmt.Fprintf(&b, "\n  %s (of %s): %s", f.Name, f.Package, f.Problem)
	}
	return b.String()
}
