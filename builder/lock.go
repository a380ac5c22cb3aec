package builder

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// LockOptions say how [Builder.Lock] brings layerbuild.lock up to date.
type LockOptions struct {
	Check bool // change nothing, and fail where something would change

	// Upgrade lists what is to move to its newest version: "images", "tools",
	// names of packages, or "*" for everything.
	Upgrade []string
}

// LockResult is what became of layerbuild.lock.
type LockResult struct {
	File    string       `json:"file"`
	Changes []LockChange `json:"changes"` // none: it was up to date
}

// renewal is how layerbuild.lock is made anew from what it was. Its methods
// are for nil, too: a build keeps all and may add.
type renewal struct {
	earlier runtimes.Pins
	opts    LockOptions
	wrong   []string // what a check found
	said    []string // notes, each said once
}

// errNotCurrent stops a target whose pins a check found wanting.
var errNotCurrent = errors.New(LockName + " is not up to date")

// refuse is where a check ends.
func (n *renewal) refuse(name, why string) error {
	if n == nil || !n.opts.Check {
		return nil
	}
	if text := name + ": " + why; !slices.Contains(n.wrong, text) {
		n.wrong = append(n.wrong, text)
	}
	return errNotCurrent
}

func (n *renewal) upgrading(what string) bool {
	return n != nil && (slices.Contains(n.opts.Upgrade, what) || slices.Contains(n.opts.Upgrade, "*"))
}

func (n *renewal) keepImage(ref string, earlier runtimes.Pins) string {
	if n.upgrading("images") {
		return ""
	}
	return earlier.Images[ref]
}

func (n *renewal) keepTool(name string, earlier runtimes.Pins) (runtimes.Tool, bool) {
	tool, ok := earlier.Tools[name]
	return tool, ok && !n.upgrading("tools")
}

// held tells whether layerbuild.lock had a pin before.
func (n *renewal) held(need runtimes.Need) bool {
	_, tool := n.earlier.Tools[need.Tool]
	return tool || n.earlier.Images[need.Image] != ""
}

// upgrades lists the packages of a resolution that are to move.
func (n *renewal) upgrades(res runtimes.Resolution) []string {
	if n == nil {
		return nil
	}
	if n.upgrading("*") {
		return []string{"*"}
	}
	var names []string
	for _, p := range res.Packages {
		name, _ := nameVersion(p.Requirement)
		if i := slices.IndexFunc(n.opts.Upgrade, func(u string) bool { return plainName(u) == plainName(name) }); i >= 0 && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// nameVersion parts "numpy[extra]==2.2.6 ; …", without extras and marker, and
// "org.slf4j:slf4j-api:2.0.17", of which the first two parts are the name.
func nameVersion(requirement string) (name, version string) {
	requirement, _, _ = strings.Cut(requirement, ";")
	if parts := strings.SplitN(requirement, ":", 3); len(parts) == 3 && !strings.Contains(requirement, "=") {
		return parts[0] + ":" + parts[1], strings.TrimSpace(parts[2])
	}
	name, version, _ = strings.Cut(requirement, "==")
	name, _, _ = strings.Cut(name, "[")
	return strings.TrimSpace(name), strings.TrimSpace(version)
}

var nameRuns = regexp.MustCompile(`[-_.]+`)

// plainName is a package's name in the one form that compares.
func plainName(name string) string { return nameRuns.ReplaceAllString(strings.ToLower(name), "-") }

// Lock brings layerbuild.lock up to date with all that the configuration's
// layers need: it adds what is missing, resolves anew what moved, and drops what
// nothing needs any more. What still holds stays as it is.
func (b *Builder) Lock(ctx context.Context, opts LockOptions) (*LockResult, error) {
	r, err := b.newRun(ctx, Options{})
	if err != nil {
		return nil, err
	}
	defer r.exclusively(ctx, r.lock.path)()
	earlier, _, err := readPins(r.lock.path) // once more: nobody else writes it now
	if err != nil {
		return nil, err
	}
	n := &renewal{earlier: earlier, opts: opts}
	if err := n.known(); err != nil {
		return nil, err
	}
	r.lock.renewal = n
	if opts.Check {
		// With all that there is at hand, plugins can say what is wrong with it;
		// without, what of it nobody asks for.
		r.lock.pins = clonePins(earlier)
		if err := r.lockAll(ctx); err != nil {
			return nil, err
		}
	}
	if r.lock.pins = newPins(); len(n.wrong) == 0 {
		if err := r.lockAll(ctx); err != nil {
			return nil, err // with half of it locked, the file stays as it is
		}
	}
	return r.finishLock(n)
}

// lockAll has every target of the configuration ask for what it needs.
func (r *run) lockAll(ctx context.Context) error {
	var errs []error
	for _, t := range r.all {
		for _, combo := range t.combos {
			var err error
			if !t.layer.Plain || len(t.layer.Own.Copy) > 0 {
				err = r.lockTarget(ctx, combo, t.layer.Plain)
			}
			if t.layer.Check.Import && err == nil {
				err = r.lockImage(ctx, combo)
			}
			if err != nil && !errors.Is(err, errNotCurrent) {
				errs = append(errs, err)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return joinDistinct(errs)
}

// finishLock writes what came out, or says what a check found.
func (r *run) finishLock(n *renewal) (*LockResult, error) {
	result := &LockResult{File: r.lock.path, Changes: []LockChange{}}
	if len(n.wrong) == 0 {
		result.Changes = append(result.Changes, differences(n.earlier, r.lock.pins)...)
	}
	if n.opts.Check {
		for _, c := range result.Changes {
			n.wrong = append(n.wrong, c.In+": "+c.String())
		}
		if len(n.wrong) > 0 {
			return nil, &runtimes.InputError{
				File: LockName, Problem: "is not up to date:\n  " + strings.Join(n.wrong, "\n  "),
				Hint: "run: layerbuild lock, and commit " + LockName,
			}
		}
		return result, nil
	}
	if empty(r.lock.pins) && empty(n.earlier) {
		return result, nil // nothing to hold: no file
	}
	data, err := formatPins(r.lock.pins)
	if err != nil {
		return nil, err
	}
	if err := updateFile(r.lock.path, func([]byte) ([]byte, error) { return data, nil }); err != nil {
		return nil, fmt.Errorf("write %s: %w", LockName, err)
	}
	return result, nil
}

func empty(p runtimes.Pins) bool {
	return len(p.Images)+len(p.Tools)+len(p.Requirements)+len(p.Builds) == 0
}

// known refuses to upgrade what layerbuild.lock does not hold.
func (n *renewal) known() error {
	var names []string
	for _, part := range []map[string]runtimes.Resolution{n.earlier.Requirements, n.earlier.Builds} {
		for _, res := range part {
			for _, p := range res.Packages {
				name, _ := nameVersion(p.Requirement)
				names = append(names, plainName(name))
			}
		}
	}
	for _, what := range n.opts.Upgrade {
		if what == "*" || what == "images" || what == "tools" || slices.Contains(names, plainName(what)) {
			continue
		}
		err := &runtimes.InputError{File: LockName, Problem: fmt.Sprintf("holds no package %s to upgrade", what),
			Hint: "what other lock files hold is upgraded by the tools that write them; " + LockName + " has images, tools and what it resolved itself"}
		if near := Nearest(plainName(what), append(names, "images", "tools")); near != "" {
			err.Hint = "did you mean " + near + "?"
		}
		return err
	}
	return nil
}

// lockTarget has all be asked that a target needs. What a container needs is
// pinned where one is reached, or was pinned before; a set that runs nothing
// can do without.
func (r *run) lockTarget(ctx context.Context, t runtimes.Target, plain bool) error {
	recipe, err := r.lockedRecipe(ctx, t, plain)
	if err != nil {
		return err
	}
	if len(recipe.Needs) == 0 {
		return nil
	}
	if recipe.Runs() {
		return needed(r.pinReached(ctx, recipe.Needs), whatRuns(recipe))
	}
	if r.opts.Engine == engineDirect {
		return nil
	}
	for _, need := range recipe.Needs {
		if r.lock.renewal.held(need) {
			continue
		}
		if r.lock.renewal.opts.Check {
			return r.keepHeld(ctx, recipe.Needs)
		}
		if _, err := r.reach(); err != nil {
			return r.withoutImages(ctx, recipe.Needs, err)
		}
	}
	err = r.pinReached(ctx, recipe.Needs)
	var digest *runtimes.DigestError
	if err != nil && ctx.Err() == nil && !errors.As(err, &digest) && !errors.Is(err, errNotCurrent) {
		return r.withoutImages(ctx, recipe.Needs, err)
	}
	return err
}

// lockedRecipe is a target's recipe by what is locked so far.
func (r *run) lockedRecipe(ctx context.Context, t runtimes.Target, plain bool) (runtimes.Recipe, error) {
	if plain {
		t.Pins = r.lock.current()
		return imageOnly(t), nil
	}
	return r.recipe(ctx, r.project, t)
}

// withoutImages goes on without what only containers need.
func (r *run) withoutImages(ctx context.Context, needs []runtimes.Need, why error) error {
	if text := why.Error(); !slices.Contains(r.lock.renewal.said, text) {
		r.lock.renewal.said = append(r.lock.renewal.said, text)
		r.note(TargetID{}, text+"; "+LockName+" goes without it, which only containers need")
	}
	return r.keepHeld(ctx, needs)
}

// keepHeld keeps of needs what layerbuild.lock held before.
func (r *run) keepHeld(ctx context.Context, needs []runtimes.Need) error {
	held := slices.DeleteFunc(slices.Clone(needs), func(need runtimes.Need) bool { return !r.lock.renewal.held(need) })
	return r.lock.pin(ctx, held, r.Builder)
}

// pinReached pins needs; to resolve an image, BuildKit must be there.
func (r *run) pinReached(ctx context.Context, needs []runtimes.Need) error {
	for _, need := range needs {
		if need.Image == "" || r.lock.renewal.opts.Check || r.lock.renewal.keepImage(need.Image, r.lock.renewal.earlier) != "" {
			continue
		}
		if _, err := r.reach(); err != nil {
			return err
		}
	}
	return r.lock.pin(ctx, needs, r.Builder)
}
