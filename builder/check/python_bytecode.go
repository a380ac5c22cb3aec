package check

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pyc"
)

// The ids of the checks on bytecode.
const (
	PythonBytecode = "python-bytecode"
	PythonStale    = "python-stale"
	PythonCode     = "python-code"
)

var pythonBytecodeRules = []Rule{
	{PythonBytecode, Warning, "bytecode that is never used", "A .pyc file of another Python, or one in __pycache__ without the source beside that folder, is not read: it only takes room. Python compiles the modules again whenever a function starts, as Lambda gives it no place to keep the result in.",
		"leave it out with excludeFiles: \"**/__pycache__/**\"; bytecode: true makes what the runtime uses"},
	{PythonStale, Warning, "bytecode that does not go with its source", "Python sees by size or hash that the source is another one, and compiles it again whenever a function starts. The time that bytecode may be bound to is not compared: it is the unpacked file's.",
		"compile it again, or leave it out with excludeFiles: \"**/__pycache__/**\""},
	{PythonCode, Error, "bytecode that runs in the place of another source, or that does not load", "Bytecode that is bound to its source by an unchecked hash (PEP 552) runs whatever stands in the source: a function would run code that nobody sees. A module that has bytecode alone, m.pyc, does not load in another Python: \"bad magic number\".",
		"compile it again, for the runtime's Python, or leave it out"},
}

// Bytecode is compiled modules that are alike but for their paths.
type Bytecode struct {
	Path    string   `json:"path"` // of the first
	Package string   `json:"package,omitempty"`
	Folder  string   `json:"folder,omitempty"` // see Python
	Tags    []string `json:"tags,omitempty"`   // of the Pythons that a module has some for; none where there is no source
	Number  uint16   `json:"number,omitempty"` // the magic number of such
	More    int      `json:"more,omitempty"`   // how many others there are
}

// A compiled is what bytecode is found to be: used by some Python, or a defect
// whatever the target.
type compiled struct {
	used   []Bytecode
	placed []placed
}

// bytecodeOf reads the heads of compiled modules and, where these are bound to
// their sources by a hash, the sources.
func bytecodeOf(t runtimes.Tree, names []string) (c compiled) {
	tags := make(map[string]*Bytecode) // by source
	var sources []string
	for _, name := range names {
		if path.Ext(name) != ".pyc" || !t[name].Mode.IsRegular() {
			continue
		}
		folder, _, _ := inPython(name)
		source, tag, cached := pyc.Module(name)
		if !cached {
			c.alone(t, name, folder)
			continue
		}
		text, ok := t[source]
		if !ok {
			c.place(t, PythonBytecode, name, "is bytecode in __pycache__ without its source, "+path.Base(source)+": it is not read")
			continue
		}
		if tags[source] == nil {
			sources = append(sources, source)
			tags[source] = &Bytecode{Path: name, Package: t[name].Package, Folder: folder}
		}
		tags[source].Tags = append(tags[source].Tags, tag)
		if id, problem := stale(t[name], text, tag); problem != "" {
			c.place(t, id, name, problem)
		}
	}
	for _, source := range sources {
		c.use(*tags[source])
	}
	return c
}

// alone looks at bytecode outside of a __pycache__: it is the module where that
// has no source. What packages bring to test themselves with may be anything.
func (c *compiled) alone(t runtimes.Tree, name, folder string) {
	if _, ok := t[strings.TrimSuffix(name, "c")]; ok || strings.Contains(name, "/test") {
		return
	}
	b := Bytecode{Path: name, Package: t[name].Package, Folder: folder}
	if head, err := headOf(t[name]); err == nil {
		b.Number = head.Number()
		c.use(b)
	}
}

func (c *compiled) use(b Bytecode) {
	for i, other := range c.used {
		if other.Folder == b.Folder && other.Number == b.Number && slices.Equal(other.Tags, b.Tags) {
			c.used[i].More++
			return
		}
	}
	c.used = append(c.used, b)
}

// place adds a defect that is one whatever the target. Of warnings, the first
// tells.
func (c *compiled) place(t runtimes.Tree, id, name, problem string) {
	folder, _, _ := inPython(name)
	if rule, _ := RuleOf(id); rule.Severity == Warning {
		for i, p := range c.placed {
			if p.ID == id && p.Folder == folder {
				c.placed[i].More++
				return
			}
		}
	}
	c.placed = append(c.placed, placed{folder, 0, Finding{ID: id, Path: name, Package: t[name].Package, Problem: problem}})
}

// headOf reads the head of a compiled module.
func headOf(f runtimes.TreeFile) (pyc.Head, error) {
	r, err := f.Open()
	if err != nil {
		return pyc.Head{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, pyc.HeadSize))
	if err != nil {
		return pyc.Head{}, err
	}
	return pyc.Parse(data)
}

// maxSource bounds what is read of a module's source.
const maxSource = 64 << 20

// stale says what is wrong with the bytecode of a source, "" where nothing is.
func stale(f, source runtimes.TreeFile, tag string) (id, problem string) {
	head, err := headOf(f)
	if err != nil {
		return PythonStale, "is " + err.Error()
	}
	if number, ok := pyc.Number(versionOf(tag)); ok && head.Number() != number {
		return PythonStale, fmt.Sprintf("has the magic number %d, and that of %s is %d", head.Number(), tag, number)
	}
	if head.Flags&pyc.ByHash == 0 {
		if head.Size() != uint32(source.Size) {
			return PythonStale, fmt.Sprintf("was compiled from a source of %d bytes, and that beside it has %d", head.Size(), source.Size)
		}
		return "", ""
	}
	text, err := source.ReadAll(maxSource)
	if err != nil || pyc.SourceHash(head.Magic, text) == head.Hash() {
		return "", ""
	}
	if head.Flags&pyc.Checked != 0 {
		return PythonStale, "was compiled from another source than the one beside it"
	}
	return PythonCode, "was compiled from another source than the one beside it, and Python runs it without looking"
}

// versionOf is the X.Y of a tag such as "cpython-313", "" where it is not one of
// CPython's.
func versionOf(tag string) string {
	digits, ok := strings.CutPrefix(tag, "cpython-")
	if !ok || len(digits) < 2 {
		return ""
	}
	return digits[:1] + "." + digits[1:]
}

// findings says whether a target's Python uses the bytecode.
func (b Bytecode) findings(t Target) []Finding {
	f := Finding{Path: b.Path, Package: b.Package}
	if b.Tags == nil {
		number, known := pyc.Number(t.Runtime.Version)
		if !known || number == b.Number {
			return nil
		}
		f.ID, f.Problem = PythonCode, fmt.Sprintf("is a module without a source, compiled by a Python with the magic number %d, and that of %s is %d", b.Number, t.Runtime.Name, number)
	} else {
		own := "cpython-" + strings.ReplaceAll(t.Runtime.Version, ".", "")
		if slices.Contains(b.Tags, own) {
			return nil
		}
		f.ID, f.Problem = PythonBytecode, fmt.Sprintf("is bytecode of %s, which %s does not read", list(b.Tags), t.Runtime.Name)
	}
	return []Finding{f.like(b.More)}
}
