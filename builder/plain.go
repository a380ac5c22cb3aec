package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// A plain layer holds the files of a folder as they are: own code, scripts, a
// custom runtime, what another tool laid out. Its files take the way of
// included ones, so that it needs no recipe of a plugin and no engine; its key
// is a layout key without packages.

// engineNone stands where a layer needs no engine.
const engineNone = "none"

// plainLayout is the version of the rules by which plain layers are packed.
const plainLayout = "plain/1"

// addFolder adds a plain layer's own files.
func addFolder(t runtimes.Tree, config *Config, layer Layer, own []string) error {
	defect := func(problem, hint string, err error) error {
		return &runtimes.InputError{File: config.File, Line: layer.Line, Problem: "layer " + layer.Name + ": " + problem, Hint: hint, Err: err}
	}
	folder := filepath.Join(config.Root, filepath.FromSlash(layer.Path))
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return defect("there is no folder "+layer.Path, "path is taken from the folder of "+ConfigName, nil)
	case err != nil:
		return defect("path", "", err)
	case !info.IsDir():
		return defect("path is not a folder: "+layer.Path, "name the folder that it lies in", nil)
	}
	own = append(own, filepath.Join(config.Root, ConfigName))
	excluded := runtimes.Recipe{ExcludeFiles: layer.ExcludeFiles}
	leave := func(name, rel string, d fs.DirEntry) bool {
		return slices.Contains(own, name) || !d.IsDir() && excluded.Excluded(rel)
	}
	if err := addInclude(t, folder, "", leave); err != nil {
		return defect("path", "", err)
	}
	if len(t) == 0 && len(layer.Include) == 0 && len(layer.Own.Copy) == 0 {
		return defect(layer.Path+" holds no files that go into the layer", "see what excludeFiles leaves, or include some", nil)
	}
	return nil
}

// resolvePlain sets the key of a plain target, whose files are read.
func (r *run) resolvePlain(ctx context.Context, res *resolved) (err error) {
	t := res.combos[0]
	res.recipe = &runtimes.Recipe{Layout: plainLayout, Target: t}
	if !t.Own.Empty() {
		if res.recipe, err = r.resolveImageOnly(ctx, t); err != nil {
			return attributed(res.id, err)
		}
		if res.recipe.Container == nil {
			return nil // its key needs the image's digest
		}
	}
	if t.Own.Empty() { // else its files are not known yet
		res.warnings = layoutWarnings(res.include, res.layer.Runtimes)
	}
	res.key, res.input, err = keyOf(*res.recipe, res.include)
	return err
}

// resolveImageOnly pins the image that a plain layer takes files from.
func (r *run) resolveImageOnly(ctx context.Context, t runtimes.Target) (*runtimes.Recipe, error) {
	t.Pins = r.lock.current()
	recipe := imageOnly(t)
	if len(recipe.Needs) == 0 || r.readOnly {
		return &recipe, nil
	}
	if _, _, err := r.chooseEngine(&recipe); err != nil {
		return nil, err
	}
	if err := r.pin(ctx, recipe.Needs); err != nil {
		return nil, err
	}
	t.Pins = r.lock.current()
	recipe = imageOnly(t)
	return &recipe, nil
}

// buildPlain makes the archive of a plain target.
func (r *run) buildPlain(ctx context.Context, res *resolved, key cache.Digest) (*obtained, error) {
	var engine Engine
	name := engineNone
	if res.recipe.Runs() {
		var err error
		if engine, name, err = r.prepare(ctx, res); err != nil {
			return nil, err
		}
	}
	r.report(Event{Target: res.id, Kind: Started, Text: name})
	return r.pack(ctx, engine, name, res, key, maps.Clone(res.include))
}

// places says where in a layer the functions of a language find what, below
// /opt (AWS Lambda, "Packaging your layer content").
var places = map[string]struct {
	folders []string
	advice  string
}{
	"python":   {[]string{"python/"}, "Python modules belong in python/"},
	"nodejs":   {[]string{"nodejs/"}, "Node modules belong in nodejs/node_modules/"},
	"java":     {[]string{"java/lib/"}, "jars belong in java/lib/"},
	"ruby":     {[]string{"ruby/lib/", "ruby/gems/"}, "Ruby code belongs in ruby/lib/"},
	"dotnet":   {[]string{"dotnetcore/store/"}, "shared .NET packages belong in dotnetcore/store/"},
	"provided": {[]string{"bootstrap"}, "a custom runtime is an executable bootstrap at the top of the folder"},
}

// placesOfAll serve every runtime: PATH, LD_LIBRARY_PATH and extensions.
var placesOfAll = []string{"bin/", "lib/", "extensions/"}

// layoutWarnings says what no function would find in a plain layer.
func layoutWarnings(t runtimes.Tree, infos []runtimes.Info) []string {
	var warnings []string
	families := make(map[string]bool)
	for _, info := range infos {
		if families[info.Family] {
			continue
		}
		families[info.Family] = true
		place := places[info.Family]
		if !holdsAny(t, slices.Concat(place.folders, placesOfAll)) {
			warnings = append(warnings, fmt.Sprintf("nothing in it lies where a function for %s looks: %s, commands in bin/, shared libraries in lib/; the layer has %s",
				info.Name, place.advice, some(topOf(t))))
		}
	}
	for _, name := range t.Paths() {
		started := name == "bootstrap" && families["provided"] || strings.HasPrefix(name, "extensions/") && strings.Count(name, "/") == 1
		if started && t[name].Mode == 0o644 {
			warnings = append(warnings, name+" is not executable, so Lambda cannot start it: chmod +x "+name)
		}
	}
	return warnings
}

// holdsAny tells whether a tree has a file of that name, or in that folder.
func holdsAny(t runtimes.Tree, places []string) bool {
	for name := range t {
		for _, place := range places {
			if name == place || strings.HasSuffix(place, "/") && strings.HasPrefix(name, place) {
				return true
			}
		}
	}
	return false
}

// topOf lists what lies at a tree's root.
func topOf(t runtimes.Tree) []string {
	top := make(map[string]bool)
	for name := range t {
		first, _, nested := strings.Cut(name, "/")
		if nested {
			first += "/"
		}
		top[first] = true
	}
	return slices.Sorted(maps.Keys(top))
}
