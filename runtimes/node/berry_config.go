package node

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/node/ranges"
)

// berryConfig is what counts here of a project's .yarnrc.yml. It has no other
// effect: no plugin of the project's runs, and no yarn that it holds.
type berryConfig struct {
	YarnPath       string                    `yaml:"yarnPath"`
	NodeLinker     string                    `yaml:"nodeLinker"`
	HoistingLimits string                    `yaml:"nmHoistingLimits"`
	Registry       string                    `yaml:"npmRegistryServer"`
	Scopes         map[string]berryScope     `yaml:"npmScopes"`
	Extensions     map[string]berryExtension `yaml:"packageExtensions"`
	Plugins        []any                     `yaml:"plugins"`
}

type berryScope struct {
	Registry string `yaml:"npmRegistryServer"`
}

// berryExtension adds dependencies to packages that forgot them.
type berryExtension struct {
	Dependencies map[string]string `yaml:"dependencies"`
}

func readBerryConfig(p *yarnProject) (*berryConfig, error) {
	c := &berryConfig{}
	file := path.Join(path.Dir(p.lock), ".yarnrc.yml")
	if !exists(p.fs, file) {
		return c, nil
	}
	data, err := readFile(p.fs, file)
	if err != nil {
		return nil, err
	}
	if len(data) > 1<<20 {
		return nil, &runtimes.InputError{File: file, Problem: "larger than 1 MiB, which no such file is"}
	}
	if err := yaml.Unmarshal(data, c); err != nil {
		return nil, berryProblem(file, err)
	}
	return c, nil
}

// extend adds the dependencies that the project's packageExtensions give a
// package.
func (c *berryConfig) extend(n *yarnNode, deps []dependency) []dependency {
	for _, key := range sortedKeys(c.Extensions) {
		name, versions := splitYarnKey(key)
		if name != n.name {
			continue
		}
		if ok, known := ranges.Match(n.version, versions); !ok || !known {
			continue
		}
		more := c.Extensions[key].Dependencies
		for _, name := range sortedKeys(more) {
			if !slices.ContainsFunc(deps, func(d dependency) bool { return d.name == name }) {
				deps = append(deps, dependency{name: name, spec: more[name]})
			}
		}
	}
	slices.SortFunc(deps, func(a, b dependency) int { return strings.Compare(a.name, b.name) })
	return deps
}

// berryOverride is a line of a package.json's resolutions.
type berryOverride struct {
	from, fromReference string // the package that asks, "" for any
	name, asked         string // what it asks for, asked "" for whatever it is
	spec                string // what it gets
}

var overridePattern = regexp.MustCompile(`^(?:((?:@[^/@]+/)?[^/@]+)(?:@([^/]+))?/)?((?:@[^/@]+/)?[^/@]+)(?:@(.+))?$`)

// berryOverrides reads the resolutions of a root's package.json, in their order:
// the first that fits counts.
func berryOverrides(root *yarnMember) ([]berryOverride, error) {
	if len(root.Resolutions) == 0 {
		return nil, nil
	}
	problem := &runtimes.InputError{File: root.file, Problem: "resolutions are not versions by package", Hint: "yarn documents their form"}
	decoder := json.NewDecoder(bytes.NewReader(root.Resolutions))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, problem
	}
	var all []berryOverride
	for decoder.More() {
		key, _ := decoder.Token()
		value, err := decoder.Token()
		pattern, ok := key.(string)
		spec, is := value.(string)
		if err != nil || !ok || !is {
			return nil, problem
		}
		m := overridePattern.FindStringSubmatch(pattern) // "**/" is of yarn 1
		if m == nil || strings.Contains(pattern, "*/") {
			problem.Problem = fmt.Sprintf("resolutions has %q, which yarn cannot read", pattern)
			return nil, problem
		}
		all = append(all, berryOverride{from: m[1], fromReference: m[2], name: m[3], asked: m[4], spec: spec})
	}
	return all, nil
}

// override is the resolution that counts for a dependency of the package with a
// locator.
func (r *berryReader) override(parent string, d dependency) *berryOverride {
	name, reference := splitYarnKey(parent)
	for i, o := range r.overrides {
		switch {
		case o.name != d.name, o.from != "" && o.from != name:
		case o.fromReference != "" && berrySpecOf(o.fromReference) != reference:
		case o.asked != "" && berrySpecOf(o.asked) != berrySpecOf(d.spec):
		default:
			return &r.overrides[i]
		}
	}
	return nil
}
