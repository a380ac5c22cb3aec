package runtimes

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
