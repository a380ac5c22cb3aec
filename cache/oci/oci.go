// Package oci keeps named bytes in a repository of an OCI registry.
//
// "cas/<hex>" is the blob sha256:<hex>. "ac/<hex>" is an artifact: a manifest
// under the tag ac-<hex>, whose first layer is the bytes themselves and whose
// further layers are the blobs that they name, so that the registry's garbage
// collection keeps what an entry needs. Blobs that no entry came to name may be
// collected at any time.
//
// Logins are those of docker login: ~/.docker/config.json and its credential
// helpers, which are asked when a registry demands it. The package verifies
// nothing and tries nothing twice: that is for package cache and its remotes.
package oci

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/ctxio"
)

// The media types of what a manifest names.
const (
	EntryType = "application/vnd.layerbuild.entry.v1" // the artifact, and the bytes of "ac/"
	BlobType  = "application/vnd.layerbuild.blob.v1"
)

// maxManifest bounds what is read of a manifest: what registries accept.
const maxManifest = 4 << 20

// maxInline bounds the bytes that stand in the manifest, too, where one request
// finds them. An entry has some 600.
const maxInline = 16 << 10

// A Backend is a cache.Backend on a repository. It is safe for concurrent use.
type Backend struct {
	at     Location
	repo   *remote.Repository
	config atomic.Bool // the repository has the empty config, which all manifests name
}

// New returns the backend at a location. Servers are trusted whose authority
// is in roots, or the system's where that is nil. Nothing is read or asked yet.
func New(at Location, roots *x509.CertPool) *Backend {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	transport.MaxIdleConnsPerHost = 8
	return &Backend{at: at, repo: &remote.Repository{
		Reference:          registry.Reference{Registry: at.Registry, Repository: at.Repository},
		PlainHTTP:          at.PlainHTTP,
		ManifestMediaTypes: []string{ocispec.MediaTypeImageManifest},
		Client: &auth.Client{
			Client:     &http.Client{Transport: transport, CheckRedirect: checkRedirect},
			Cache:      auth.NewCache(),
			Credential: login,
			ClientID:   "layerbuild",
		},
	}}
}

// login asks docker's configuration anew each time a registry demands a login:
// what it was given is kept by the client.
func login(ctx context.Context, hostport string) (auth.Credential, error) {
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return auth.EmptyCredential, fmt.Errorf("reading docker's configuration: %w", err)
	}
	return credentials.Credential(store)(ctx, hostport)
}

// checkRedirect lets blobs lie elsewhere, as they do with most registries, but
// not where TLS ends.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("redirected from https to plain http at %s", req.URL.Host)
	}
	return nil
}

// String is the repository's address, as it may be shown.
func (b *Backend) String() string { return b.at.String() }

// check sees that there is something to ask for.
func check(ctx context.Context, name string) (space, sum string, err error) {
	if !cache.ValidName(name) {
		return "", "", fmt.Errorf("bad name %q", name)
	}
	space, sum, _ = strings.Cut(name, "/")
	return space, sum, ctx.Err()
}

func tag(sum string) string { return "ac-" + sum }

// Get implements cache.Backend.
func (b *Backend) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := b.get(ctx, name)
	if err != nil {
		return nil, b.explain(ctx, "get", name, err)
	}
	return r, nil
}

func (b *Backend) get(ctx context.Context, name string) (io.ReadCloser, error) {
	space, sum, err := check(ctx, name)
	if err != nil {
		return nil, err
	}
	blob := "sha256:" + sum
	if space == "ac" {
		entry, err := b.entry(ctx, sum)
		if err != nil {
			return nil, err
		}
		if entry.Data != nil {
			return io.NopCloser(bytes.NewReader(entry.Data)), nil
		}
		blob = entry.Digest.String()
	}
	_, r, err := b.repo.Blobs().FetchReference(ctx, blob)
	return r, err
}

// Stat implements cache.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (int64, error) {
	size, err := b.stat(ctx, name)
	if err != nil {
		return 0, b.explain(ctx, "stat", name, err)
	}
	return size, nil
}

func (b *Backend) stat(ctx context.Context, name string) (int64, error) {
	space, sum, err := check(ctx, name)
	if err != nil {
		return 0, err
	}
	if space == "ac" {
		entry, err := b.entry(ctx, sum)
		return entry.Size, err
	}
	desc, err := b.repo.Blobs().Resolve(ctx, "sha256:"+sum)
	return desc.Size, err
}

// entry finds where the bytes of "ac/<sum>" are.
func (b *Backend) entry(ctx context.Context, sum string) (ocispec.Descriptor, error) {
	_, r, err := b.repo.Manifests().FetchReference(ctx, tag(sum))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return entryOf(data)
}

// entryOf reads a manifest.
func entryOf(data []byte) (ocispec.Descriptor, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(data, &m); err != nil || len(data) > maxManifest || len(m.Layers) == 0 || m.Layers[0].MediaType != EntryType {
		return ocispec.Descriptor{}, errors.New("the tag names something that layerbuild did not put there")
	}
	entry := m.Layers[0]
	if entry.Data != nil && int64(len(entry.Data)) != entry.Size {
		entry.Data = nil
	}
	return entry, entry.Digest.Validate()
}

// Put implements cache.Backend. The blobs that an entry names must have been
// put before.
func (b *Backend) Put(ctx context.Context, name string, size int64, r io.ReadSeeker) error {
	if err := b.put(ctx, name, size, r); err != nil {
		return b.explain(ctx, "put", name, err)
	}
	return nil
}

func (b *Backend) put(ctx context.Context, name string, size int64, r io.ReadSeeker) error {
	space, sum, err := check(ctx, name)
	if err != nil {
		return err
	}
	end, err := r.Seek(0, io.SeekEnd)
	if err == nil && end != size {
		err = fmt.Errorf("got %d bytes where %d were announced", end, size)
	}
	if err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if space == "ac" {
		return b.putEntry(ctx, sum, size, r)
	}
	// A connection takes a while to end with its context. No more than a reader,
	// so that the size stated is the one that is sent.
	body := &ctxio.Reader{Ctx: ctx, R: r}
	desc := ocispec.Descriptor{MediaType: BlobType, Digest: digest.Digest("sha256:" + sum), Size: size}
	err = b.repo.Blobs().Push(ctx, desc, body)
	return errors.Join(body.Err, err)
}

func (b *Backend) putEntry(ctx context.Context, sum string, size int64, r io.Reader) error {
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return err
	}
	if !b.config.Load() {
		if err := b.repo.Blobs().Push(ctx, ocispec.DescriptorEmptyJSON, bytes.NewReader(ocispec.DescriptorEmptyJSON.Data)); err != nil {
			return err
		}
		b.config.Store(true)
	}
	entry := describe(EntryType, data)
	if err := b.repo.Blobs().Push(ctx, entry, bytes.NewReader(data)); err != nil {
		return err
	}
	manifest, err := json.Marshal(manifestOf(entry, data))
	if err != nil {
		return err
	}
	return b.repo.Manifests().PushReference(ctx, describe(ocispec.MediaTypeImageManifest, manifest), bytes.NewReader(manifest), tag(sum))
}

// manifestOf depends on the entry alone, no dates, so that who puts the same
// entry again changes nothing, and may where tags are immutable.
func manifestOf(entry ocispec.Descriptor, data []byte) ocispec.Manifest {
	if len(data) <= maxInline {
		entry.Data = data
	}
	layers := []ocispec.Descriptor{entry}
	blobs := cache.References(data)
	for _, role := range slices.Sorted(maps.Keys(blobs)) {
		layers = append(layers, ocispec.Descriptor{
			MediaType:   BlobType,
			Digest:      digest.NewDigestFromEncoded(digest.SHA256, blobs[role].SHA256.String()),
			Size:        blobs[role].Size,
			Annotations: map[string]string{ocispec.AnnotationTitle: role},
		})
	}
	return ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: EntryType,
		Config:       ocispec.DescriptorEmptyJSON,
		Layers:       layers,
	}
}

func describe(mediaType string, data []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}
