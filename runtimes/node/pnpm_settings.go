package node

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// pnpmSettings are those of a project that decide what is installed where. They
// lie beside the lock file, and those of a workspace in its root.
type pnpmSettings struct {
	manifest *manifest // of the lock file's folder; nil where it has none

	// How node_modules is laid out.
	linker        string // "isolated" or "hoisted"
	hoist         bool
	hoistPattern  []string // nil: pnpm's own
	publicPattern []string // nil: pnpm's own

	// What the lock file was made with.
	overrides []map[string]string // one of them must be the lock's
	catalogs  map[string]map[string]string
	patches   map[string]string // path by package

	notes []string
}

// pnpmWorkspace is a pnpm-workspace.yaml.
type pnpmWorkspace struct {
	Catalog       map[string]string            `yaml:"catalog"`
	Catalogs      map[string]map[string]string `yaml:"catalogs"`
	Overrides     map[string]string            `yaml:"overrides"`
	Patches       map[string]string            `yaml:"patchedDependencies"`
	NodeLinker    string                       `yaml:"nodeLinker"`
	Hoist         *bool                        `yaml:"hoist"`
	HoistPattern  pnpmWords                    `yaml:"hoistPattern"`
	PublicPattern pnpmWords                    `yaml:"publicHoistPattern"`
	ShameHoist    bool                         `yaml:"shamefullyHoist"`
}

// pnpmField is the pnpm field of a package.json.
type pnpmField struct {
	Resolutions map[string]string `json:"resolutions"`
	Pnpm        struct {
		Overrides map[string]string `json:"overrides"`
		Patches   map[string]string `json:"patchedDependencies"`
	} `json:"pnpm"`
}

const pnpmWorkspaceFile = "pnpm-workspace.yaml"

// readPnpmSettings reads the settings of the project whose lock file lies in
// dir. Where a member of a workspace has a lock file of its own, the workspace
// is that of a folder above.
func readPnpmSettings(project fs.FS, dir string) (*pnpmSettings, error) {
	s := &pnpmSettings{linker: "isolated", hoist: true}
	if exists(project, path.Join(dir, "package.json")) {
		var err error
		if s.manifest, err = readManifest(project, dir); err != nil {
			return nil, err
		}
	}
	var w pnpmWorkspace
	file := path.Join(dir, pnpmWorkspaceFile)
	for at := dir; at != "." && !exists(project, file); {
		at = path.Dir(at)
		file = path.Join(at, pnpmWorkspaceFile)
	}
	if exists(project, file) {
		data, err := readFile(project, file)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(data, &w); err != nil {
			return nil, &runtimes.InputError{File: file, Problem: "cannot be read", Err: err}
		}
	}
	if err := s.readNpmrc(project, dir); err != nil {
		return nil, err
	}
	s.merge(w)
	for _, pattern := range slices.Concat(s.hoistPattern, s.publicPattern) {
		if strings.ContainsFunc(pattern, unicode.IsControl) {
			return nil, &runtimes.InputError{File: file, Problem: fmt.Sprintf("%q is no pattern of packages", pattern), Hint: "correct hoistPattern or publicHoistPattern"}
		}
	}
	if s.linker != "isolated" && s.linker != "hoisted" {
		s.notes = append(s.notes, "node-linker="+s.linker+" has no place in a layer: Lambda needs node_modules, which are laid out as with node-linker=isolated")
		s.linker = "isolated"
	}
	return s, nil
}

// merge takes what pnpm-workspace.yaml and the pnpm field of package.json say:
// newer versions of pnpm read both, older ones the latter only.
func (s *pnpmSettings) merge(w pnpmWorkspace) {
	if w.NodeLinker != "" {
		s.linker = w.NodeLinker
	}
	if w.Hoist != nil {
		s.hoist = *w.Hoist
	}
	if w.HoistPattern != nil {
		s.hoistPattern = w.HoistPattern
	}
	if w.PublicPattern != nil {
		s.publicPattern = w.PublicPattern
	}
	if w.ShameHoist {
		s.publicPattern = []string{"*"}
	}
	s.catalogs = map[string]map[string]string{}
	for name, catalog := range w.Catalogs {
		s.catalogs[name] = catalog
	}
	if w.Catalog != nil {
		s.catalogs["default"] = w.Catalog
	}
	var f pnpmField
	if s.manifest != nil {
		// What is not of the form is not pnpm's: yarn has more in resolutions.
		_ = json.Unmarshal(s.manifest.data, &f)
	}
	s.patches = merged(f.Pnpm.Patches, w.Patches)
	older := merged(f.Resolutions, f.Pnpm.Overrides)
	s.overrides = []map[string]string{s.resolved(merged(older, w.Overrides)), s.resolved(older), s.resolved(w.Overrides)}
}

// merged has the entries of all maps; later ones win.
func merged(maps ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range maps {
		for key, value := range m {
			all[key] = value
		}
	}
	return all
}

// resolved are overrides as the lock file has them: "$name" stands for what the
// project itself asks for, "catalog:" for what the catalog has.
func (s *pnpmSettings) resolved(overrides map[string]string) map[string]string {
	all := map[string]string{}
	for selector, value := range overrides {
		if name, ok := strings.CutPrefix(value, "$"); ok && s.manifest != nil {
			m := s.manifest
			value = firstOf(name, m.Dependencies, m.OptionalDependencies, m.DevDependencies, m.PeerDependencies)
		}
		if name, ok := strings.CutPrefix(value, "catalog:"); ok {
			if name == "" {
				name = "default"
			}
			if spec, ok := s.catalogs[name][overridden(selector)]; ok {
				value = spec
			}
		}
		all[selector] = value
	}
	return all
}

// overrideParent matches the end of the parent in an override's selector:
// "parent@1>name@>=2".
var overrideParent = regexp.MustCompile(`[^ |@]>`)

// overridden is the package that the selector of an override is for.
func overridden(selector string) string {
	if i := overrideParent.FindStringIndex(selector); i != nil {
		selector = selector[i[1]:]
	}
	if at := strings.IndexByte(selector[min(1, len(selector)):], '@'); at >= 0 {
		return selector[:at+1]
	}
	return selector
}

// readNpmrc reads the settings of the .npmrc beside the lock file.
func (s *pnpmSettings) readNpmrc(project fs.FS, dir string) error {
	file := path.Join(dir, ".npmrc")
	if !exists(project, file) {
		return nil
	}
	data, err := readFile(project, file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		key, value, given := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"'`)
		if !given {
			value = "true"
		}
		switch key {
		case "node-linker":
			s.linker = value
		case "hoist":
			s.hoist = value != "false"
		case "shamefully-hoist":
			if value == "true" {
				s.publicPattern = []string{"*"}
			}
		case "hoist-pattern", "hoist-pattern[]":
			s.hoistPattern = appendPattern(s.hoistPattern, value)
		case "public-hoist-pattern", "public-hoist-pattern[]":
			s.publicPattern = appendPattern(s.publicPattern, value)
		}
	}
	return nil
}

// appendPattern adds a pattern to a list that is then given, and may be empty.
func appendPattern(list []string, pattern string) []string {
	if list == nil {
		list = []string{}
	}
	if pattern == "" {
		return list
	}
	return append(list, pattern)
}

// npmrc are the settings that the written project has: those of the project's
// layout, and constants for all that would otherwise be pnpm's or the
// machine's choice.
func (s *pnpmSettings) npmrc() string {
	var b strings.Builder
	line := func(key, value string) { b.WriteString(key + "=" + value + "\n") }
	line("auto-install-peers", "false")
	line("dedupe-peer-dependents", "true")
	line("engine-strict", "false")
	line("exclude-links-from-lockfile", "false")
	line("ignore-pnpmfile", "true")
	line("lockfile", "true")
	line("manage-package-manager-versions", "false")
	line("node-linker", s.linker)
	line("package-import-method", "copy")
	line("prefer-symlinked-executables", "true")
	line("side-effects-cache", "false")
	line("strict-peer-dependencies", "false")
	line("symlink", "true")
	line("virtual-store-dir-max-length", "120")
	if !s.hoist {
		line("hoist", "false")
	}
	lines := func(key string, patterns []string) {
		if patterns != nil && len(patterns) == 0 {
			line(key, "")
		}
		for _, pattern := range patterns {
			line(key+"[]", pattern)
		}
	}
	lines("hoist-pattern", s.hoistPattern)
	lines("public-hoist-pattern", s.publicPattern)
	return b.String()
}
