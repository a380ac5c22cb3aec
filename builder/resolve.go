package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// run is one call of Build or Plan.
type run struct {
	*Builder
	opts    Options
	output  string
	project fs.FS
	program cache.Stamp
	lock    *lockFile
	all     []target // of the configuration
	chosen  []target // of them, those asked for
	ping    func() (place string, err error)

	readOnly bool // nothing may be written into layerbuild.lock
}

func (b *Builder) newRun(ctx context.Context, opts Options) (*run, error) {
	r, err := b.prepare(ctx, opts)
	if err != nil {
		return nil, err
	}
	if r.chosen, err = choose(r.all, opts); err != nil {
		return nil, err
	}
	r.warnDeprecated(time.Now().Format(time.DateOnly))
	return r, nil
}

// prepare is a run for which no target is chosen yet.
func (b *Builder) prepare(ctx context.Context, opts Options) (*run, error) {
	if opts.Jobs <= 0 {
		opts.Jobs = runtime.GOMAXPROCS(0)
	}
	if opts.Engine == "" {
		opts.Engine = b.Config.Engine
	}
	r := &run{Builder: b, opts: opts, output: b.Config.Output, project: os.DirFS(b.Config.Root)}
	if opts.Output != "" {
		output, err := filepath.Abs(opts.Output)
		if err != nil {
			return nil, err
		}
		r.output = output
	}
	var err error
	if r.program, err = programStamp(); err != nil {
		return nil, err
	}
	if r.lock, err = openLockFile(b.Config.Root); err != nil {
		return nil, err
	}
	r.all = expand(b.Config, r.output, b.Indexes)
	r.ping = sync.OnceValues(func() (string, error) { return b.Containers.Ping(ctx) })
	return r, nil
}

// warnDeprecated says which of the chosen runtimes are deprecated on day, each
// once.
func (r *run) warnDeprecated(day string) {
	var said []string
	for _, t := range r.chosen {
		for _, combo := range t.combos {
			if text := deprecation(combo.Runtime, day); text != "" && !slices.Contains(said, text) {
				said = append(said, text)
				r.warn(TargetID{}, text)
			}
		}
	}
}

// resolved is a target whose key is known.
type resolved struct {
	target
	key      string
	include  runtimes.Tree
	lockFile string
	packages int
	notes    []string
	warnings []string
	timings  *Timings
	memo     string // the memo's key, where one told all this

	// What a memo leaves out; see run.complete.
	recipe *runtimes.Recipe
	input  []byte // what the key hashes

	loading bool // it was told that its modules are loaded

	// Those that one archive is built for, where it is built for this target.
	sharing []*resolved
}

// resolveAll finds the key of each chosen target, or says of each why not.
func (r *run) resolveAll(ctx context.Context, memos bool) ([]*resolved, error) {
	out := make([]*resolved, len(r.chosen))
	errs := make([]error, len(r.chosen))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, t := range r.chosen {
		g.Go(func() error {
			var timings Timings
			end := timed(&timings.Resolve)
			if out[i], errs[i] = r.resolve(ctx, t, memos); errs[i] == nil {
				end()
				out[i].timings = &timings
			}
			return nil
		})
	}
	g.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return out, joinDistinct(errs)
}

// joinDistinct joins errors, each text once: the targets of a layer share
// their lock file's defects, and those of a run an engine that is not there.
func joinDistinct(errs []error) error {
	var texts []string
	return errors.Join(slices.DeleteFunc(slices.Clone(errs), func(err error) bool {
		if err == nil || slices.Contains(texts, err.Error()) {
			return true
		}
		texts = append(texts, err.Error())
		return false
	})...)
}

func (r *run) resolve(ctx context.Context, t target, memos bool) (*resolved, error) {
	include, err := readIncludes(r.Config, t.layer, r.own())
	if err != nil {
		return nil, err
	}
	res := &resolved{target: t, include: include}
	if t.layer.Plain {
		return res, r.resolvePlain(ctx, res)
	}
	memoName := func() (string, error) {
		return memoKey(r.program, r.Config.Root, t.combos, keyedFiles(include), r.lock.digest())
	}
	if memos {
		name, err := memoName()
		if err != nil {
			return nil, err
		}
		if m, ok := recallMemo(ctx, r.Cache, name, r.project); ok {
			res.key, res.lockFile, res.packages, res.notes = m.Key, m.LockFile, m.Packages, m.Notes
			res.memo = name
			return res, nil
		}
	}
	reads := newRecorder(r.project)
	if err := r.complete(ctx, res, reads); err != nil {
		return nil, err
	}
	if res.key != "" && !reads.failed {
		m := memo{reads.reads, res.key, res.lockFile, res.packages, res.notes}
		data, err := json.Marshal(m)
		// The name is that of layerbuild.lock as it is now, with what was resolved:
		// whoever has it not must be told.
		name, nameErr := memoName()
		if err == nil && nameErr == nil {
			// A memo that cannot be kept costs the next run a parse.
			_ = r.Cache.PutValue(ctx, memoKind, name, data)
		}
	}
	return res, nil
}

// own lists the paths that layerbuild writes, wherever they lie.
func (r *run) own() []string {
	return []string{r.output, r.Config.Output, r.Cache.Dir(), r.lock.path}
}

// complete reads the lock file, whatever a memo said, and sets the recipe. A
// set that must be compiled has no key yet: res.key stays empty.
func (r *run) complete(ctx context.Context, res *resolved, project fs.FS) error {
	if res.recipe != nil {
		return nil
	}
	recipe, err := r.recipe(ctx, project, res.combos[0])
	if err != nil {
		return err
	}
	for _, other := range res.combos[1:] {
		if err := r.mustEqual(ctx, project, res.target, recipe, other); err != nil {
			return err
		}
	}
	res.lockFile, res.packages, res.notes = recipe.LockFile, len(recipe.Packages), recipe.Notes
	if len(recipe.Missing()) == 0 && recipe.Runs() && len(recipe.Needs) > 0 && !r.readOnly {
		if recipe, err = r.pinned(ctx, project, res.combos[0], recipe); err != nil {
			return attributed(res.id, err)
		}
	}
	res.recipe = &recipe
	if res.key, res.input = "", nil; len(recipe.Missing()) > 0 || recipe.Runs() && recipe.Container == nil {
		return nil // nor the key that a memo told
	}
	res.key, res.input, err = keyOf(recipe, res.include)
	return err
}

// pinned pins what a recipe that runs code needs: its key is made of it.
func (r *run) pinned(ctx context.Context, project fs.FS, t runtimes.Target, recipe runtimes.Recipe) (runtimes.Recipe, error) {
	if _, _, err := r.chooseEngine(&recipe); err != nil {
		return recipe, err
	}
	if err := r.pin(ctx, recipe.Needs); err != nil {
		return recipe, err
	}
	return r.recipe(ctx, project, t)
}

// mustEqual demands that a universal layer installs the same files for
// another runtime or architecture.
func (r *run) mustEqual(ctx context.Context, project fs.FS, t target, first runtimes.Recipe, other runtimes.Target) error {
	recipe, err := r.recipe(ctx, project, other)
	if err != nil {
		return err
	}
	problem := func(format string, args ...any) error {
		return &runtimes.InputError{
			File: r.Config.File, Line: t.layer.Line,
			Problem: fmt.Sprintf("layer %s cannot be universal: ", t.layer.Name) + fmt.Sprintf(format, args...),
			Hint:    "one archive serves several runtimes and architectures only where each package has one file for all; drop universal: true",
		}
	}
	where := fmt.Sprintf("for %s on %s", other.Runtime.Name, other.Arch)
	if first.Interpreter != recipe.Interpreter {
		return problem("consoleScripts need one interpreter, and %s it is %s", where, recipe.Interpreter)
	}
	files := make(map[string]runtimes.Package)
	for _, p := range first.Packages {
		files[member(p)] = p
	}
	for _, p := range recipe.Packages {
		q, ok := files[member(p)]
		switch {
		case !ok:
			return problem("%s is installed only %s", p.Name, where)
		case p.Build != nil:
			return problem("%s is built from source, for one runtime and architecture at a time", p.Name)
		case p.Scripts:
			return problem("the install scripts of %s are run, for one runtime and architecture at a time", p.Name)
		case q.File.Digest() != p.File.Digest() || q.Missing != p.Missing || !slices.Equal(q.Places, p.Places):
			return problem("%s is %s %s, and %s elsewhere", p.Name, fileOrVersion(p), where, fileOrVersion(q))
		}
		delete(files, member(p))
	}
	for name := range files {
		return problem("%s is not installed %s", name, where)
	}
	return nil
}

// member names a package within its set. Only of those with places may a set
// hold several versions.
func member(p runtimes.Package) string {
	if len(p.Places) == 0 {
		return p.Name
	}
	return p.Name + " " + p.Version
}

func fileOrVersion(p runtimes.Package) string {
	if p.Missing != "" {
		return p.Version + " without a prebuilt file"
	}
	return p.File.Name
}

// recipe asks the plugin, completing what the lock file leaves out, and
// resolving what it leaves open.
func (r *run) recipe(ctx context.Context, project fs.FS, t runtimes.Target) (runtimes.Recipe, error) {
	plugin, err := r.plugin(t.Runtime.Family)
	if err != nil {
		return runtimes.Recipe{}, err
	}
	t.Files = make(map[string][]runtimes.File)
	for range maxRounds {
		t.Pins = r.lock.current()
		recipe, err := plugin.Recipe(project, t)
		recipe = ownedBy(recipe, t)
		var incomplete *runtimes.Incomplete
		var unresolved *runtimes.Unresolved
		switch {
		case errors.As(err, &incomplete):
			err = r.answer(ctx, incomplete, t.Files)
		case errors.As(err, &unresolved):
			err = r.resolveOpen(ctx, unresolved.Questions)
		default:
			return recipe, err
		}
		if err != nil {
			return runtimes.Recipe{}, err
		}
	}
	return runtimes.Recipe{}, fmt.Errorf("%s asks again for what it was told", plugin.Name())
}

// maxRounds bounds how often a plugin may ask: for the resolution of an input,
// for the files of what it holds, for what their builds need.
const maxRounds = 8

func (r *run) plugin(family string) (runtimes.Runtime, error) {
	for _, p := range r.Runtimes {
		if p.Name() == family {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no plugin for %s", family)
}

func (b *Builder) report(e Event) {
	if b.Report != nil {
		b.Report(e)
	}
}

func (b *Builder) note(id TargetID, text string) {
	b.report(Event{Target: id, Kind: Noted, Text: text})
}
func (b *Builder) warn(id TargetID, text string) {
	b.report(Event{Target: id, Kind: Warned, Text: text})
}

// refuseMissing names all sets that cannot be built.
func refuseMissing(all []*resolved) error {
	var errs []error
	for _, res := range all {
		if res.recipe != nil && len(res.recipe.Missing()) > 0 {
			errs = append(errs, noFile(res.id, res.lockFile, res.recipe.Missing()))
		}
	}
	return errors.Join(errs...)
}

// noFile explains a set of which some packages have no file at all.
func noFile(id TargetID, lockFile string, missing []runtimes.Package) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: no file fits", id)
	for _, p := range missing {
		fmt.Fprintf(&b, "\n  %s %s: %s", p.Name, p.Version, p.Missing)
	}
	return &runtimes.InputError{
		File: lockFile, Problem: b.String(),
		Hint: "lock a version that has a wheel for this runtime, or its source; or use a newer runtime",
	}
}
