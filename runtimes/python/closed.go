package python

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// checkClosed makes sure that a requirements file left nothing open: it has
// no graph, so only the installed packages themselves tell what they require.
// pip resolves what is missing, which is how a file that looks locked gives
// another layer tomorrow; here it is an error. What the layer excludes is
// meant to be missing.
func checkClosed(r runtimes.Recipe, dists []*dist, t runtimes.Tree) error {
	if formatOf(r.LockFile) != requirementsFormat {
		return nil
	}
	env := pep.EnvironmentFor(r.Target)
	env.Extras = nil // a file of requirements is no project
	installed := make(map[string]bool)
	for _, d := range dists {
		installed[d.name] = true
	}
	var open, names []string
	for _, d := range dists {
		metadata, err := t[path.Join(d.site, d.info, "METADATA")].ReadAll(maxInfoFile)
		if err != nil {
			return d.errorf("METADATA: %v", err)
		}
		for _, line := range requiresDist(metadata) {
			q, err := pep.ParseRequirement(line)
			if err != nil || !q.Marker.Eval(env) {
				continue // old packages hold what no tool reads; pip passes it over, too
			}
			if !installed[q.Name] && !excluded(r.Target, q.Name) {
				open = append(open, fmt.Sprintf("\n  %s, which %s requires", q.Name, d.name))
				names = append(names, q.Name)
			}
		}
	}
	if len(open) == 0 {
		return nil
	}
	slices.Sort(open)
	slices.Sort(names)
	return &runtimes.InputError{
		File:    r.LockFile,
		Problem: "leaves packages open:" + strings.Join(slices.Compact(open), ""),
		Hint:    "add " + strings.Join(slices.Compact(names), ", ") + " to " + r.LockFile + ", or lock the whole set: uv pip compile --generate-hashes requirements.in -o requirements.txt; or name what the function gets from elsewhere under exclude",
	}
}

// requiresDist lists the Requires-Dist fields of a METADATA file. Its head
// ends at the first empty line.
func requiresDist(metadata []byte) []string {
	var list []string
	for line := range bytes.Lines(metadata) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if field, value, ok := strings.Cut(string(line), ":"); ok && strings.EqualFold(field, "Requires-Dist") {
			list = append(list, strings.TrimSpace(value))
		}
	}
	return list
}
