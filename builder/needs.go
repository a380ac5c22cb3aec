package builder

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Needs is what pulls a package into layers.
type Needs struct {
	Config  string        `json:"config"`
	Package string        `json:"package"` // as the sets name it
	Targets []NeedsTarget `json:"targets"` // those that have it
}

// NeedsTarget is one target of a [Needs].
type NeedsTarget struct {
	TargetID
	LockFile string   `json:"lockFile"`
	Versions []string `json:"versions"` // several only of npm packages
	// Chains are, for each package that needs it, the shortest way from what
	// the project requires to it, as names of packages: ["requests", "urllib3"].
	// One that is the package alone says that the project requires it.
	Chains  [][]string `json:"chains"`
	Unknown string     `json:"unknown,omitempty"` // why there are none
}

// Needs says what pulls a package into the layers that opts selects, by what
// their lock files say. Nothing is built.
func (b *Builder) Needs(ctx context.Context, opts Options, name string) (*Needs, error) {
	_, all, err := b.look(ctx, opts)
	if err != nil {
		return nil, err
	}
	needs := &Needs{Config: b.Config.File, Package: name}
	var names []string
	for _, res := range all {
		t := NeedsTarget{TargetID: res.id, LockFile: res.lockFile, Chains: [][]string{}}
		for _, p := range res.recipe.Packages {
			if sameName(p.Name) == sameName(name) {
				needs.Package = p.Name
				t.Versions = append(t.Versions, p.Version)
			}
			names = append(names, p.Name)
		}
		if t.Versions == nil {
			continue
		}
		t.Versions = slices.Compact(t.Versions)
		t.Chains = append(t.Chains, chainsTo(needs.Package, *res.recipe)...)
		if len(t.Chains) == 0 {
			t.Unknown = "layerbuild does not learn from " + res.lockFile + " which package needs which"
		}
		needs.Targets = append(needs.Targets, t)
	}
	if len(needs.Targets) == 0 {
		err := &runtimes.InputError{Problem: fmt.Sprintf("no package %q is in %s", name, strings.Join(opts.Layers, ", ")), Hint: "see what is: layerbuild plan"}
		if near := Nearest(name, names); near != "" {
			err.Hint = "did you mean " + near + "?"
		}
		return nil, err
	}
	return needs, ctx.Err()
}

// chainsTo finds, for each package of a set that needs another, the shortest
// way to that.
func chainsTo(name string, recipe runtimes.Recipe) [][]string {
	there := map[string]bool{"": true}
	for _, p := range recipe.Packages {
		there[p.Name] = true
	}
	needs := make(map[string][]string)
	var needers []string
	for _, q := range recipe.Requires {
		if !there[q.By] || !there[q.Name] || q.By == q.Name {
			continue // of another target
		}
		needs[q.By] = append(needs[q.By], q.Name)
		if q.Name == name {
			needers = append(needers, q.By)
		}
	}
	ways := waysFrom("", needs)
	slices.Sort(needers)
	var chains [][]string
	for _, by := range slices.Compact(needers) {
		// A way that comes by here itself is another needer's.
		if way, ok := ways[by]; ok && !slices.Contains(way, name) {
			chains = append(chains, append(slices.Clone(way), name))
		}
	}
	slices.SortStableFunc(chains, func(a, b []string) int { return len(a) - len(b) })
	return chains
}

// waysFrom finds the shortest way to all that can be reached. Of several the
// one by the first names is taken.
func waysFrom(start string, needs map[string][]string) map[string][]string {
	ways := map[string][]string{start: nil}
	for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
		next := slices.Sorted(slices.Values(needs[queue[0]]))
		for _, name := range slices.Compact(next) {
			if _, ok := ways[name]; !ok {
				ways[name] = append(slices.Clone(ways[queue[0]]), name)
				queue = append(queue, name)
			}
		}
	}
	return ways
}
