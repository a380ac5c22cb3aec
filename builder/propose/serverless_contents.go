package propose

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The framework packs a layer's folder as it lies there, so packages lie in it
// as a package manager has installed them: in nodejs/node_modules, in python or
// in python/lib/python3.X/site-packages. layerbuild reads the lock file beside
// them instead, and packs the rest as it is.

// places are where in a layer's folder its packages are locked, and where in
// the layer what lies beside the lock file goes.
var places = []struct{ language, dir, to string }{
	{"nodejs", "nodejs", "nodejs"},
	{"nodejs", ".", "."},
	{"python", "python", "python"},
	{"python", ".", "."},
	{"java", "java", "java"},
	{"java", ".", "."},
}

// packageFiles are what package managers read or write beside a lock file,
// which belongs into no layer.
var packageFiles = []string{
	"package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "pnpm-workspace.yaml", "bun.lock", "bun.lockb",
	"node_modules", "pyproject.toml", "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile", "Pipfile.lock", "setup.py", "setup.cfg",
	"pom.xml", "build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts", "gradle.lockfile", "gradle", "gradlew", "gradlew.bat", "target", "build",
	".npmrc", ".yarnrc", ".yarnrc.yml", ".yarn", ".pnp.cjs", ".pnp.loader.mjs", ".nvmrc", ".node-version", ".python-version", ".venv", ".gradle",
	".git", ".gitignore", ".gitattributes", ".DS_Store", "__pycache__",
}

func isPackageFile(name string) bool {
	return slices.Contains(packageFiles, name) || strings.HasPrefix(name, "requirements")
}

// contents finds out what a layer's folder holds: packages that a lock file
// names, or files that are packed as they are.
func (s *service) contents(l *Layer, users []target) (why string) {
	folder := l.Path
	var found []int
	for i, place := range places {
		dir := path.Join(folder, place.dir)
		if !slices.ContainsFunc(l.Runtimes, func(name string) bool { return family(name) == place.language }) ||
			slices.ContainsFunc(found, func(j int) bool { return places[j].language == place.language }) {
			continue
		}
		locked, notes, err := s.lock(place.language, dir)
		if err != nil {
			return err.Error()
		}
		if locked {
			found = append(found, i)
			l.Path = dir
			l.Notes = append(l.Notes, notes...)
		}
	}
	switch len(found) {
	case 0:
		l.Options = append(l.Options, Option{Name: "plain", Value: true, Comment: "packed as it lies there: no lock file was found in it"})
		s.warnOfInstalled(l)
		return ""
	case 1:
		place := places[found[0]]
		s.besides(l, folder, place.dir, place.to)
		return s.oneTarget(l, place.language, users)
	}
	return "it holds packages of several languages: make a layer of each, with a path of its own"
}

// lock tells whether a folder's packages of a language are locked.
func (s *service) lock(language, dir string) (locked bool, notes []string, err error) {
	if info, err := fs.Stat(s.project.FS, dir); err != nil || !info.IsDir() {
		return false, nil, nil
	}
	for _, known := range s.project.Languages {
		if known.Name() != language {
			continue
		}
		found, err := known.Detect(s.project.FS, dir)
		if input, ok := asInput(err); ok {
			return false, nil, fmt.Errorf("%s", reason(input))
		}
		return found.LockFile != "", found.Notes, err
	}
	return false, nil, nil
}

// besides includes what lies in a layer's folder beside its packages.
func (s *service) besides(l *Layer, folder, dir, to string) {
	include := make(map[string]string)
	var left []string
	add := func(from, to string) {
		entries, err := fs.ReadDir(s.project.FS, from)
		if err != nil {
			l.Notes = append(l.Notes, err.Error())
			return
		}
		if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasSuffix(e.Name(), ".dist-info") }) {
			left = append(left, from+" holds installed packages, which come from the lock file now; own files beside them need include")
			return
		}
		for _, e := range entries {
			name := path.Join(from, e.Name())
			switch {
			case isPackageFile(e.Name()), name == path.Join(folder, dir):
			case e.Name() == "lib" && s.installed(name), e.IsDir() && (e.Name() == "nodejs" || e.Name() == "python") && s.installed(name):
				left = append(left, name+" holds installed packages, which come from the lock file now; own files beside them need include")
			default:
				include[name] = path.Join(to, e.Name())
			}
		}
	}
	add(folder, ".")
	if dir != "." {
		add(path.Join(folder, dir), to)
	}
	l.Notes = append(l.Notes, left...)
	if len(include) > 0 {
		l.Options = append(l.Options, Option{Name: "include", Value: include, Comment: "what lies beside the packages"})
	}
}

// installed tells whether a package manager has put packages below a folder.
func (s *service) installed(dir string) bool {
	for _, pattern := range []string{"*.dist-info", "node_modules", "node_modules/*", "lib/python*/site-packages", "python*/site-packages"} {
		if found, err := fs.Glob(s.project.FS, path.Join(escapeGlob(dir), pattern)); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

func escapeGlob(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(text)
}

// warnOfInstalled says that packages are packed as they lie there.
func (s *service) warnOfInstalled(l *Layer) {
	for _, dir := range []string{"nodejs", "python"} {
		if s.installed(path.Join(l.Path, dir)) {
			l.Notes = append(l.Notes, fmt.Sprintf("%s holds installed packages, and no lock file says which: they are packed as they lie there", path.Join(l.Path, dir)))
		}
	}
}

// oneTarget sees to it that there is one archive: the framework knows one for a
// layer, and packages differ from target to target.
func (s *service) oneTarget(l *Layer, language string, users []target) (why string) {
	var ours, others []string
	for _, name := range l.Runtimes {
		if family(name) == language {
			ours = append(ours, name)
		} else {
			others = append(others, name)
		}
	}
	if len(others) > 0 {
		l.Notes = append(l.Notes, fmt.Sprintf("compatibleRuntimes: %s: the layer's packages are of another language", strings.Join(others, ", ")))
	}
	if len(users) == 0 {
		users = []target{s.provider}
	}
	var narrowed bool
	l.Runtimes, narrowed = narrow(ours, distinct(users, func(t target) string { return t.runtime }))
	if narrowed {
		l.Comment("runtime", "of "+strings.Join(ours, ", ")+" the one that the functions have")
	}
	arches := l.Arches
	used := distinct(users, func(t target) string { return t.arch })
	if len(used) == 0 {
		used, _ = defaultArches()
	}
	l.Arches, narrowed = narrow(arches, used)
	if narrowed {
		l.Comment("architectures", "of "+strings.Join(arches, ", ")+" the one that the functions have")
	}
	s.universal(l)
	return ""
}

// universal demands one archive of a layer that is for more than one target, by
// what serverless.yml says or the user.
func (s *service) universal(l *Layer) {
	asked := *l
	asked.Comments = nil
	s.project.apply(&asked)
	if len(asked.Runtimes) > 1 || len(asked.Arches) > 1 {
		l.Options = append(l.Options, Option{Name: "universal", Value: true, Comment: "one archive for all, or an error where packages differ"})
	}
}

// narrow takes of several the one that is used, where it is one.
func narrow(all, used []string) (one []string, narrowed bool) {
	var both []string
	for _, name := range all {
		if slices.Contains(used, name) {
			both = append(both, name)
		}
	}
	if len(all) > 1 && len(both) == 1 {
		return both, true
	}
	return all, false
}

// family is the language of a runtime that is known, or "".
func family(name string) string {
	info, _ := runtimes.Lookup(name)
	return info.Family
}
