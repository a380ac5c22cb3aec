package builder

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/builder/tree"
	"github.com/layerbuild/layerbuild/runtimes"
)

// What a layer's image, setup, env and copy add to a recipe. The plugins know
// the image alone: setup's commands run before their steps, and what is copied
// is a part by itself, made of the image and the commands. So a layer whose
// packages change takes the files that it had before, and another layer with
// the same lines takes them, too.

// copyScript takes files from the image it runs in; it needs sh, cp and ln.
//
//go:embed copy.sh
var copyScript []byte

// Where things are in the container.
const (
	copyScriptFile = "/layerbuild/copy.sh"
	copyOutput     = "/layer"
	copyReport     = ".layerbuild-copy" // in the output, where something is wrong
)

// setupPath is where commands are looked for: the runtime's own, then what any
// image has.
const setupPath = "/var/lang/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// ownedBy adds to a plugin's recipe what the configuration says of the container.
// The architecture is the target's own, since commands run there.
func ownedBy(recipe runtimes.Recipe, t runtimes.Target) runtimes.Recipe {
	recipe.Own = t.Own
	if recipe.Container != nil && !t.Own.Empty() {
		c := *recipe.Container
		c.Arch = t.Arch
		recipe.Container = &c
	}
	return recipe
}

// imageOnly is the recipe of a plain layer that takes files from an image.
func imageOnly(t runtimes.Target) runtimes.Recipe {
	recipe := runtimes.Recipe{Layout: plainLayout, Target: t, Own: t.Own}
	image := t.Image(true)
	if pinned := t.Pinned(image); pinned != "" {
		recipe.Container = &runtimes.Container{Image: pinned, Arch: t.Arch, Output: copyOutput}
	} else {
		recipe.Needs = []runtimes.Need{{Image: image}}
	}
	return recipe
}

// furnished is a container with what the configuration adds: setup's commands
// first, and env in all steps.
func furnished(c *runtimes.Container, own runtimes.OwnImage) *runtimes.Container {
	if c == nil || len(own.Setup)+len(own.Env) == 0 {
		return c
	}
	all := *c
	all.Steps = setupSteps(own)
	for _, step := range c.Steps {
		step.Env = withEnv(step.Env, own.Env)
		all.Steps = append(all.Steps, step)
	}
	return &all
}

// setupSteps are equal wherever they are used, so that BuildKit runs them once
// for all that a layer needs of one image.
func setupSteps(own runtimes.OwnImage) []runtimes.Step {
	steps := []runtimes.Step{}
	for _, command := range own.Setup {
		first, _, _ := strings.Cut(strings.TrimSpace(command), "\n")
		steps = append(steps, runtimes.Step{
			Name:     "setup: " + short(first),
			Args:     []string{"/bin/sh", "-ec", command},
			Env:      withEnv([]string{"HOME=/root", "PATH=" + setupPath}, own.Env),
			CABundle: []string{"CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"},
		})
	}
	return steps
}

// withEnv adds variables, which win over those that are there.
func withEnv(env, more []string) []string {
	values := make(map[string]string)
	for _, kv := range slices.Concat(env, more) {
		name, _, _ := strings.Cut(kv, "=")
		values[name] = kv
	}
	return slices.Sorted(maps.Values(values))
}

// copyPart is what a recipe takes from its image.
func copyPart(r runtimes.Recipe) runtimes.Part {
	args := []string{"/bin/sh", copyScriptFile, copyOutput}
	for _, c := range r.Own.Copy {
		args = append(args, c.From, c.To)
	}
	step := runtimes.Step{
		Name:   "copy files of the image",
		Args:   args,
		Env:    []string{"LC_ALL=C", "PATH=" + setupPath},
		Inputs: []runtimes.InlineFile{{Path: copyScriptFile, Data: copyScript}},
	}
	return runtimes.Part{Name: "files of the image", Recipe: runtimes.Recipe{
		Target: r.Target,
		Own:    r.Own,
		Container: &runtimes.Container{
			Image:  r.Container.Image,
			Arch:   r.Target.Arch,
			Steps:  append(setupSteps(r.Own), step),
			Output: copyOutput,
		},
	}}
}

// addCopied adds to a layer's tree what it takes from the image. The spool, nil
// where that is nothing, holds the files.
func (r *run) addCopied(ctx context.Context, engine Engine, res *resolved, t runtimes.Tree) (*tree.Spool, error) {
	if len(res.recipe.Own.Copy) == 0 {
		return nil, nil
	}
	files, spool, err := r.part(ctx, engine, res, copyPart(*res.recipe))
	if err != nil {
		return nil, err
	}
	for _, name := range files.Paths() {
		if f, taken := t[name]; taken {
			spool.Close()
			owner := "include"
			if f.Package != "" {
				owner = "package " + f.Package
			}
			return nil, r.inLayer(res, fmt.Sprintf("copy puts a file at %s, which %s has too", name, owner), "copy it to another folder, or leave the other file out with excludeFiles or include")
		}
		t[name] = files[name]
	}
	return spool, nil
}

// refuseCopy says what copy.sh could not take.
func (r *run) refuseCopy(res *resolved, recipe runtimes.Recipe, files runtimes.Tree) error {
	report, wrong := files[copyReport]
	if !wrong || len(recipe.Own.Copy) == 0 {
		return nil
	}
	text, err := report.ReadAll(1 << 20)
	if err != nil {
		return err
	}
	problems := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i, p := range problems {
		problems[i] = "copy: " + strings.TrimSuffix(strings.TrimSpace(p), "; near:")
	}
	return r.inLayer(res, strings.Join(problems, "; "),
		"the image is "+recipe.Container.Image+"; what it lacks a command of setup may install")
}

// inLayer is a defect of a layer's configuration.
func (r *run) inLayer(res *resolved, problem, hint string) error {
	return &runtimes.InputError{File: r.Config.File, Line: res.layer.Line, Problem: "layer " + res.layer.Name + ": " + problem, Hint: hint}
}

// keyedOwn is what a layer's configuration adds to the recipe in the key; the
// image and the architecture are the recipe's.
type keyedOwn struct {
	Setup  []string     `json:"setup,omitempty"`
	Env    []string     `json:"env,omitempty"`
	Copy   []keyedCopy  `json:"copy,omitempty"`
	Script *keyedScript `json:"script,omitempty"` // that copies
}

type keyedCopy struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type keyedScript struct {
	SHA256 string `json:"sha256"`
}

func keyedOwnOf(own runtimes.OwnImage) *keyedOwn {
	if own.Empty() {
		return nil
	}
	k := &keyedOwn{Setup: own.Setup, Env: own.Env}
	for _, c := range own.Copy {
		k.Copy = append(k.Copy, keyedCopy(c))
		k.Script = &keyedScript{hexSum(copyScript)}
	}
	return k
}

// ownChanges names the lines that differ.
func ownChanges(before, after *keyedOwn) []Change {
	var changes []Change
	if before == nil {
		before = &keyedOwn{}
	}
	if after == nil {
		after = &keyedOwn{}
	}
	change := func(what, name, old, now string) {
		if old != now {
			changes = append(changes, Change{What: what, Name: name, Before: old, After: now})
		}
	}
	for i := range max(len(before.Setup), len(after.Setup)) {
		change("setup", fmt.Sprintf("setup command %d", i+1), at(before.Setup, i), at(after.Setup, i))
	}
	old, now := before.variables(), after.variables()
	for _, name := range sortedNames(old, now) {
		change("env", "env "+name, old[name], now[name])
	}
	old, now = before.copies(), after.copies()
	for _, from := range sortedNames(old, now) {
		change("copy", "copy "+from, old[from], now[from])
	}
	if before.Script != nil && after.Script != nil {
		change("rules", "layerbuild's way to copy from images", short12(before.Script.SHA256), short12(after.Script.SHA256))
	}
	return changes
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

func (k *keyedOwn) variables() map[string]string {
	byName := make(map[string]string)
	for _, kv := range k.Env {
		name, value, _ := strings.Cut(kv, "=")
		byName[name] = fmt.Sprintf("%q", value)
	}
	return byName
}

func (k *keyedOwn) copies() map[string]string {
	byFrom := make(map[string]string)
	for _, c := range k.Copy {
		byFrom[c.From] = "to " + path.Clean(c.To) + "/"
	}
	return byFrom
}
