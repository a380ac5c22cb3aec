package builder

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/builder/tree"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// A part is made once for all layers and machines that need the same: it has an
// entry of its own in the cache, whose blob is the tar that the engine wrote.
const rolePart = "part"

// partFacts is what a part's entry says beyond its blob, for people.
type partFacts struct {
	Part         string `json:"part"`
	Runtime      string `json:"runtime"`
	Architecture string `json:"architecture"`
}

// parts are those of a recipe, at hand.
type parts []*tree.Spool

func (p parts) close() {
	for _, spool := range p {
		spool.Close()
	}
}

// withParts returns a recipe whose parts are there: made, or out of the cache.
// Where one cannot be made apart, the recipe has none, and another container.
func (r *run) withParts(ctx context.Context, engine Engine, res *resolved) (recipe runtimes.Recipe, held parts, err error) {
	recipe = *res.recipe
	if recipe.Container == nil || len(recipe.Container.Parts) == 0 {
		return recipe, nil, nil
	}
	defer func() {
		if err != nil {
			held.close()
		}
	}()
	c := *recipe.Container
	c.Parts = append([]runtimes.Part{}, c.Parts...)
	for i := range c.Parts {
		c.Parts[i].Recipe.Container = furnished(c.Parts[i].Recipe.Container, recipe.Own)
		files, spool, err := r.part(ctx, engine, res, c.Parts[i])
		if why := unfit(c.Parts[i], files, err); why != "" && c.Instead != nil {
			if spool != nil {
				spool.Close()
			}
			held.close()
			r.note(res.id, fmt.Sprintf("%s cannot be made apart from the layer, and is made anew for it: %s", c.Parts[i].Name, why))
			recipe.Container = c.Instead
			return recipe, nil, nil
		}
		if err != nil {
			return recipe, held, err
		}
		c.Parts[i].Files, held = files, append(held, spool)
	}
	recipe.Container = &c
	return recipe, held, nil
}

// unfit says why a part does not do, "" where it does or was not made for
// another reason than its own code.
func unfit(p runtimes.Part, files runtimes.Tree, err error) string {
	steps := p.Recipe.Container.Steps
	if failed, ok := errors.AsType[*runtimes.InstallError](err); ok && failed.Step == steps[len(steps)-1].Name {
		return "without the layer's other packages it fails: " + failed.Error()
	}
	f, ok := files[p.Unfit]
	if !ok {
		return ""
	}
	const shown = 1 << 10
	changed, err := f.ReadAll(shown)
	if err != nil {
		return "it changes files of other packages"
	}
	first, _, _ := strings.Cut(string(changed), "\n")
	return "it changes node_modules/" + first
}

// part makes one part, unless the cache or a remote has it. Among all processes
// on one cache folder only one makes it.
func (r *run) part(ctx context.Context, engine Engine, res *resolved, p runtimes.Part) (runtimes.Tree, *tree.Spool, error) {
	key, err := partKey(p)
	if err != nil {
		return nil, nil, err
	}
	unlock, err := r.alone(ctx, res, key)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	if !r.opts.NoCache {
		files, spool, err := r.keptPart(ctx, key)
		if err == nil || !errors.Is(err, cache.ErrMiss) {
			return files, spool, err
		}
	}
	return r.makePart(ctx, engine, res, key, p)
}

// keptPart takes a part from the cache, or a remote. Whatever is amiss with what
// lies there is a miss.
func (r *run) keptPart(ctx context.Context, key cache.Digest) (runtimes.Tree, *tree.Spool, error) {
	entry, err := r.Cache.Lookup(ctx, key)
	if errors.Is(err, cache.ErrMiss) && r.Cache.Pulls() {
		entry, _, err = r.Cache.Fetch(ctx, key)
	}
	if err != nil {
		return nil, nil, err
	}
	blob, ok := entry.Blobs[rolePart]
	if !ok {
		return nil, nil, &cache.MissError{Key: key.String(), Reason: errors.New("the entry has no " + rolePart)}
	}
	f, err := r.Cache.OpenBlob(ctx, blob)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return tree.ReadTar(ctx, f, "")
}

// makePart makes a part and stores it.
func (r *run) makePart(ctx context.Context, engine Engine, res *resolved, key cache.Digest, p runtimes.Part) (runtimes.Tree, *tree.Spool, error) {
	if err := r.noteEmulation(ctx, res, p.Recipe.Container, whatRuns(p.Recipe)); err != nil {
		return nil, nil, err
	}
	w, err := r.Cache.NewBlob()
	if err != nil {
		return nil, nil, fmt.Errorf("store a part: %w", err)
	}
	defer w.Abort() // nothing, once it is committed
	progress, end := res.timings.timeInstall(r.progress(res.id))
	err = engine.Install(ctx, p.Recipe, w, progress)
	end()
	if err != nil {
		return nil, nil, r.inLock(err, res.lockFile)
	}
	files, spool, err := tree.ReadTar(ctx, io.NewSectionReader(w, 0, w.Size()), "")
	if err != nil {
		return nil, nil, err
	}
	if err := r.refuseCopy(res, p.Recipe, files); err != nil {
		spool.Close()
		return nil, nil, err
	}
	if check.HoldsSecrets(files) {
		// The checks of the layer say where, and decide whether it passes.
		r.note(res.id, p.Name+" holds what looks like a token, a private key or a password: it is not cached by itself")
		return files, spool, nil
	}
	if err := r.storePart(ctx, key, p, w); err != nil {
		if ctx.Err() != nil {
			spool.Close()
			return nil, nil, ctx.Err()
		}
		r.warn(res.id, fmt.Sprintf("the cache cannot keep %s: %v", p.Name, err))
	}
	return files, spool, nil
}

func (r *run) storePart(ctx context.Context, key cache.Digest, p runtimes.Part, w *cache.BlobWriter) error {
	t := p.Recipe.Target
	data, err := json.Marshal(partFacts{Part: p.Name, Runtime: t.Runtime.Name, Architecture: string(t.Arch)})
	if err != nil {
		return err
	}
	blob, err := w.Commit()
	if err != nil {
		return err
	}
	return r.Cache.Store(ctx, cache.Entry{Key: key, Data: data, Blobs: map[string]cache.Blob{rolePart: blob}})
}

// partKey hashes all that decides a part, and nothing of the layer that needs
// it: see doc/key.md.
func partKey(p runtimes.Part) (cache.Digest, error) {
	input, err := json.Marshal(struct {
		Format string       `json:"format"`
		Recipe *keyedRecipe `json:"recipe"`
	}{"layerbuild-part/1", keyedRecipeOf(p.Recipe)})
	return sha256.Sum256(input), err
}

// noteEmulation says what has the steps of a container emulated, which is slow.
func (r *run) noteEmulation(ctx context.Context, res *resolved, c *runtimes.Container, what string) error {
	if c == nil || c.Arch == "" {
		return nil
	}
	emulated, err := r.Containers.Emulates(ctx, c.Arch)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if emulated {
		r.note(res.id, fmt.Sprintf("%s, under emulation of %s, which is slow; a builder of that architecture is fast (builder: architectures: in %s)",
			what, c.Arch, ConfigName))
	}
	return nil
}
