package runtimes

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// projectFiles are the names, by language, of the lock files and of the
// manifests that are locked. A folder that holds one of them has packages.
var projectFiles = map[string][]string{
	"python": {
		"uv.lock", "requirements.txt", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml",
		"pyproject.toml", "requirements.in", "Pipfile", "setup.py",
	},
	"nodejs": {"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "package.json"},
	"java":   {"gradle.lockfile", "pom.xml", "build.gradle", "build.gradle.kts"},
}

// ProjectFiles lists the names of files by which a folder shows that it has
// packages of a language, see [Info.Family].
func ProjectFiles(family string) []string { return append([]string(nil), projectFiles[family]...) }

// languages are those of projectFiles, in the order in which they are looked for.
var languages = []string{"python", "nodejs", "java"}

// HintInFolder is the hint of a plugin that finds nothing to read in dir. Where
// the folder has files of another language, it asks for the runtime first.
func HintInFolder(project fs.FS, dir, family, hint string) string {
	for _, language := range languages {
		if language == family {
			continue
		}
		for _, name := range projectFiles[language] {
			if info, err := fs.Stat(project, path.Join(dir, name)); err == nil && !info.IsDir() {
				return fmt.Sprintf("%s is of %s: is the runtime the right one? %s", name, language, hint)
			}
		}
	}
	return hint
}

// HasProject tells whether a folder shows that it has packages of a language.
func HasProject(project fs.FS, dir, family string) bool {
	return slices.ContainsFunc(projectFiles[family], func(name string) bool {
		info, err := fs.Stat(project, path.Join(dir, name))
		return err == nil && !info.IsDir()
	})
}
