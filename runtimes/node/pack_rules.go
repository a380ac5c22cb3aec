package node

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/layerbuild/layerbuild/runtimes"
)

// maxIgnoreFile bounds an ignore file.
const maxIgnoreFile = 1 << 20

// packDefaults are npm's rules of what is in no package unless something says
// so; they hold in each folder anew.
var packDefaults = []string{
	".npmignore", ".gitignore", "**/.git", "**/.svn", "**/.hg", "**/CVS", "**/.git/**", "**/.svn/**", "**/.hg/**", "**/CVS/**",
	"/.lock-wscript", "/.wafpickle-*", "/build/config.gypi", "npm-debug.log", "**/.npmrc", ".*.swp", ".DS_Store", "**/.DS_Store/**",
	"._*", "**/._*/**", "*.orig", "/archived-packages/**",
}

// packAlways are npm's rules of what is always in a package, and of what never
// is. The last ones are ours: what layerbuild reads and writes.
var packAlways = []string{
	"/.git", "!/package.json", "!/readme{,.*[^~$]}", "!/copying{,.*[^~$]}", "!/license{,.*[^~$]}", "!/licence{,.*[^~$]}", "/.git", "/node_modules", ".npmrc",
	"/package-lock.json", "/yarn.lock", "/pnpm-lock.yaml", "/bun.lockb",
	"/bun.lock", "/.layerbuild", "/layerbuild.lock", "/layerbuild.yaml",
}

// packRule is a line of an ignore file, as npm reads it: what it matches stays
// out, or, where it begins with !, comes in after all.
type packRule struct {
	pattern string // in lower case
	not     bool
	folder  bool // it ends with a slash: it matches folders only
}

// packLevel has the rules of a folder, in their order: of those that match an
// entry below it, the last decides.
type packLevel struct {
	folder string // below the package's
	rules  []packRule
}

func parseRules(lines []string) []packRule {
	var rules []packRule
	for _, line := range lines {
		line = strings.ToLower(strings.TrimSpace(line))
		if line == "" || line[0] == '#' {
			continue
		}
		pattern := strings.TrimLeft(line, "!")
		r := packRule{pattern: pattern, not: (len(line)-len(pattern))%2 == 1}
		if trimmed := strings.TrimRight(pattern, "/"); trimmed != pattern {
			r.pattern, r.folder = trimmed, true
		}
		rules = append(rules, r)
	}
	return rules
}

// start gathers the rules of the package's own folder.
func (w *packWalker) start() error {
	m := w.job.manifest
	defaults := slices.Clone(packDefaults)
	if w.job.above != "" {
		for _, dir := range foldersBetween(w.job.above, w.job.folder) {
			lines, err := ignoreLines(w.project, dir)
			if err != nil {
				return err
			}
			defaults = append(defaults, lines...)
		}
	}
	for _, member := range m.Workspaces {
		defaults = append(defaults, strings.TrimSuffix(strings.TrimPrefix(member, "./"), "/"))
	}
	always := slices.Clone(packAlways)
	lines := w.listed(&always)
	for _, name := range append([]string{string(m.Browser), string(m.Main)}, m.Bin...) {
		if name != "" {
			always = append(always, "!"+path.Clean("/"+name))
		}
	}
	if m.Files == nil {
		var err error
		if lines, err = ignoreLines(w.project, w.job.folder); err != nil {
			return err
		}
	}
	w.levels = []packLevel{{"", parseRules(slices.Concat(defaults, lines, always))}}
	return nil
}

// listed are the rules of what package.json lists: everything else stays out.
// Single files are always in the package.
func (w *packWalker) listed(always *[]string) []string {
	lines := []string{"*"}
	for _, name := range w.job.manifest.Files {
		if rest, ok := strings.CutPrefix(name, "./"); ok {
			name = "/" + rest
		}
		if strings.HasSuffix(name, "/*") {
			name += "*"
		}
		plain := strings.Trim(strings.TrimLeft(name, "!"), "/")
		info, err := fs.Stat(w.project, path.Join(w.job.folder, plain))
		switch {
		case err != nil || !fs.ValidPath(plain):
			lines = append(lines, "!"+name)
		case info.IsDir():
			lines = append(lines, "!"+name, "!"+strings.TrimRight(name, "/")+"/**")
		default:
			*always = append([]string{"!" + name}, *always...)
			w.require = append(w.require, strings.TrimPrefix(name, "/"))
		}
	}
	return lines
}

// levelBelow gathers the rules of a folder of the package.
func (w *packWalker) levelBelow(below string) (packLevel, error) {
	lines, err := ignoreLines(w.project, path.Join(w.job.folder, below))
	lines = append(slices.Concat(packDefaults, lines), "/.git")
	for _, name := range w.require {
		if path.Dir(name) == below && !strings.HasPrefix(name, "!") {
			lines = append(lines, "!"+path.Base(name))
		}
	}
	return packLevel{below, parseRules(lines)}, err
}

// ignoreLines reads a folder's .npmignore, or else its .gitignore.
func ignoreLines(project fs.FS, dir string) ([]string, error) {
	for _, name := range []string{".npmignore", ".gitignore"} {
		file := path.Join(dir, name)
		info, err := fs.Stat(project, file)
		if err != nil || info.IsDir() {
			continue
		}
		if info.Size() > maxIgnoreFile {
			return nil, &runtimes.InputError{File: file, Problem: fmt.Sprintf("larger than %d MiB, which no such file is", maxIgnoreFile>>20)}
		}
		data, err := readFile(project, file)
		return strings.Split(string(data), "\n"), err
	}
	return nil, nil
}

// foldersBetween lists the folders from top down to above folder.
func foldersBetween(top, folder string) []string {
	var dirs []string
	for at := folder; at != top && at != "."; {
		at = path.Dir(at)
		dirs = append(dirs, at)
	}
	slices.Reverse(dirs)
	return dirs
}

// takes tells whether an entry is packed, or a folder looked into. Every folder
// on the way to it has to admit it.
func (w *packWalker) takes(name string, folder bool) bool {
	for _, level := range w.levels {
		below := name
		if level.folder != "" {
			below = strings.TrimPrefix(name, level.folder+"/")
		}
		in := true
		for _, r := range level.rules {
			if r.not != in && r.matches(strings.ToLower(below), folder) {
				in = r.not
			}
		}
		if !in {
			return false
		}
	}
	return true
}

// matches tells whether a rule means an entry. A folder is also meant by a rule
// that takes in something which may lie below it.
func (r packRule) matches(name string, folder bool) bool {
	if r.folder && !folder {
		return false
	}
	if !strings.Contains(r.pattern, "/") {
		return doublestar.MatchUnvalidated(r.pattern, path.Base(name))
	}
	pattern := strings.TrimPrefix(r.pattern, "/")
	if doublestar.MatchUnvalidated(pattern, name) {
		// Unlike here, in npm's patterns "a/**" is not the file "a".
		return folder || !strings.HasSuffix(pattern, "/**") || !doublestar.MatchUnvalidated(strings.TrimSuffix(pattern, "/**"), name)
	}
	if !folder || !r.not {
		return false
	}
	parts, names := strings.Split(pattern, "/"), strings.Split(name, "/")
	for i, part := range parts {
		if part == "**" || i == len(names) {
			return true
		}
		if !doublestar.MatchUnvalidated(part, names[i]) {
			return false
		}
	}
	return false
}
