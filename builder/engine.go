package builder

import (
	"context"
	"errors"
	"fmt"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The engines, as options and configuration name them.
const (
	engineAuto     = "auto"
	engineBuildKit = "buildkit"
	engineDirect   = "direct"
)

// errNoAddress is why BuildKit is not reached where the builder has no engine
// for containers.
var errNoAddress = errors.New("no BuildKit was found")

// chooseEngine says which engine builds a recipe, and why. Where both can, the
// choice never changes the layer's bytes. BuildKit is asked only here, so only
// on a miss.
func (r *run) chooseEngine(recipe *runtimes.Recipe) (name, why string, err error) {
	mustRun := whatRuns(*recipe)
	switch {
	case r.opts.Engine == engineDirect && mustRun != "":
		return "", "", &runtimes.InputError{
			Problem: "the direct engine runs nothing, and " + mustRun,
			Hint:    "leave out --engine direct, and name a BuildKit with --builder where none is found",
		}
	case r.opts.Engine == engineDirect:
		return engineDirect, "asked for", nil
	case r.opts.Engine == engineBuildKit || mustRun != "":
		return r.chooseContainer(recipe, mustRun)
	}
	place, err := r.reach()
	if err != nil {
		return engineDirect, err.Error(), nil
	}
	if err := r.Containers.Accepts(*recipe); err != nil {
		return engineDirect, err.Error(), nil
	}
	if r.opts.Locked && len(recipe.Needs) > 0 {
		return engineDirect, LockName + " lacks what a container needs, and --locked forbids to add it (layerbuild lock does)", nil
	}
	return engineBuildKit, "BuildKit answers at " + place, nil
}

// chooseContainer demands a container, which was asked for or is the only way.
func (r *run) chooseContainer(recipe *runtimes.Recipe, mustRun string) (name, why string, err error) {
	place, err := r.reach()
	if err != nil {
		return "", "", needed(err, mustRun)
	}
	if err := r.Containers.Accepts(*recipe); err != nil {
		return "", "", err
	}
	if r.opts.Locked && len(recipe.Needs) > 0 {
		return "", "", r.needsPins(recipe)
	}
	if r.opts.Engine == engineBuildKit {
		return engineBuildKit, "asked for, at " + place, nil
	}
	return engineBuildKit, fmt.Sprintf("%s; BuildKit answers at %s", mustRun, place), nil
}

// needed adds to an engine's absence why nothing else will do.
func needed(err error, mustRun string) error {
	var nowhere *runtimes.UnreachableError
	if errors.As(err, &nowhere) && mustRun != "" {
		return &runtimes.UnreachableError{Address: nowhere.Address, Err: nowhere.Err, Needed: mustRun}
	}
	return err
}

// whatRuns says why a recipe cannot do without a container, "" where it can.
func whatRuns(recipe runtimes.Recipe) string {
	own := recipe.Own
	switch {
	case len(own.Copy) > 0:
		return "copy takes files out of an image"
	case len(own.Setup) > 0:
		return "setup runs commands in an image"
	case !own.Empty():
		return "image and env are of a container"
	}
	if built := recipe.Built(); len(built) > 0 {
		return packageNames(built) + " must be built from source"
	}
	if scripted := recipe.Scripted(); len(scripted) > 0 {
		return "install scripts are to be run, of " + packageNames(scripted)
	}
	if recipe.Managed {
		return "the project's own package manager lays its packages out"
	}
	if recipe.Bytecode {
		return "bytecode: true compiles with the runtime's own interpreter"
	}
	return ""
}

// reach asks BuildKit, once in a run.
func (r *run) reach() (place string, err error) {
	if r.Containers == nil {
		return "", &runtimes.UnreachableError{Err: errNoAddress}
	}
	return r.ping()
}

func (r *run) needsPins(recipe *runtimes.Recipe) error {
	need := recipe.Needs[0]
	what := "the digest of " + need.Image
	if need.Tool != "" {
		what = need.Tool + " " + need.Version
	}
	hint := "run: layerbuild lock, and commit " + LockName
	if !recipe.Runs() {
		hint += "; or use --engine direct"
	}
	return &runtimes.InputError{File: LockName, Problem: "lacks " + what + ", which building in a container needs", Hint: hint}
}

// prepare returns the engine that builds a resolved target, and its name. With
// engine auto, whatever keeps a container from being used is said, and the
// direct engine builds.
func (r *run) prepare(ctx context.Context, res *resolved) (Engine, string, error) {
	name, why, err := r.chooseEngine(res.recipe)
	if err != nil {
		return nil, "", err
	}
	if res.recipe.Runs() {
		return r.Containers, name, nil // the pins are known, since they are in the key
	}
	if name == engineBuildKit {
		defer timed(&res.timings.Resolve)()
		err := r.pin(ctx, res.recipe.Needs)
		if err == nil {
			return r.Containers, name, r.refresh(ctx, res)
		}
		var digest *runtimes.DigestError
		if r.opts.Engine != engineAuto || ctx.Err() != nil || errors.As(err, &digest) {
			return nil, "", err
		}
		why = err.Error()
	}
	if r.opts.Engine == engineAuto {
		text := why + "; the direct engine gives the same bytes"
		var nowhere *runtimes.UnreachableError
		if _, err := r.reach(); errors.As(err, &nowhere) && nowhere.Address == "" {
			r.note(TargetID{}, text+" (or use --builder)")
		} else {
			r.warn(TargetID{}, text) // somebody expects a container
		}
	}
	return r.Direct, engineDirect, nil
}

// pin writes what a container needs into layerbuild.lock.
func (r *run) pin(ctx context.Context, needs []runtimes.Need) error {
	if len(needs) == 0 {
		return nil
	}
	defer r.exclusively(ctx, r.lock.path)()
	return r.lock.pin(ctx, needs, r.Builder)
}

// refresh has the plugin write the container's steps, now that the pins are
// known.
func (r *run) refresh(ctx context.Context, res *resolved) error {
	if res.recipe.Container != nil {
		return nil
	}
	recipe, err := r.recipe(ctx, r.project, res.combos[0])
	if err != nil {
		return err
	}
	if key, _, err := keyOf(recipe, res.include); err != nil || key != res.key {
		return changedDuringBuild(res.lockFile) // since the key was made of it
	}
	res.recipe = &recipe
	return nil
}
