package builder

import (
	"context"
	"errors"
	"net/url"

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

// chooseEngine says which engine builds a set with a layout key, and why. The
// choice never changes the layer's bytes. BuildKit is asked only here, so only
// on a miss.
func (r *run) chooseEngine(recipe *runtimes.Recipe) (name, why string, err error) {
	switch r.opts.Engine {
	case engineDirect:
		return engineDirect, "asked for", nil
	case engineBuildKit:
		if err := credentialsStayOut(recipe); err != nil {
			return "", "", err
		}
		place, err := r.reach()
		if err != nil {
			return "", "", err
		}
		if r.opts.Locked && len(recipe.Needs) > 0 {
			return "", "", r.needsPins(recipe)
		}
		return engineBuildKit, "asked for, at " + place, nil
	}
	if err := credentialsStayOut(recipe); err != nil {
		return engineDirect, err.Error(), nil
	}
	place, err := r.reach()
	if err != nil {
		return engineDirect, err.Error(), nil
	}
	if r.opts.Locked && len(recipe.Needs) > 0 {
		return engineDirect, LockName + " lacks the image or the tools of a container, and --locked forbids to add them", nil
	}
	return engineBuildKit, "BuildKit answers at " + place, nil
}

// credentialsStayOut refuses to hand an index's password to a container: it
// would stay in the daemon's history.
func credentialsStayOut(recipe *runtimes.Recipe) error {
	for _, index := range recipe.Indexes {
		u, err := url.Parse(index)
		if err != nil || u.User != nil {
			return &runtimes.InputError{
				Problem: "the address of a package index holds credentials, which no container is given",
				Hint:    "use --engine direct",
			}
		}
	}
	return nil
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
	return &runtimes.InputError{
		File: LockName, Problem: "lacks " + what + ", which building in a container needs",
		Hint: "build once without --locked (and with CI unset) and commit " + LockName + ", or use --engine direct",
	}
}

// install follows a resolved target's recipe with the named engine.
func (r *run) engine(ctx context.Context, res *resolved, name string) (Engine, error) {
	if name == engineDirect {
		return r.Direct, nil
	}
	if needs := res.recipe.Needs; len(needs) > 0 {
		if err := r.lock.resolve(ctx, needs, r.Containers, r.Index, r.Indexes); err != nil {
			return nil, err
		}
		// The plugin writes the container's steps once it knows the pins.
		recipe, err := r.recipe(ctx, r.project, res.combos[0])
		if err != nil {
			return nil, err
		}
		res.recipe = &recipe
	}
	return r.Containers, nil
}
