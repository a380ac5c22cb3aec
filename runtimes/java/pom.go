package java

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// pom is a project's description of itself for Maven. What is asked of it here
// is which files of the project Maven must see: what they come to, Maven says.
type pom struct {
	file   string // as a path in the project
	root   *element
	parent *pom // in the project, nil for one that repositories have, or none
}

// readPom reads one pom, without its parent.
func readPom(project fs.FS, file string) (*pom, error) {
	f, err := project.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPomSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxPomSize {
		return nil, &runtimes.InputError{File: file, Problem: fmt.Sprintf("has more than %d bytes", maxPomSize)}
	}
	return parsePom(file, data)
}

func parsePom(file string, data []byte) (*pom, error) {
	root, err := parseXML(file, bytes.TrimPrefix(data, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	if root.name != "project" {
		return nil, &runtimes.InputError{File: file, Line: root.line, Problem: fmt.Sprintf("is no pom: it is a <%s>, not a <project>", root.name)}
	}
	return &pom{file: file, root: root}, nil
}

// parentFile is where the parent is said to be in the project, "" where only
// repositories are to be asked, or there is none. It may lead out of the
// project.
func (p *pom) parentFile() string {
	parent := p.root.child("parent")
	if parent == nil {
		return ""
	}
	file := "../pom.xml"
	if relative := parent.child("relativePath"); relative != nil {
		if file = strings.ReplaceAll(relative.text, `\`, "/"); file == "" {
			return ""
		}
	}
	return path.Join(path.Dir(p.file), file)
}

// isParent tells whether p is the one that a child means by its <parent>; Maven
// passes over another file that happens to lie there.
func (p *pom) isParent(child *pom) bool {
	return p.root.value("artifactId") == child.root.value("parent", "artifactId") &&
		p.group() == child.root.value("parent", "groupId")
}

// chain is p, its parent, and so on.
func (p *pom) chain() []*pom {
	var all []*pom
	for ; p != nil; p = p.parent {
		all = append(all, p)
	}
	return all
}

func (p *pom) group() string {
	if group := p.root.value("groupId"); group != "" {
		return group
	}
	return p.root.value("parent", "groupId")
}

func (p *pom) version() string {
	if version := p.root.value("version"); version != "" {
		return version
	}
	return p.root.value("parent", "version")
}

// module is "group:artifact".
func (p *pom) module() string { return p.group() + ":" + p.root.value("artifactId") }

// scopes are the parts of a pom that hold for everyone and those of its
// profiles.
func (p *pom) scopes() []*element {
	return append([]*element{p.root}, p.root.list("profiles")...)
}

// modules are the files of the modules that p names.
func (p *pom) modules() []string {
	var files []string
	for _, scope := range p.scopes() {
		for _, m := range scope.list("modules") {
			file := path.Join(path.Dir(p.file), strings.ReplaceAll(m.text, `\`, "/"))
			if m.text != "" && !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files
}

// properties are those that hold in p, with what Maven calls project.….
func (p *pom) properties() map[string]string {
	all := make(map[string]string)
	for _, q := range slices.Backward(p.chain()) {
		for _, property := range q.root.list("properties") {
			all[property.name] = property.text
		}
	}
	for _, prefix := range []string{"project.", "pom."} {
		maps.Copy(all, map[string]string{
			prefix + "groupId": p.group(), prefix + "artifactId": p.root.value("artifactId"), prefix + "version": p.version(),
			prefix + "parent.groupId": p.root.value("parent", "groupId"), prefix + "parent.version": p.root.value("parent", "version"),
		})
	}
	return all
}

var propertyPattern = regexp.MustCompile(`\$\{([^${}]+)\}`)

// maxPropertyDepth and maxValue bound what properties that name each other
// come to.
const (
	maxPropertyDepth = 10
	maxValue         = 2000
)

// fill puts properties into a text. Those that are not known stay.
func fill(text string, properties map[string]string) string {
	for range maxPropertyDepth {
		next := propertyPattern.ReplaceAllStringFunc(text, func(use string) string {
			if value, ok := properties[use[2:len(use)-1]]; ok {
				return value
			}
			return use
		})
		if next == text || len(next) > maxValue {
			break
		}
		text = next
	}
	return text
}

// dependency is one that a pom declares, with properties filled in where they
// are known.
type dependency struct {
	element *element
	group   string
	name    string
	version string
	imports bool // it is a list of managed versions, see <scope>import</scope>
	managed bool // it only says which version others get
}

func (d dependency) module() string { return d.group + ":" + d.name }

// dependencies are those that p itself declares, whatever for.
func (p *pom) dependencies() []dependency {
	properties := p.properties()
	var all []dependency
	add := func(list []*element, managed bool) {
		for _, e := range list {
			d := dependency{
				element: e, managed: managed,
				group:   fill(e.value("groupId"), properties),
				name:    fill(e.value("artifactId"), properties),
				version: fill(e.value("version"), properties),
			}
			d.imports = managed && e.value("scope") == "import"
			all = append(all, d)
		}
	}
	for _, scope := range p.scopes() {
		add(scope.list("dependencies"), false)
		add(scope.list("dependencyManagement", "dependencies"), true)
	}
	return all
}

// isOpen tells whether a version may stand for another one tomorrow.
func isOpen(version string) bool {
	return strings.ContainsAny(version, "[(,") || strings.HasSuffix(version, "-SNAPSHOT") ||
		version == "LATEST" || version == "RELEASE"
}
