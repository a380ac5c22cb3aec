package resolver

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// metadata is what a package asks for.
type metadata struct {
	requires       []string // PEP 508, extras as markers
	requiresPython string
	extras         []string
}

// metadata reads what installing the package called name will need, without
// running anything. Where the sdist promises nothing (PEP 643), what was true
// when it was made is the best that can be known.
func (s *sdist) metadata(name string) (metadata, error) {
	m, err := s.readMetadata(name)
	if _, bad := pep.ParseSpecifiers(m.requiresPython); bad != nil {
		m.requiresPython = "" // older than the rules for it, as uv and pip see it
	}
	return m, err
}

func (s *sdist) readMetadata(name string) (metadata, error) {
	info, err := s.pkgInfo()
	if err != nil {
		return metadata{}, err
	}
	m := metadata{requiresPython: info.get("requires-python")}
	for _, extra := range info["provides-extra"] {
		if r, err := pep.ParseRequirement("x[" + extra + "]"); err == nil && len(r.Extras) == 1 {
			m.extras = append(m.extras, r.Extras[0])
		}
	}
	if info.static() {
		return m, m.add(info["requires-dist"], "", "")
	}
	switch declared, err := s.project(&m); {
	case err != nil || declared:
		return m, err
	case len(info["requires-dist"]) > 0:
		return m, m.add(info["requires-dist"], "", "")
	}
	requires, err := s.requiresTxt(name)
	if err != nil || requires == nil {
		return m, err // without one, nothing is asked for
	}
	return m, m.addRequiresTxt(string(requires))
}

// isText tells whether s can stand in a file that uv reads.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r != '\t' && unicode.IsControl(r) })
}

// extraName matches a normalised name (PEP 685).
var extraName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// headers are those of PKG-INFO, by their names in lower case.
type headers map[string][]string

func (h headers) get(name string) string {
	if len(h[name]) == 0 {
		return ""
	}
	return h[name][0]
}

func (s *sdist) pkgInfo() (headers, error) {
	data, err := s.file("PKG-INFO")
	if err != nil {
		return nil, err
	}
	if data == nil {
		return nil, &defectError{errors.New("has no PKG-INFO")}
	}
	h := make(headers)
	for line := range strings.Lines(strings.ReplaceAll(string(data), "\r\n", "\n")) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			break // what follows is the description
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok || line[0] == ' ' || line[0] == '\t' {
			continue // of the field before, which is none of ours
		}
		key = strings.ToLower(key)
		h[key] = append(h[key], strings.TrimSpace(value))
	}
	return h, nil
}

// static tells whether the requirements are promised to be those of every
// build (PEP 643).
func (h headers) static() bool {
	major, minor, _ := strings.Cut(h.get("metadata-version"), ".")
	if major == "" || major == "0" || major == "1" || major == "2" && (minor == "0" || minor == "1") {
		return false
	}
	return !slices.ContainsFunc(h["dynamic"], func(field string) bool {
		return strings.EqualFold(field, "Requires-Dist")
	})
}

// project reads the requirements of pyproject.toml, where it declares them
// itself (PEP 621).
func (s *sdist) project(m *metadata) (declared bool, err error) {
	data, err := s.file("pyproject.toml")
	if err != nil || data == nil {
		return false, err
	}
	var file struct {
		Project *struct {
			Dynamic        []string            `toml:"dynamic"`
			Dependencies   []string            `toml:"dependencies"`
			Optional       map[string][]string `toml:"optional-dependencies"`
			RequiresPython string              `toml:"requires-python"`
		} `toml:"project"`
	}
	if err := toml.Unmarshal(data, &file); err != nil {
		return false, &defectError{fmt.Errorf("pyproject.toml: %w", err)}
	}
	p := file.Project
	if p == nil || slices.Contains(p.Dynamic, "dependencies") || slices.Contains(p.Dynamic, "optional-dependencies") {
		return false, nil
	}
	if p.RequiresPython != "" {
		m.requiresPython = p.RequiresPython
	}
	if err := m.add(p.Dependencies, "", ""); err != nil {
		return false, err
	}
	for _, extra := range slices.Sorted(maps.Keys(p.Optional)) {
		if err := m.add(p.Optional[extra], extra, ""); err != nil {
			return false, err
		}
	}
	return true, nil
}

// requiresTxt returns the requirements file of the package's own .egg-info,
// nil where there is none.
func (s *sdist) requiresTxt(name string) ([]byte, error) {
	var found string
	for _, file := range slices.Sorted(maps.Keys(s.files)) {
		stem, ok := strings.CutSuffix(path.Base(path.Dir(file)), ".egg-info")
		if !ok || pep.NormaliseName(stem) != name {
			continue
		}
		if found != "" {
			return nil, &defectError{fmt.Errorf("has both %s and %s", quoted(found), quoted(file))}
		}
		found = file
	}
	if found == "" {
		return nil, nil
	}
	return s.file(found)
}

// addRequiresTxt reads setuptools' requires.txt: requirements, and sections
// "[extra:marker]" of more, in which either may be missing.
func (m *metadata) addRequiresTxt(text string) error {
	extra, marker := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if section, ok := strings.CutPrefix(line, "["); ok {
			section, ok = strings.CutSuffix(section, "]")
			if !ok {
				return &defectError{fmt.Errorf("requires.txt: the section %s is not closed", quoted(line))}
			}
			extra, marker, _ = strings.Cut(section, ":")
			continue
		}
		if err := m.add([]string{line}, strings.TrimSpace(extra), strings.TrimSpace(marker)); err != nil {
			return err
		}
	}
	return nil
}

// add takes requirements that hold for an extra, or with a marker, if those
// are not "".
func (m *metadata) add(requires []string, extra, marker string) error {
	var condition pep.Marker
	var err error
	if marker != "" {
		if condition, err = pep.ParseMarker(marker); err != nil {
			return &defectError{err}
		}
	}
	if extra != "" {
		if extra = pep.NormaliseName(extra); !extraName.MatchString(extra) {
			return &defectError{fmt.Errorf("%s is no name of an extra", quoted(extra))}
		}
		of, err := pep.ParseMarker(`extra == "` + extra + `"`)
		if err != nil {
			return &defectError{err}
		}
		condition = condition.And(of)
		if !slices.Contains(m.extras, extra) {
			m.extras = append(m.extras, extra)
		}
	}
	for _, text := range append([]string{marker}, requires...) {
		if !isText(text) {
			return &defectError{fmt.Errorf("%s is no text", quoted(text))}
		}
	}
	for _, text := range requires {
		r, err := pep.ParseRequirement(text)
		if err != nil {
			return &defectError{err}
		}
		if r.URL != "" {
			return &defectError{fmt.Errorf("asks for %s by an address, which is not taken from an index", r.Name)}
		}
		r.Marker = condition.And(r.Marker)
		m.requires = append(m.requires, r.String())
	}
	return nil
}
