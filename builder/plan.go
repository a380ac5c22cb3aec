package builder

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// look resolves what opts selects, for who only looks at it.
func (b *Builder) look(ctx context.Context, opts Options) (*run, []*resolved, error) {
	r, err := b.newRun(ctx, opts)
	if err != nil {
		return nil, nil, err
	}
	r.readOnly = true
	all, err := r.resolveAll(ctx, false)
	return r, all, err
}

// Plan says what Build would do with the same options, and why. It asks
// BuildKit whether it is there, and may ask the package index to complete a
// lock file, but builds and writes nothing outside the cache.
func (b *Builder) Plan(ctx context.Context, opts Options) (*Plan, error) {
	r, all, err := b.look(ctx, opts)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Config: b.Config.File, Targets: make([]PlannedTarget, 0, len(all))}
	first := make(map[string]*TargetID)
	for _, res := range all {
		p := r.plan(ctx, res)
		if res.key != "" {
			if p.SameAs = first[res.key]; p.SameAs == nil {
				first[res.key] = &res.id
			}
		}
		plan.Targets = append(plan.Targets, p)
	}
	return plan, ctx.Err()
}

func (r *run) plan(ctx context.Context, res *resolved) PlannedTarget {
	p := PlannedTarget{
		TargetID: res.id,
		Plain:    res.layer.Plain,
		LockFile: res.lockFile,
		Warnings: res.warnings,
		Packages: []PlannedPackage{},
		Notes:    res.notes,
		Prebuilt: len(res.recipe.Missing()) == 0 && len(res.recipe.Built()) == 0,
		Key:      res.key,
		Output:   res.zip,
	}
	for _, pkg := range res.recipe.Packages {
		p.Packages = append(p.Packages, PlannedPackage{
			Name: pkg.Name, Version: pkg.Version, File: pkg.File.Name, SHA256: pkg.File.SHA256, Integrity: pkg.File.Integrity,
			Missing: pkg.Missing, Build: pkg.Build != nil, Scripts: pkg.Scripts,
		})
	}
	if missing := res.recipe.Missing(); len(missing) > 0 {
		p.EngineWhy = "there is no file to install for " + packageNames(missing)
		return p
	}
	r.planEngine(res, &p)
	if res.key == "" {
		p.MissWhy = LockName + " does not hold yet what the container needs: layerbuild lock adds it"
		return p
	}
	p.Hit, p.MissWhy = r.wouldHit(ctx, res.key)
	if !p.Hit && !r.opts.NoCache && r.Cache.Pulls() {
		r.askRemotes(ctx, &p)
	}
	if key, in, unknown := r.lastInput(ctx, res); !p.Hit && unknown == "" && key != res.key {
		p.Changes = r.changes(res, in)
	}
	return p
}

func (r *run) planEngine(res *resolved, p *PlannedTarget) {
	if res.layer.Plain {
		p.Files = len(res.include)
	}
	if res.layer.Plain && !res.recipe.Runs() {
		p.Engine, p.EngineWhy = engineNone, "the files are packed as they are"
		return
	}
	name, why, err := r.chooseEngine(res.recipe)
	p.Engine, p.EngineWhy = name, why
	if err != nil {
		p.EngineWhy = err.Error()
	}
	if name == engineBuildKit {
		p.Image = imageOf(res.recipe)
	}
}

func (r *run) wouldHit(ctx context.Context, key string) (hit bool, why string) {
	if r.opts.NoCache {
		return false, "--no-cache"
	}
	digest, err := keyDigest(key)
	if err != nil {
		return false, err.Error()
	}
	got, err := r.lookup(ctx, digest)
	if err == nil {
		err = r.Cache.Check(ctx, got.entry, roleArchive)
	}
	if err == nil {
		return true, ""
	}
	if miss := (*cache.MissError)(nil); errors.As(err, &miss) {
		if errors.Is(miss.Reason, fs.ErrNotExist) {
			return false, "never built with this cache"
		}
		return false, miss.Reason.Error()
	}
	return false, err.Error()
}

// askRemotes sees whether a remote has what the local cache has not.
func (r *run) askRemotes(ctx context.Context, p *PlannedTarget) {
	key, err := keyDigest(p.Key)
	if err != nil {
		return
	}
	at, err := r.Cache.Peek(ctx, key)
	switch miss := (*cache.MissError)(nil); {
	case err == nil:
		p.Hit, p.MissWhy, p.At = true, "", at
	case !errors.As(err, &miss):
		p.MissWhy = err.Error()
	case errors.Is(miss.Reason, fs.ErrNotExist):
		p.MissWhy += ", and in no remote"
	default:
		p.MissWhy += "; " + miss.Reason.Error()
	}
}

// imageOf is the image of a recipe, with its digest where that is known.
func imageOf(recipe *runtimes.Recipe) string {
	if recipe.Container != nil {
		return recipe.Container.Image
	}
	for _, need := range recipe.Needs {
		if need.Image != "" {
			return need.Image
		}
	}
	return ""
}

func packageNames(packages []runtimes.Package) string {
	var all []string
	for _, p := range packages {
		all = append(all, p.Name)
	}
	return strings.Join(all, ", ")
}
