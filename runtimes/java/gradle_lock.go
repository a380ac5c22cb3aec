package java

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// gradleConfiguration is the configuration of a Gradle project that says what
// runs.
const gradleConfiguration = "runtimeClasspath"

// gradleModule is one locked module.
type gradleModule struct {
	coordinate.Coordinate
	line int
}

// gradleFile is what a lock of Gradle's says.
type gradleFile struct {
	file           string
	modules        []gradleModule // of the runtimeClasspath, in the file's order
	configurations []string       // all that it names, sorted
}

// locksRuntime tells whether the lock has the runtimeClasspath, be it empty.
func (l *gradleFile) locksRuntime() bool {
	return slices.Contains(l.configurations, gradleConfiguration)
}

// find returns the locked module "group:artifact".
func (l *gradleFile) find(module string) (gradleModule, bool) {
	i := slices.IndexFunc(l.modules, func(m gradleModule) bool { return m.Module() == module })
	if i < 0 {
		return gradleModule{}, false
	}
	return l.modules[i], true
}

// parseGradleFile reads a lock: lines "group:artifact:version=configurations"
// and one "empty=configurations". A file of the older form, one for each
// configuration and named after it, has lines without configurations.
func parseGradleFile(file string, data []byte) (*gradleFile, error) {
	l := &gradleFile{file: file}
	single := path.Base(file) == "gradle.lockfile" || bytes.Contains(data, []byte("="))
	if !single {
		l.configurations = []string{strings.TrimSuffix(path.Base(file), ".lockfile")}
	}
	seen := make(map[string]bool)
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		module, configurations, err := l.parseLine(text, single)
		if err != nil {
			return nil, l.problem(number, err)
		}
		for _, c := range configurations {
			if !seen[c] {
				seen[c] = true
				l.configurations = append(l.configurations, c)
			}
		}
		if module == nil || single && !slices.Contains(configurations, gradleConfiguration) {
			continue
		}
		module.line = number
		l.modules = append(l.modules, *module)
	}
	slices.Sort(l.configurations)
	return l, l.checkModules()
}

// parseLine reads one line; the one of empty configurations has no module.
func (l *gradleFile) parseLine(text string, single bool) (*gradleModule, []string, error) {
	for _, mark := range []string{"<<<<<<<", "=======", ">>>>>>>"} {
		if strings.HasPrefix(text, mark) {
			return nil, nil, fmt.Errorf("a merge conflict is left in it")
		}
	}
	module, list, found := strings.Cut(text, "=")
	if found != single {
		return nil, nil, fmt.Errorf("%q is not a line of a Gradle lock", shortened(text))
	}
	var configurations []string
	for c := range strings.SplitSeq(list, ",") {
		if c = strings.TrimSpace(c); c != "" {
			configurations = append(configurations, c)
		}
	}
	if module == "empty" && single {
		return nil, configurations, nil
	}
	c, err := coordinate.Parse(module)
	if err != nil || c != c.Release() {
		return nil, nil, fmt.Errorf("%q is not group:artifact:version", shortened(module))
	}
	return &gradleModule{Coordinate: c}, configurations, nil
}

// checkModules refuses a lock that names a module twice, and versions that are
// none.
func (l *gradleFile) checkModules() error {
	versions := make(map[string]gradleModule, len(l.modules))
	for _, m := range l.modules {
		if before, twice := versions[m.Module()]; twice {
			return l.problem(m.line, fmt.Errorf("%s is locked in two versions, %s (line %d) and %s", m.Module(), before.Version, before.line, m.Version))
		}
		versions[m.Module()] = m
		if strings.HasSuffix(m.Version, "-SNAPSHOT") {
			return &runtimes.InputError{
				File: l.file, Line: m.line, Problem: m.String() + " is a snapshot, whose jar changes while its version stays",
				Hint: "depend on a released version, and lock again: " + gradleWriteLocks,
			}
		}
	}
	return nil
}

func (l *gradleFile) problem(line int, err error) error {
	return &runtimes.InputError{
		File: l.file, Line: line, Problem: "cannot be read", Err: err,
		Hint: "have Gradle write it anew: " + gradleWriteLocks,
	}
}

// gradleWriteLocks is what makes a lock.
const gradleWriteLocks = "gradle dependencies --write-locks"

// shortened is a text for messages.
func shortened(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return text
}
