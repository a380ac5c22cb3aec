package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// serveVerb makes this program the registry process; up starts it so.
const serveVerb = "serve-registry"

// serveRegistry serves a registry until ctx ends. It keeps blobs in dir and
// tags in memory: after a restart up pushes again, which copies nothing.
func serveRegistry(ctx context.Context, addr, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           registry.New(registry.WithBlobHandler(registry.NewDiskBlobHandler(dir)), registry.WithReferrersSupport(true)),
		ReadHeaderTimeout: 10 * time.Second,
	}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// startRegistry returns the address of the running registry.
func (tb *testbed) startRegistry(ctx context.Context) (string, error) {
	const proc = "registry"
	p := tb.recorded(proc)
	if p.alive() && pingRegistry(ctx, p.Addr) == nil {
		return p.Addr, nil
	}
	if err := tb.stop(ctx, proc); err != nil {
		return "", err
	}
	// The old address first: the running BuildKit knows it.
	addr, err := freeAddr(p.Addr, tb.registryAddr)
	if err != nil {
		return "", fmt.Errorf("finding a port for the registry: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	argv := []string{self, serveVerb, addr, filepath.Join(tb.cache, "registry")}
	err = step("registry at "+addr, func() error {
		return tb.start(ctx, proc, addr, "", argv, func(ctx context.Context) error { return pingRegistry(ctx, addr) })
	})
	return addr, err
}

func pingRegistry(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/v2/", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("registry at %s answers %s", addr, resp.Status)
	}
	return nil
}

// push gives the registry the image, under its own tag for both architectures
// and, as Amazon does, with each architecture's name as a suffix.
func (tb *testbed) push(ctx context.Context, addr string, im image, dirs []string) error {
	repo, err := name.NewRepository(addr+"/"+im.Repo, name.Insecure)
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, a := range tb.archsOf(im) {
		img, err := readLayout(dirs[i])
		if err != nil {
			return err
		}
		if err := pushIfNew(ctx, repo.Tag(im.Tag+"-"+a.lambda), img, func(ref name.Tag) error {
			return remote.Write(ref, img, remote.WithContext(ctx))
		}); err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: a.oci}},
		})
	}
	return pushIfNew(ctx, repo.Tag(im.Tag), index, func(ref name.Tag) error {
		return remote.WriteIndex(ref, index, remote.WithContext(ctx))
	})
}

// pushIfNew calls write unless the tag already stands for what would be pushed.
func pushIfNew(ctx context.Context, ref name.Tag, what interface{ Digest() (v1.Hash, error) }, write func(name.Tag) error) error {
	digest, err := what.Digest()
	if err != nil {
		return err
	}
	if there, err := remote.Head(ref, remote.WithContext(ctx)); err == nil && there.Digest == digest {
		return nil
	}
	return step("pushing "+ref.String(), func() error { return write(ref) })
}
