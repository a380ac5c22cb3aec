package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/layerbuild/layerbuild/builder/smoke"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/zipper"
)

// importNeeds is why check --import needs a container.
const importNeeds = "--import loads the layer's modules in the runtime's image"

// Import loads what the packages in an archive have, as the smoke test of a build
// does, for each runtime and architecture that uses it. Its error joins a
// [*smoke.FailedError] for each that cannot load all. An archive that is refused
// has nothing to load: [Archive.Check] says so.
func (b *Builder) Import(ctx context.Context, a Archive) error {
	f, err := os.Open(a.File)
	if err != nil {
		return err
	}
	defer f.Close()
	read, spool, err := readZip(ctx, f)
	if errors.Is(err, zipper.ErrRefused) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", a.File, err)
	}
	defer spool.Close()
	// What Lambda would not unpack is another check's finding.
	maps.DeleteFunc(read.Tree, func(_ string, f runtimes.TreeFile) bool { return !f.Mode.IsRegular() && f.Link == "" })
	sum, err := fileSum(a.File)
	if err != nil {
		return err
	}
	l, err := openLockFile(b.Config.Root)
	if err != nil {
		return err
	}
	var errs []error
	for _, info := range a.Runtimes {
		for _, arch := range a.Arches {
			id := TargetID{Layer: a.File, Runtimes: []string{info.Name}, Arches: []string{string(arch)}}
			if !info.Served() {
				b.note(id, "nothing is loaded: layerbuild has no image of "+info.Name)
				continue
			}
			image, err := b.imageToLoad(ctx, l, info)
			if err != nil {
				return err
			}
			b.report(Event{Target: id, Kind: Started, Text: "import"})
			probe := runtimes.Probe{Image: image, Arch: arch, Digest: sum, Layer: read.Tree}
			err = b.loadTree(ctx, id, info, probe, a.layer.Check.Skip)
			end := Event{Target: id, Kind: Finished}
			if err != nil {
				end = Event{Target: id, Kind: Failed, Err: err}
			}
			b.report(end)
			if _, failed := errors.AsType[*smoke.FailedError](err); err != nil && !failed {
				return err
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// imageToLoad is a runtime's image with the digest that layerbuild.lock has, or
// else with today's.
func (b *Builder) imageToLoad(ctx context.Context, l *lockFile, info runtimes.Info) (string, error) {
	if b.Containers == nil {
		return "", needed(&runtimes.UnreachableError{Err: errNoAddress}, importNeeds)
	}
	if _, err := b.Containers.Ping(ctx); err != nil {
		return "", needed(err, importNeeds)
	}
	digest := l.current().Images[info.Image]
	if digest == "" {
		var err error
		if digest, err = b.Containers.ResolveImage(ctx, info.Image); err != nil {
			return "", fmt.Errorf("resolve image %s: %w", info.Image, err)
		}
	}
	return info.Image + "@" + digest, nil
}

// loadTree runs the smoke test on probe's layer.
func (b *Builder) loadTree(ctx context.Context, id TargetID, info runtimes.Info, probe runtimes.Probe, skip []string) error {
	items, unused, err := smoke.Items(probe.Layer, info, skip)
	if err != nil {
		return fmt.Errorf("read what the layer's packages have: %w", err)
	}
	for _, name := range unused {
		b.warn(id, fmt.Sprintf("check: skip: no module, package or class to load is named %s", name))
	}
	if len(items) == 0 {
		b.note(id, "nothing is loaded: no package in the layer names a module")
		return nil
	}
	step := smoke.NewProbe(items, info)
	probe.Step, probe.Output = step.Step, step.Output
	results, err := b.probe(ctx, id, probe)
	if err != nil {
		return fmt.Errorf("load the layer's modules: %w", err)
	}
	failures, err := smoke.ReadResults(bytes.NewReader(results), items)
	if err != nil {
		return err
	}
	if len(failures) > 0 {
		return &smoke.FailedError{Runtime: info.Name, Arch: probe.Arch, Failures: failures, Loaded: len(items) - len(failures)}
	}
	return nil
}
