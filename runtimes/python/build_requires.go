package python

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// setuptoolsRequirement is what a project needs that says nothing (PEP 518).
const setuptoolsRequirement = "setuptools>=40.8.0"

// BuildRequires reads what a build needs from the [build-system] table of a
// pyproject.toml; nil stands for none. The requirements come in normal form,
// each once, in the file's order.
//
// setuptools asked for wheel by a hook until its version 70.1, which would run
// code of the project. So wheel is always asked for with it, also where a
// backend of the project's own calls it.
func BuildRequires(pyproject []byte) ([]string, error) {
	var file struct {
		BuildSystem *struct {
			Requires *[]string `toml:"requires"`
			Backend  string    `toml:"build-backend"`
		} `toml:"build-system"`
	}
	if err := toml.Unmarshal(pyproject, &file); err != nil {
		return nil, fmt.Errorf("not a pyproject.toml: %w", err)
	}
	system := file.BuildSystem
	if system == nil {
		return []string{setuptoolsRequirement, "wheel"}, nil
	}
	if system.Requires == nil {
		return nil, errors.New("[build-system] has no requires")
	}
	var requires, names []string
	for _, text := range *system.Requires {
		r, err := pep.ParseRequirement(text)
		if err != nil {
			return nil, fmt.Errorf("[build-system] requires: %w", err)
		}
		requires = append(requires, r.String())
		names = append(names, r.Name)
	}
	setuptools := usesSetuptools(system.Backend) || slices.Contains(names, "setuptools")
	if setuptools && !slices.Contains(names, "wheel") {
		requires = append(requires, "wheel")
	}
	return unique(requires), nil
}

// usesSetuptools tells whether a build-backend is one of setuptools': the
// default, and "setuptools.build_meta" with what may follow.
func usesSetuptools(backend string) bool {
	module, _, _ := strings.Cut(backend, ":")
	return module == "" || module == "setuptools" || strings.HasPrefix(module, "setuptools.")
}

func unique(list []string) []string {
	seen := make(map[string]bool)
	return slices.DeleteFunc(list, func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}
