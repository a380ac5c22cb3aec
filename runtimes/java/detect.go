package java

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Detect says what a layer of the folder dir would be read from, and for which
// version of Java the project is. It returns an [*runtimes.InputError] where dir
// has a project that nothing locks.
func (Runtime) Detect(project fs.FS, dir string) (runtimes.Detected, error) {
	if !runtimes.HasProject(project, dir, "java") {
		return runtimes.Detected{}, nil
	}
	found, err := findLock(project, runtimes.Target{Path: dir})
	if err != nil {
		return runtimes.Detected{}, err
	}
	d := runtimes.Detected{LockFile: found.file, Notes: found.notes}
	if found.gradle {
		d.Versions, d.Parts = gradleFacts(project, dir)
	} else {
		poms, err := readPoms(project, found.file)
		if err != nil {
			return d, err
		}
		if poms.module.root.value("packaging") == "pom" {
			d.Empty = found.file + " holds modules together (packaging pom) and runs nothing itself"
			return d, nil
		}
		d.Versions = pomFacts(poms.module)
		for _, sibling := range poms.siblings {
			d.Parts = append(d.Parts, path.Dir(sibling.file))
		}
	}
	if file, version := runtimes.VersionFile(project, dir, "java", ".java-version", ".sdkmanrc"); file != "" {
		d.Versions = append(d.Versions, versionFact(version, "as "+file+" says: "+version)...)
	}
	return d, nil
}

// majorVersion finds the number in what people call a version of Java: 17, 1.8,
// VERSION_17, temurin-21.0.2+13, java=21.0.2-tem.
var majorVersion = regexp.MustCompile(`^(?:[A-Za-z_]+[-=_])*(?:1[._])?([0-9]+)`)

// versionFact is that a project wants a version of Java, or, where Lambda has
// not that one, the next that it has.
func versionFact(text, says string) []runtimes.VersionFact {
	m := majorVersion.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return nil
	}
	wanted, err := strconv.Atoi(m[1])
	if err != nil {
		return nil
	}
	var has []int
	for _, info := range runtimes.Table() {
		if n, err := strconv.Atoi(info.Version); err == nil && info.Family == "java" && n >= wanted {
			has = append(has, n)
		}
	}
	if len(has) == 0 {
		return []runtimes.VersionFact{{Says: says, Allows: func(string) bool { return false }}}
	}
	next := strconv.Itoa(slices.Min(has))
	return []runtimes.VersionFact{{Says: says, Allows: func(version string) bool { return version == next }}}
}

// pomFacts are what a pom says of Java's version, with its parents' properties.
func pomFacts(p *pom) []runtimes.VersionFact {
	properties := p.properties()
	for _, name := range []string{"maven.compiler.release", "maven.compiler.target", "maven.compiler.source", "java.version"} {
		if version := fill(properties[name], properties); version != "" {
			return versionFact(version, "as "+name+" of "+p.file+" says: "+version)
		}
	}
	for _, q := range p.chain() {
		for _, plugin := range q.root.list("build", "plugins") {
			for _, name := range []string{"release", "target", "source"} {
				version := fill(plugin.value("configuration", name), properties)
				if plugin.value("artifactId") == "maven-compiler-plugin" && version != "" {
					return versionFact(version, "as "+name+" of maven-compiler-plugin in "+q.file+" says: "+version)
				}
			}
		}
	}
	return nil
}

// What a build script of Gradle says of Java's version, the words that bind
// most first. Scripts are programs, and are not run.
var gradleVersions = []*regexp.Regexp{
	regexp.MustCompile(`\brelease\s*(?:=|\.set\()\s*([0-9]+)`),
	regexp.MustCompile(`JavaLanguageVersion\.of\(\s*["']?([0-9]+)`),
	regexp.MustCompile(`\bjvmToolchain\(\s*([0-9]+)`),
	regexp.MustCompile(`\b(?:target|source)Compatibility\s*=?\s*(?:JavaVersion\.)?["']?((?:VERSION_)?[0-9][0-9._]*)`),
}

var gradleSiblings = regexp.MustCompile(`\bproject\(\s*(?:path\s*[:=]\s*)?["'](:[\w:.-]+)["']`)

// gradleFacts are what the build scripts of dir and of the folders above it say
// of Java's version, and the sub-projects that the one in dir needs.
func gradleFacts(project fs.FS, dir string) (facts []runtimes.VersionFact, parts []string) {
	dir = path.Clean(dir)
	var needed []string
	for at := dir; ; at = path.Dir(at) {
		for _, name := range gradleScripts {
			file := path.Join(at, name)
			data, err := readBounded(project, file, maxScript)
			if err != nil {
				continue
			}
			for _, words := range gradleVersions {
				if m := words.FindSubmatch(data); m != nil && facts == nil {
					facts = versionFact(string(m[1]), "as "+file+" says: "+string(m[1]))
				}
			}
			for _, m := range gradleSiblings.FindAllSubmatch(data, -1) {
				if at == dir {
					needed = append(needed, strings.ReplaceAll(string(m[1][1:]), ":", "/"))
				}
			}
		}
		if at == "." || exists(project, path.Join(at, "settings.gradle")) || exists(project, path.Join(at, "settings.gradle.kts")) {
			for _, part := range needed {
				parts = append(parts, path.Join(at, part))
			}
			return facts, parts
		}
	}
}
