package buildkit

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/tonistiigi/fsutil"

	"github.com/layerbuild/layerbuild/runtimes"
)

const (
	// maxInputs bounds the steps' inputs: they travel inside the definition, of
	// which gRPC takes 16 MiB.
	maxInputs = 12 << 20

	caBundleID   = "layerbuild-ca"
	caBundlePath = "/run/secrets/layerbuild-ca.pem"

	netrcID   = "layerbuild-netrc"
	netrcPath = "/run/secrets/layerbuild-netrc"
)

// graph is a container in LLB, with the names of its vertices as the status
// reports them.
type graph struct {
	definition *llb.Definition
	image      string               // the vertex that pulls the image
	locals     map[string]fsutil.FS // what the definition takes from here, by name
	steps      map[string]bool      // those that run steps
}

type graphOptions struct {
	platform    llb.ConstraintsOpt
	proxy       *llb.ProxyEnv     // nil: none
	secretEnv   map[string]string // variables that hold secrets, with the secrets' IDs
	caBundle    bool              // steps get the secret caBundleID
	netrc       bool              // steps that ask for it get the secret netrcID
	loginFiles  map[string]bool   // inputs, by their paths, that are secrets since they hold logins
	trustStore  bool              // steps whose Java takes options get the secret trustStoreID
	javaOptions bool              // and those options, the secret javaOptionsID
	hostNet     bool              // steps share the daemon's own network
	noCache     bool
}

// newGraph turns c into LLB: the image, and for each step its inputs and its
// command, all in one root file system. The output folder is a mount that goes
// from step to step, so that it can be exported alone.
func newGraph(ctx context.Context, c *runtimes.Container, o graphOptions) (*graph, error) {
	if !strings.Contains(c.Image, "@sha256:") {
		return nil, fmt.Errorf("image %s is not pinned by its digest", c.Image)
	}
	if len(c.Steps) == 0 {
		return nil, fmt.Errorf("image %s: no steps to run", c.Image)
	}
	if !path.IsAbs(c.Output) || path.Clean(c.Output) == "/" {
		return nil, fmt.Errorf("image %s: %q cannot be the output folder", c.Image, c.Output)
	}
	if err := checkInputs(c.Steps); err != nil {
		return nil, err
	}
	g := &graph{image: "image " + c.Image, steps: map[string]bool{}}
	root := llb.Image(c.Image, llb.WithCustomName(g.image))
	if len(c.Parts) > 0 {
		var parts fsutil.FS
		var err error
		if root, parts, err = withParts(root, c.Parts); err != nil {
			return nil, err
		}
		g.locals = map[string]fsutil.FS{partsName: parts}
	}
	output := llb.Scratch()
	for _, step := range c.Steps {
		g.steps[step.Name] = true
		run := withInputs(root, step, o).Run(runOptions(step, o)...)
		output = run.AddMount(c.Output, output)
		root = run.Root()
	}
	definition, err := output.Marshal(ctx, o.platform)
	if err != nil {
		return nil, fmt.Errorf("image %s: describe the steps to BuildKit: %w", c.Image, err)
	}
	g.definition = definition
	return g, nil
}

func checkInputs(steps []runtimes.Step) error {
	total, largest := 0, runtimes.InlineFile{}
	for _, step := range steps {
		for _, in := range step.Inputs {
			if !path.IsAbs(in.Path) {
				return fmt.Errorf("step %q: input %s: the path is not absolute", step.Name, in.Path)
			}
			if total += len(in.Data); len(in.Data) > len(largest.Data) {
				largest = in
			}
		}
	}
	if total > maxInputs {
		return &runtimes.InputError{
			Problem: fmt.Sprintf("what the container gets from the project has %d bytes, the most of it in %s; it takes %d at most",
				total, path.Base(largest.Path), maxInputs),
			Hint: "leave out of local projects what their build does not need (see doc/python.md), and serve large wheels from an index",
		}
	}
	return nil
}

// withInputs puts a step's inputs into root, but for those that hold logins.
func withInputs(root llb.State, step runtimes.Step, o graphOptions) llb.State {
	var files *llb.FileAction
	made := map[string]bool{"/": true}
	for _, in := range step.Inputs {
		if o.loginFiles[in.Path] {
			continue
		}
		if dir := path.Dir(in.Path); !made[dir] {
			made[dir] = true
			files = mkdir(files, dir)
		}
		files = mkfile(files, in)
	}
	if files == nil {
		return root
	}
	return root.File(files, llb.WithCustomName("inputs of: "+step.Name))
}

// mkdir and mkfile exist because an empty *llb.FileAction cannot be chained.
func mkdir(files *llb.FileAction, dir string) *llb.FileAction {
	if files == nil {
		return llb.Mkdir(dir, 0o755, llb.WithParents(true))
	}
	return files.Mkdir(dir, 0o755, llb.WithParents(true))
}

func mkfile(files *llb.FileAction, in runtimes.InlineFile) *llb.FileAction {
	if files == nil {
		return llb.Mkfile(in.Path, 0o644, in.Data)
	}
	return files.Mkfile(in.Path, 0o644, in.Data)
}

func runOptions(step runtimes.Step, o graphOptions) []llb.RunOption {
	// Without a resolver BuildKit does not know the image's own environment,
	// user and folder: these are all that the command sees.
	opts := []llb.RunOption{
		llb.Args(step.Args),
		llb.Dir("/"),
		llb.WithCustomName(step.Name),
	}
	for _, kv := range step.Env {
		key, value, _ := strings.Cut(kv, "=")
		opts = append(opts, llb.AddEnv(key, value))
	}
	if o.caBundle {
		opts = append(opts, llb.AddSecret(caBundlePath, llb.SecretID(caBundleID), llb.SecretFileOpt(0, 0, 0o444)))
		for _, key := range step.CABundle {
			opts = append(opts, llb.AddEnv(key, caBundlePath))
		}
	}
	opts = append(opts, javaOptions(step, o)...)
	loggedIn := o.netrc && len(step.Netrc) > 0
	if loggedIn {
		opts = append(opts, llb.AddSecret(netrcPath, llb.SecretID(netrcID), llb.SecretFileOpt(0, 0, 0o400)))
		for _, key := range step.Netrc {
			opts = append(opts, llb.AddEnv(key, netrcPath))
		}
	}
	for _, in := range step.Inputs {
		if o.loginFiles[in.Path] {
			loggedIn = true
			opts = append(opts, llb.AddSecret(in.Path, llb.SecretID(loginFileID(in.Path)), llb.SecretFileOpt(0, 0, 0o400)))
		}
	}
	for _, cache := range step.Caches {
		opts = append(opts, cacheMount(cache, o.noCache || loggedIn && cache.KeepsLogins))
	}
	if o.hostNet {
		opts = append(opts, llb.With(llb.Network(llb.NetModeHost)))
	}
	// A step that fetches nothing may run a package's code: it is not told the
	// proxy, whose address may hold a login.
	if fetches := len(step.CABundle) > 0 || len(step.Netrc) > 0 || len(step.JavaOptions) > 0; fetches {
		if o.proxy != nil {
			opts = append(opts, llb.WithProxy(*o.proxy))
		}
		opts = append(opts, secretEnv(o.secretEnv)...)
	}
	if o.noCache || step.Anew {
		opts = append(opts, llb.IgnoreCache)
	}
	return opts
}

// cacheMount mounts a package manager's cache: the daemon's, or an empty
// folder that is thrown away.
func cacheMount(m runtimes.CacheMount, empty bool) llb.RunOption {
	if empty {
		return llb.AddMount(m.Path, llb.Scratch(), llb.ForceNoOutput)
	}
	return llb.AddMount(m.Path, llb.Scratch(), llb.AsPersistentCacheDir(m.ID, llb.CacheMountShared))
}
