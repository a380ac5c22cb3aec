package java

import (
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Maven is asked with poms that hold what decides dependencies and nothing
// else. So a new plugin, a comment or another developer makes no resolution
// stale, and no plugin of the project runs but those that extend Maven itself.

// says lists the elements that decide no dependency.
var says = []string{
	"name", "description", "url", "inceptionYear", "organization", "licenses", "developers", "contributors",
	"mailingLists", "prerequisites", "scm", "issueManagement", "ciManagement", "distributionManagement",
	"reporting", "reports", "modules",
}

// reduce takes out of p what decides no dependency. extensions are the plugins
// that extend Maven.
func (p *pom) reduce(extensions []string) {
	for _, scope := range p.scopes() {
		scope.drop(func(e *element) bool { return slices.Contains(says, e.name) })
		build := scope.child("build")
		build.drop(func(e *element) bool {
			return e.name != "extensions" && e.name != "plugins" && e.name != "pluginManagement"
		})
		for _, plugins := range []*element{build.child("plugins"), build.child("pluginManagement", "plugins")} {
			plugins.drop(func(e *element) bool { return !slices.Contains(extensions, e.value("artifactId")) })
			for _, plugin := range plugins.list() {
				plugin.drop(func(e *element) bool { return e.name == "executions" || e.name == "configuration" })
			}
		}
		scope.drop(func(e *element) bool { return e.name == "build" && e.bare() })
	}
}

// bare tells whether no text is in e or below it.
func (e *element) bare() bool {
	return e.text == "" && !slices.ContainsFunc(e.children, func(c *element) bool { return !c.bare() })
}

// extensions are the artifacts of the plugins that extend Maven: with types of
// dependencies, or properties such as the one that names the machine.
func extensions(all []*pom) []string {
	var names []string
	for _, p := range all {
		for _, scope := range p.scopes() {
			for _, plugins := range [][]*element{scope.list("build", "plugins"), scope.list("build", "pluginManagement", "plugins")} {
				for _, plugin := range plugins {
					if plugin.value("extensions") == "true" {
						names = append(names, plugin.value("artifactId"))
					}
				}
			}
		}
	}
	return names
}

// exclude leaves modules out, with what only they need: a dependency on one of
// them goes, and all others get it as an exclusion, which Maven obeys for all
// that they bring.
func (p *pom) exclude(modules []string) {
	unwanted := make(map[*element]bool)
	for _, d := range p.dependencies() {
		if !d.managed && slices.ContainsFunc(modules, func(m string) bool { return matchesModule(m, d) }) {
			unwanted[d.element] = true
		}
	}
	for _, scope := range p.scopes() {
		dependencies := scope.child("dependencies")
		dependencies.drop(func(e *element) bool { return unwanted[e] })
		for _, d := range scope.list("dependencies") {
			exclusions := d.child("exclusions")
			if exclusions == nil {
				exclusions = branch("exclusions")
				d.children = append(d.children, exclusions)
			}
			for _, m := range modules {
				group, name, _ := strings.Cut(m, ":")
				exclusions.children = append(exclusions.children, branch("exclusion", leaf("groupId", group), leaf("artifactId", name)))
			}
		}
	}
}

func matchesModule(pattern string, d dependency) bool {
	group, name, _ := strings.Cut(pattern, ":")
	return (group == "*" || group == d.group) && (name == "*" || name == d.name)
}

// checkExclude demands what Maven can exclude.
func checkExclude(modules []string) error {
	for _, m := range modules {
		group, name, found := strings.Cut(m, ":")
		for _, part := range []string{group, name} {
			if !found || part == "" || part != "*" && strings.ContainsAny(part, "*?[]{}: ") || m == "*:*" {
				return &runtimes.InputError{
					Problem: "exclude: " + m + " is no module of Maven's",
					Hint:    "a module is excluded by group:artifact; * stands for all of one of the two",
				}
			}
		}
	}
	return nil
}

// reactorName is a pom of our own beside the outermost one. It names the
// modules of the project that Maven must know, since no repository has them.
const reactorName = "layerbuild-modules.xml"

// inputs are the files that Maven is asked with.
func (p *poms) inputs(exclude []string) []runtimes.InlineFile {
	all := p.needed()
	names := extensions(all)
	var inputs []runtimes.InlineFile
	for _, q := range all {
		if len(exclude) > 0 {
			q.exclude(exclude)
		}
		q.reduce(names)
		inputs = append(inputs, runtimes.InlineFile{Path: q.file, Data: q.root.format()})
	}
	if len(p.siblings) > 0 {
		inputs = append(inputs, runtimes.InlineFile{Path: reactorName, Data: p.reactorPom()})
	}
	return inputs
}

func (p *poms) reactorPom() []byte {
	modules := branch("modules")
	for _, q := range append([]*pom{p.module}, p.siblings...) {
		modules.children = append(modules.children, leaf("module", q.file))
	}
	slices.SortFunc(modules.children, func(a, b *element) int { return strings.Compare(a.text, b.text) })
	root := branch("project", leaf("modelVersion", "4.0.0"), leaf("groupId", "layerbuild"),
		leaf("artifactId", "layerbuild-modules"), leaf("version", "1"), leaf("packaging", "pom"), modules)
	return root.format()
}

// mavenFiles are read by Maven wherever the folder of a project, or one above
// it, has them.
var mavenFiles = []string{".mvn/maven.config", ".mvn/extensions.xml"}

// maxMavenFile bounds each of [mavenFiles].
const maxMavenFile = 64 << 10

// options are the project's own settings of Maven, those of the innermost
// folder that has a .mvn.
func (p *poms) options() ([]runtimes.InlineFile, error) {
	for dir := path.Dir(p.module.file); ; dir = path.Dir(dir) {
		var found []runtimes.InlineFile
		for _, name := range mavenFiles {
			file := path.Join(dir, name)
			data, err := readSmall(p.project, file, maxMavenFile)
			if err != nil {
				return nil, err
			}
			if data != nil {
				found = append(found, runtimes.InlineFile{Path: file, Data: data})
			}
		}
		if len(found) > 0 || dir == "." {
			return found, nil
		}
	}
}
