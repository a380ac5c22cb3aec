package builder

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Why is what decides layers, and what of it changed.
type Why struct {
	Config  string      `json:"config"`
	Against string      `json:"against"` // "the last build", or a revision
	Targets []WhyTarget `json:"targets"`
}

// WhyTarget is one target of a [Why].
type WhyTarget struct {
	TargetID
	LockFile  string   `json:"lockFile,omitempty"`
	Key       string   `json:"key"`
	KeyBefore string   `json:"keyBefore,omitempty"` // "" where there is nothing to compare with
	Unknown   string   `json:"unknown,omitempty"`   // why there is not
	Hit       bool     `json:"hit"`                 // the cache has it
	MissWhy   string   `json:"missWhy,omitempty"`
	Changes   []Change `json:"changes"`
	// Input is all that the key hashes, as doc/key.md describes it; null where
	// the key is not known yet.
	Input json.RawMessage `json:"input"`
}

// lastBuild is what a Why compares with where no revision is named.
const lastBuild = "the last build"

// Why says what decides the layers that opts selects, and what of it changed
// since each was last built or, where earlier is not nil, since what earlier
// has: a Builder of the same project as it was at a revision, which against
// names. Nothing is built.
func (b *Builder) Why(ctx context.Context, opts Options, earlier *Builder, against string) (*Why, error) {
	r, all, err := b.look(ctx, opts)
	if err != nil {
		return nil, err
	}
	why := &Why{Config: b.Config.File, Against: lastBuild}
	before := r.lastInput
	if earlier != nil {
		why.Against = against
		if before, err = earlier.inputs(ctx, all, against); err != nil {
			return nil, err
		}
	}
	for _, res := range all {
		why.Targets = append(why.Targets, r.why(ctx, res, before))
	}
	return why, ctx.Err()
}

// inputOf finds what an earlier key of a target hashed; unknown says why it
// cannot.
type inputOf func(ctx context.Context, res *resolved) (key string, in keyInput, unknown string)

func (r *run) why(ctx context.Context, res *resolved, before inputOf) WhyTarget {
	w := WhyTarget{TargetID: res.id, LockFile: res.lockFile, Key: res.key, Changes: []Change{}, Input: json.RawMessage("null")}
	if res.key == "" {
		w.Unknown = LockName + " does not hold yet what the container needs: layerbuild lock adds it"
		if missing := res.recipe.Missing(); len(missing) > 0 {
			w.Unknown = "there is no file to install for " + packageNames(missing)
		}
		return w
	}
	w.Input = res.input
	w.Hit, w.MissWhy = r.wouldHit(ctx, res.key)
	key, in, unknown := before(ctx, res)
	if w.KeyBefore, w.Unknown = key, unknown; unknown == "" && key != res.key {
		w.Changes = r.changes(res, in)
	}
	return w
}

// inputs finds what the keys of the same targets hash in this builder's project,
// which is that at the revision name.
func (b *Builder) inputs(ctx context.Context, targets []*resolved, name string) (inputOf, error) {
	_, byTarget, err := b.at(ctx, targets, name)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, res *resolved) (string, keyInput, string) {
		then := byTarget[res.id.String()]
		if then == nil {
			return "", keyInput{}, "there was no such target at " + name
		}
		in, err := readKeyInput(then.input)
		if then.key == "" || err != nil {
			return "", keyInput{}, "its key at " + name + " is not known"
		}
		return then.key, in, ""
	}, nil
}

// at resolves the same targets, by name, in this builder's project, which is that
// at the revision name.
func (b *Builder) at(ctx context.Context, targets []*resolved, name string) (*run, map[string]*resolved, error) {
	r, err := b.prepare(ctx, Options{})
	if err != nil {
		return nil, nil, fmt.Errorf("at %s: %w", name, err)
	}
	r.readOnly = true
	r.chosen = slices.DeleteFunc(slices.Clone(r.all), func(t target) bool {
		return !slices.ContainsFunc(targets, func(res *resolved) bool { return res.id.String() == t.id.String() })
	})
	all, err := r.resolveAll(ctx, false)
	if err != nil {
		return nil, nil, fmt.Errorf("at %s: %w", name, err)
	}
	byTarget := make(map[string]*resolved)
	for _, res := range all {
		byTarget[res.id.String()] = res
	}
	return r, byTarget, nil
}

// lastInput finds what the key hashed whose archive was put last into the
// target's place in the output folder.
func (r *run) lastInput(ctx context.Context, res *resolved) (string, keyInput, string) {
	last := r.lastKey(ctx, res)
	if last == "" {
		return "", keyInput{}, "never built here"
	}
	in, err := r.inputOfKey(ctx, last)
	if err != nil {
		return "", keyInput{}, "the cache does not hold the layer that was built last"
	}
	return last, in, ""
}

func (r *run) inputOfKey(ctx context.Context, key string) (keyInput, error) {
	digest, err := keyDigest(key)
	if err != nil {
		return keyInput{}, err
	}
	entry, err := r.Cache.Lookup(ctx, digest)
	if err != nil {
		return keyInput{}, err
	}
	data, err := r.readBlob(ctx, entry.Blobs[roleKeyInput])
	if err != nil {
		return keyInput{}, err
	}
	return readKeyInput(data)
}

// missText says why a target has to be built, where something was built for it
// before; else "".
func (r *run) missText(ctx context.Context, res *resolved) string {
	key, in, unknown := r.lastInput(ctx, res)
	switch {
	case unknown != "":
		return ""
	case key == res.key:
		return "nothing changed, but the cache does not hold it any more"
	}
	return changesText(r.changes(res, in))
}

// changes are what differs from an earlier input, with where it stands now.
func (r *run) changes(res *resolved, before keyInput) []Change {
	now, err := readKeyInput(res.input)
	if err != nil {
		return nil
	}
	changes := changesOf(before, now)
	files := map[string]string{}
	text := func(name string) string {
		if _, ok := files[name]; !ok {
			data, err := fs.ReadFile(r.project, name)
			if err != nil {
				data = nil // no line is known then
			}
			files[name] = string(data)
		}
		return files[name]
	}
	for i := range changes {
		c := &changes[i]
		switch c.What {
		case "package":
			c.File = res.lockFile
			if c.Line = lineOfPackage(text(res.lockFile), c.Name, versionOf(now, c)); c.Line == 0 && c.After != "" {
				if line := lineOfPackage(text(LockName), c.Name, versionOf(now, c)); line > 0 {
					c.File, c.Line = LockName, line
				}
			}
		case "image", "tool":
			c.File = LockName
		case "option", "setup", "env", "copy":
			if r.Config.File != "" {
				c.File, c.Line = filepath.Base(r.Config.File), res.layer.Line
			}
		}
	}
	return changes
}

// versionOf is the version that a package has now, "" where it is gone.
func versionOf(now keyInput, c *Change) string {
	if c.After == "" {
		return ""
	}
	first := ""
	for _, p := range now.Packages {
		if p.Name == c.Name && (first == "" || p.Version == c.After) {
			first = p.Version
		}
	}
	return first
}

// lineOfPackage is the line of a lock file that holds a package in a version,
// 0 where none does. All formats name the version beside the package or within
// a few lines below, so one search serves them all.
func lineOfPackage(text, name, version string) int {
	if version == "" || text == "" {
		return 0
	}
	const near = 3
	lines := strings.Split(text, "\n")
	// A table of TOML that begins with the name says it best: other tables name
	// it, too, as what they require.
	for _, whole := range []bool{true, false} {
		for i, line := range lines {
			plain := sameName(line)
			if whole && plain != sameName(fmt.Sprintf("name = %q", name)) || !holdsWord(plain, sameName(name)) {
				continue
			}
			for _, below := range lines[i:min(i+near, len(lines))] {
				if holdsWord(below, version) {
					return i + 1
				}
			}
		}
	}
	return 0
}

var sameSign = strings.NewReplacer("_", "-", ".", "-")

// sameName makes the spellings of a Python package's name equal. Two packages
// of npm that become equal by it hardly have one version.
func sameName(s string) string { return sameSign.Replace(strings.ToLower(s)) }

// holdsWord tells whether a text has a word that is not part of a longer one.
func holdsWord(text, word string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			return false
		}
		begin, end := at+i, at+i+len(word)
		if (begin == 0 || !inWord(text[begin-1]) && !isScoped(text[:begin])) && (end == len(text) || !inWord(text[end])) {
			return true
		}
		at = begin + 1
	}
}

// isScoped tells whether a text ends in the scope of an npm package: what
// follows is another than that without it.
func isScoped(before string) bool {
	scope, ok := strings.CutSuffix(before, "/")
	return ok && strings.ContainsRune(scope[strings.LastIndexAny(scope, "/\"' ")+1:], '@')
}

func inWord(c byte) bool {
	return c == '-' || c == '.' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
