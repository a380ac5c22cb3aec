package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/layerbuild/layerbuild/runtimes"
)

// layerName is what the session calls the layer of a probe.
const layerName = "layerbuild-layer"

// Probe runs a command with a layer and writes its output folder to w as a
// tar. No result is taken from the daemon's cache. The errors are those of
// [Engine.Install].
func (e *Engine) Probe(ctx context.Context, p runtimes.Probe, w io.Writer, progress runtimes.Progress) error {
	if other := e.ByArch[p.Arch]; other != nil {
		return other.Probe(ctx, p, w, progress)
	}
	c, err := e.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	workers, err := c.workers(ctx)
	if err != nil {
		return err
	}
	platform, err := c.place.platformOf(workers, p.Arch)
	if err != nil {
		return &runtimes.InputError{
			Problem: fmt.Sprintf("BuildKit at %s runs nothing for %s, and a layer's modules are loaded on the architecture that they are for", c.place, p.Arch),
			Hint:    fmt.Sprintf("name a builder of that architecture (builder: architectures: {%s: …} in layerbuild.yaml, or --builder), have this one emulate it (Debian: qemu-user-static and binfmt-support), or leave out check: {import: true}", p.Arch),
		}
	}
	g, err := newProbeGraph(ctx, p, llb.Platform(platform))
	if err != nil {
		return err
	}
	recipe := runtimes.Recipe{Container: &runtimes.Container{Image: p.Image}}
	return e.solve(ctx, c, solveRequest{recipe: recipe, graph: g, w: w, progress: progress})
}

// newProbeGraph turns p into LLB.
func newProbeGraph(ctx context.Context, p runtimes.Probe, platform llb.ConstraintsOpt) (*graph, error) {
	if !strings.Contains(p.Image, "@sha256:") {
		return nil, fmt.Errorf("image %s is not pinned by its digest", p.Image)
	}
	g := &graph{image: "image " + p.Image, steps: map[string]bool{p.Step.Name: true}}
	root := llb.Image(p.Image, llb.WithCustomName(g.image))
	o := graphOptions{noCache: true}
	// A root that cannot be written has to have what is mounted there.
	places := llb.Mkdir("/opt", 0o755, llb.WithParents(true)).Mkdir("/tmp", 0o1777, llb.WithParents(true)).Mkdir(p.Output, 0o755, llb.WithParents(true))
	root = withInputs(root.File(places, llb.WithCustomName("folders of: "+p.Step.Name)), p.Step, o)
	layer := llb.Local(layerName,
		llb.SharedKeyHint(layerName+"-"+p.Digest), // files of equal size and date are equal only within a layer
		llb.WithCustomName("files of the layer"))
	opts := append(runOptions(p.Step, o),
		llb.ReadonlyRootFS(),
		llb.Network(pb.NetMode_NONE),
		llb.AddMount("/opt", layer, llb.Readonly),
		llb.AddMount("/tmp", llb.Scratch(), llb.Tmpfs()))
	run := root.Run(opts...)
	output := run.AddMount(p.Output, llb.Scratch())
	definition, err := output.Marshal(ctx, platform)
	if err != nil {
		return nil, fmt.Errorf("image %s: describe the step to BuildKit: %w", p.Image, err)
	}
	g.definition = definition
	g.locals = map[string]fsutil.FS{layerName: newTreeFS(p.Layer)}
	return g, nil
}

// treeFS is a tree of files as BuildKit's client sends it.
type treeFS struct {
	tree  runtimes.Tree
	stats []*types.Stat // of the folders, too, each before what is in it
}

func newTreeFS(tree runtimes.Tree) *treeFS {
	t := &treeFS{tree: tree}
	made := make(map[string]bool)
	for name, f := range tree {
		for dir := path.Dir(name); dir != "." && !made[dir]; dir = path.Dir(dir) {
			made[dir] = true
			t.stats = append(t.stats, &types.Stat{Path: dir, Mode: uint32(fs.ModeDir | 0o755)})
		}
		t.stats = append(t.stats, &types.Stat{Path: name, Mode: uint32(f.Mode), Size: f.Size, Linkname: f.Link})
	}
	slices.SortFunc(t.stats, func(a, b *types.Stat) int {
		return slices.Compare(strings.Split(a.Path, "/"), strings.Split(b.Path, "/"))
	})
	return t
}

// Walk goes through all: the client asks for nothing less.
func (t *treeFS) Walk(ctx context.Context, below string, f fs.WalkDirFunc) error {
	if below != "" && below != "/" && below != "." {
		return &fs.PathError{Op: "walk", Path: below, Err: errors.ErrUnsupported}
	}
	for _, s := range t.stats {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f(s.Path, &fsutil.DirEntryInfo{Stat: s.Clone()}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (t *treeFS) Open(name string) (io.ReadCloser, error) {
	f, ok := t.tree[name]
	if !ok || f.Open == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f.Open()
}
