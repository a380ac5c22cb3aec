package java

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// maxGradleLock bounds a lock: a large project's has a few thousand lines.
const maxGradleLock = 16 << 20

// GradleOption marks the question of a Gradle lock among those of the ecosystem
// "maven": its requirements are exact, and nothing is left to resolve but which
// files they are.
const GradleOption = "gradle"

// gradleProject is a project with a Gradle lock, on its way to a set of jars.
type gradleProject struct {
	project  fs.FS
	dir      string // the Gradle project's folder, not the lock's
	target   runtimes.Target
	lock     *gradleFile
	verified *verification
	notes    []string
}

// readGradle reads the jars that a Gradle lock installs.
func readGradle(project fs.FS, file string, t runtimes.Target) (*jars, error) {
	data, err := readBounded(project, file, maxGradleLock)
	if err != nil {
		return nil, err
	}
	lock, err := parseGradleFile(file, data)
	if err != nil {
		return nil, err
	}
	g := &gradleProject{project: project, dir: path.Clean(cmp.Or(t.Path, ".")), target: t, lock: lock}
	if err := g.check(); err != nil {
		return nil, err
	}
	if g.verified, err = readVerification(project, g.dir); err != nil {
		return nil, err
	}
	if len(lock.modules) == 0 {
		return &jars{}, nil
	}
	files, err := g.files()
	return &jars{files: files, notes: g.notes}, err
}

// check refuses a lock that does not say what runs, and what a lock cannot do.
func (g *gradleProject) check() error {
	if !g.lock.locksRuntime() {
		return g.notRuntime()
	}
	if g.target.Project {
		return &runtimes.InputError{
			File: g.lock.file, Problem: "project: true needs Gradle, which is not run here",
			Hint: "build the project's jar with Gradle, and add it with include: {build/libs/app.jar: java/lib/app.jar}",
		}
	}
	return nil
}

// notRuntime is the error for a lock of other configurations.
func (g *gradleProject) notRuntime() error {
	problem := "it locks no configuration"
	if list := g.lock.configurations; len(list) > 0 {
		if len(list) > 4 {
			list = append(slices.Clone(list[:4]), "…")
		}
		problem = "it locks " + strings.Join(list, ", ") + ", and not " + gradleConfiguration
	}
	if slices.Contains(g.lock.configurations, "compileClasspath") {
		problem += ": what a project is compiled with is not what runs"
	}
	return &runtimes.InputError{File: g.lock.file, Problem: problem, Hint: gradleLockHint("build.gradle")}
}

// gradleLockHint says how the runtimeClasspath comes to be locked.
func gradleLockHint(script string) string {
	return fmt.Sprintf("in %s: dependencyLocking { lockAllConfigurations() } or configurations.%s { resolutionStrategy.activateDependencyLocking() }; then run: %s",
		script, gradleConfiguration, gradleWriteLocks)
}

// files asks for what the lock leaves open, the files and their hashes, and
// lists the jars once that is known.
func (g *gradleProject) files() ([]jar, error) {
	questions, err := g.questions()
	if err != nil {
		return nil, err
	}
	var open []runtimes.Question
	var pinned []runtimes.Pinned
	for _, q := range questions {
		resolution, ok := g.target.Pins.Requirements[q.Name]
		switch {
		case !ok:
			q.Why = "the hashes of its jars are not in " + lockName
		case !q.AnsweredBy(resolution):
			q.Why = g.moved(q, resolution)
		default:
			if lacks := lacking(q, resolution); lacks != "" {
				q.Damaged = true
				q.Why = fmt.Sprintf("%s does not say what %s contributes", lockName, lacks)
			}
		}
		if q.Why != "" {
			open = append(open, q)
		}
		pinned = append(pinned, resolution.Packages...)
	}
	if len(open) > 0 {
		return nil, &runtimes.Unresolved{Questions: open}
	}
	return g.jars(pinned)
}

// questions are one for the lock, which all layers of the folder share, and one
// for each artifact that the layer declares itself.
func (g *gradleProject) questions() ([]runtimes.Question, error) {
	base := runtimes.Question{Ecosystem: "maven", Name: g.lock.file, Places: g.target.Places, Options: []string{GradleOption}}
	base.Indexes, _ = indexesOf(g.target, nil)
	all := base
	for _, m := range g.lock.modules {
		classifiers, main := g.verified.classifiers(m.Coordinate)
		for _, classifier := range classifiers {
			c := m.Coordinate
			c.Classifier = classifier
			all.Requirements = append(all.Requirements, c.String())
			g.notes = append(g.notes, fmt.Sprintf("%s brings %s", g.verified.file, c))
		}
		if main || len(classifiers) == 0 {
			all.Requirements = append(all.Requirements, m.String())
		}
		all.Constraints = append(all.Constraints, g.verified.checksums(m.Coordinate)...)
	}
	slices.Sort(all.Requirements)
	slices.Sort(all.Constraints)
	questions := []runtimes.Question{all}
	for _, text := range g.target.Artifacts {
		c, err := g.artifact(text)
		if err != nil {
			return nil, err
		}
		if slices.Contains(all.Requirements, c.String()) {
			continue
		}
		q := base
		q.Name += " " + c.String()
		q.Requirements = []string{c.String()}
		q.Constraints = g.verified.checksums(c.Release())
		questions = append(questions, q)
	}
	return questions, nil
}

// artifact gives the coordinate of a declared "group:artifact:classifier",
// whose version the lock has.
func (g *gradleProject) artifact(text string) (coordinate.Coordinate, error) {
	problem := &runtimes.InputError{File: g.lock.file}
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		problem.Problem = fmt.Sprintf("artifacts: %q is not group:artifact:classifier", text)
		problem.Hint = "for example: artifacts: [io.netty:netty-transport-native-epoll:linux-x86_64]"
		return coordinate.Coordinate{}, problem
	}
	m, ok := g.lock.find(parts[0] + ":" + parts[1])
	if !ok {
		problem.Problem = fmt.Sprintf("artifacts: %s:%s is not in the %s that is locked", parts[0], parts[1], gradleConfiguration)
		problem.Hint = g.called("depend on it with implementation or runtimeOnly, and lock again: "+gradleWriteLocks, parts[0]+":"+parts[1])
		return coordinate.Coordinate{}, problem
	}
	c := m.Coordinate
	c.Classifier = parts[2]
	c, err := coordinate.Parse(c.String())
	if err != nil {
		problem.Problem, problem.Err = "artifacts", err
		return c, problem
	}
	return c, nil
}

// called adds to a hint how the version catalog calls a module.
func (g *gradleProject) called(hint, module string) string {
	if name := catalogName(g.project, g.dir, module); name != "" {
		return hint + "; the version catalog calls it " + name
	}
	return hint
}

// lacking is a requirement that a resolution does not answer, or "".
func lacking(q runtimes.Question, r runtimes.Resolution) string {
	for _, requirement := range q.Requirements {
		answered := slices.ContainsFunc(r.Packages, func(p runtimes.Pinned) bool {
			return p.Requirement == requirement || strings.Count(requirement, ":") == 2 &&
				(strings.HasPrefix(p.Requirement, requirement+":") || strings.HasPrefix(p.Requirement, requirement+"@"))
		})
		if !answered {
			return requirement
		}
	}
	return ""
}

// moved says what keeps a resolution from being that of the lock.
func (g *gradleProject) moved(q runtimes.Question, r runtimes.Resolution) string {
	if q.Digest() == r.Input {
		return fmt.Sprintf("is resolved for %s, and not for %s", strings.Join(r.Places, ", "), strings.Join(q.Elsewhere(r), ", "))
	}
	resolved := make(map[string]string) // "group:artifact" → version
	for _, p := range r.Packages {
		if c, err := coordinate.Parse(p.Requirement); err == nil {
			resolved[c.Module()] = c.Version
		}
	}
	for _, m := range g.lock.modules {
		switch version, ok := resolved[m.Module()]; {
		case !ok:
			return fmt.Sprintf("has changed since it was resolved: %s is not in %s (line %d)", m.Module(), lockName, m.line)
		case version != m.Version:
			return fmt.Sprintf("has changed since it was resolved: %s (line %d), and %s has %s", m, m.line, lockName, version)
		}
	}
	if g.verified != nil {
		return fmt.Sprintf("it or %s has changed since it was resolved", g.verified.file)
	}
	return "has changed since it was resolved"
}

// jars are the packages of a resolution, without those that are excluded and
// those that contribute no file.
func (g *gradleProject) jars(pinned []runtimes.Pinned) ([]jar, error) {
	used := make(map[string]bool)
	var files []jar
	for _, p := range pinned {
		c, err := coordinate.Parse(p.Requirement)
		if err != nil {
			return nil, &runtimes.InputError{File: lockName, Problem: p.Requirement, Err: err, Hint: "restore it from version control, or run: layerbuild lock"}
		}
		if pattern := excludedBy(g.target.Exclude, c); pattern != "" {
			used[pattern] = true
			continue
		}
		if c.Extension == "pom" || c.Extension == "module" {
			continue // the document that says that the module has no file
		}
		if c.Extension != "" {
			return nil, &runtimes.InputError{
				File: g.lock.file, Problem: fmt.Sprintf("%s is no jar: a layer cannot use it", p.Requirement),
				Hint: "leave it out with exclude: " + c.Module() + "; an .aar is for Android, a .war for a servlet container",
			}
		}
		j := jar{c, runtimes.File{Name: c.FileName(), SHA256: p.SHA256[0]}}
		if p.File != "" {
			j.file.Name, j.file.URL = path.Base(p.File), p.File
		}
		files = append(files, j)
	}
	for _, pattern := range g.target.Exclude {
		if !used[pattern] {
			g.notes = append(g.notes, g.called(fmt.Sprintf("%s is excluded but not in %s", pattern, g.lock.file), pattern))
		}
	}
	if len(used) > 0 {
		g.notes = append(g.notes, g.lock.file+" does not say what pulled a module in: exclude drops what it names and nothing else")
	}
	return files, nil
}

// excludedBy is the pattern that excludes a module, "" where none does.
func excludedBy(patterns []string, c coordinate.Coordinate) string {
	i := slices.IndexFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, c.Module())
		return ok && err == nil
	})
	if i < 0 {
		return ""
	}
	return patterns[i]
}

// readBounded reads a file of the project that has at most limit bytes.
func readBounded(project fs.FS, file string, limit int64) ([]byte, error) {
	f, err := project.Open(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, unreadable(file, err)
	}
	if int64(len(data)) > limit {
		return nil, unreadable(file, fmt.Errorf("more than %d bytes", limit))
	}
	return data, nil
}

func unreadable(file string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return &runtimes.InputError{File: file, Problem: "cannot be read", Err: err}
}
