package check

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The ids of the checks on what starts Python, or what is to start with it.
const (
	PythonEditable = "python-editable"
	PythonPth      = "python-pth"
	PythonScript   = "python-script"
)

var pythonStartRules = []Rule{
	{PythonEditable, Error, "a package of which the layer only knows where its code was", "pip install -e and its like leave the code where it is, and a .pth file or a finder that leads there, to a folder of the machine that made the layer.",
		"install the package itself: pip install without -e, uv sync --no-editable"},
	{PythonPth, Warning, "a .pth file that does something", "Python reads .pth files in its own site-packages only, and a layer is not that: the folders in them are not searched, the code in them does not run. Those for namespace packages (*-nspkg.pth), which Python needs no more, and setuptools' distutils-precedence.pth, without which a function that needs distutils has to import setuptools first, are not meant.",
		"let the function do at its start what the file says; or allow the finding, if that is not needed"},
	{PythonScript, Warning, "a command whose first line names a program that Lambda has not", "The first line of a script names its interpreter, and pip writes down the one that it runs in: a virtual environment's, or the machine's own. A function that starts the command ends with \"No such file or directory\".",
		"let layerbuild write the commands (consoleScripts: true), or leave bin/ out with excludeFiles"},
}

// placed is a finding in a folder, for whoever searches that.
type placed struct {
	Folder string `json:"folder,omitempty"` // see Python
	More   int    `json:"more,omitempty"`   // how many others there are like it
	Finding
}

// like says how many others there are like a finding.
func (f Finding) like(more int) Finding {
	switch {
	case more == 1:
		f.Problem += "; another one is like it"
	case more > 1:
		f.Problem += fmt.Sprintf("; %d others are like it", more)
	}
	return f
}

// pathFiles are the .pth files that Python would read if a layer were its
// site-packages.
func pathFiles(t runtimes.Tree, names []string) (found []placed) {
	folders := foldersOf(t)
	for _, name := range names {
		folder, rest, _ := inPython(name)
		if path.Ext(rest) != ".pth" || strings.Contains(rest, "/") || !t[name].Mode.IsRegular() {
			continue
		}
		data, err := t[name].ReadAll(maxSource)
		if err != nil {
			continue
		}
		if id, problem := pathFile(folders, name, data); problem != "" {
			found = append(found, placed{folder, 0, Finding{ID: id, Path: name, Package: t[name].Package, Problem: problem}})
		}
	}
	return found
}

// pathFile says what of a .pth file will be missed.
func pathFile(folders map[string]bool, name string, data []byte) (id, problem string) {
	base := path.Base(name)
	if base == "distutils-precedence.pth" || strings.HasSuffix(base, "-nspkg.pth") {
		return "", ""
	}
	if strings.HasPrefix(base, "__editable__") {
		return PythonEditable, "is of an editable install: the package's code is not in the layer"
	}
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		if strings.HasPrefix(text, "import ") || strings.HasPrefix(text, "import\t") {
			return PythonPth, fmt.Sprintf("is not read by Python in a layer: %s does not run", clip(text))
		}
		to, inLayer := text, true
		if path.IsAbs(to) {
			to, inLayer = strings.CutPrefix(to, "/opt/")
		} else if to = path.Join(path.Dir(name), to); to == ".." || strings.HasPrefix(to, "../") {
			inLayer = false
		}
		switch to = path.Clean(to); {
		case strings.HasPrefix(text, "/var/task"):
			return PythonPth, fmt.Sprintf("is not read by Python in a layer: %s is not searched", clip(text))
		case !inLayer:
			return PythonEditable, fmt.Sprintf("leads to %s, which is not in the layer", clip(text))
		case folders[to]:
			return PythonPth, fmt.Sprintf("is not read by Python in a layer: %s is not searched", to)
		}
	}
	return "", ""
}

// clip is a line that is quoted in a message.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// A Script is the commands of a layer that one interpreter runs.
type Script struct {
	Path        string `json:"path"` // of the first
	Package     string `json:"package,omitempty"`
	Interpreter string `json:"interpreter"` // the first line, without #!
	More        int    `json:"more,omitempty"`
}

// scriptsOf reads the first lines of commands, where pip puts these and where
// Lambda's PATH finds them. What lies in /opt is the layer's, or another one's.
func scriptsOf(t runtimes.Tree) (all []Script) {
	var names []string
	for name := range t {
		if dir := path.Dir(name); dir == "bin" || dir == "python/bin" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		line := firstLine(t[name])
		if line == "" || strings.HasPrefix(line, "/opt/") || strings.HasPrefix(line, "/var/task/") {
			continue
		}
		if i := slices.IndexFunc(all, func(s Script) bool { return s.Interpreter == line }); i >= 0 {
			all[i].More++
			continue
		}
		all = append(all, Script{Path: name, Package: t[name].Package, Interpreter: line})
	}
	return all
}

// firstLine is that of a script, without #!, "" for what is none, or one that
// nobody may run.
func firstLine(f runtimes.TreeFile) string {
	if !f.Mode.IsRegular() || f.Mode&fs.FileMode(0o111) == 0 {
		return ""
	}
	r, err := f.Open()
	if err != nil {
		return ""
	}
	defer r.Close()
	// Linux reads no further, either.
	line, _ := bufio.NewReader(io.LimitReader(r, 256)).ReadString('\n')
	line, ok := strings.CutPrefix(line, "#!")
	if !ok {
		return ""
	}
	return strings.Trim(line, " \t\n")
}

// findings says whether a target has the interpreter.
func (s Script) findings(t Target) []Finding {
	if has(t, s.Interpreter) {
		return nil
	}
	problem := fmt.Sprintf("starts with #!%s, which is no program of %s: its Python is %s", printable(s.Interpreter), t.Runtime.Name, t.Runtime.Interpreter)
	return []Finding{Finding{ID: PythonScript, Path: s.Path, Package: s.Package, Problem: problem}.like(s.More)}
}

// has tells whether a Python runtime has the program of a script's first line,
// in its image or by its PATH.
func has(t Target, line string) bool {
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) == 0 {
		return false
	}
	dir, program := path.Split(words[0])
	pythons := []string{"python", "python3", path.Base(t.Runtime.Interpreter)}
	switch dir {
	case "/var/lang/bin/":
		return slices.Contains(pythons, program)
	case "/bin/", "/usr/bin/":
	default:
		return false
	}
	if program != "env" {
		return program == "sh" || program == "bash"
	}
	words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") || strings.Contains(w, "=") })
	return len(words) > 0 && (slices.Contains(pythons, words[0]) || words[0] == "sh" || words[0] == "bash")
}
