package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// writeLayout packs the root folder as an image of one layer and writes it as
// an OCI layout, where its digests stand ready for each later push.
func writeLayout(ctx context.Context, im image, a arch, root, dir string) error {
	archive := dir + ".tar.gz"
	if err := packRoot(ctx, root, archive); err != nil {
		return err
	}
	defer os.Remove(archive)
	layer, err := tarball.LayerFromFile(archive, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return err
	}
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	img, err = mutate.AppendLayers(img, layer)
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", a.oci
	config.Config = v1.Config{
		Env:        slices.Concat(lambdaEnv, im.Env),
		Entrypoint: []string{"/lambda-entrypoint.sh"},
		WorkingDir: "/var/task",
	}
	img, err = mutate.ConfigFile(img, config)
	if err != nil {
		return err
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendImage(img)
}

// packRoot writes a root folder as a compressed archive. The machine's tar
// knows links, owners and devices; what the kernel mounts is left out.
func packRoot(ctx context.Context, root, archive string) (err error) {
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	// Fast rather than small: the archive never leaves the machine.
	zw, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "tar", "--create", "--numeric-owner", "--sort=name",
		"--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./dev/*", "--directory="+root, ".")
	cmd.Stdout = zw
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("packing %s: %w", root, err)
	}
	return zw.Close()
}

// readLayout returns the one image of a layout.
func readLayout(dir string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(filepath.Join(dir, "oci"))
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("%s: %d images, want 1", dir, len(manifest.Manifests))
	}
	return index.Image(manifest.Manifests[0].Digest)
}
