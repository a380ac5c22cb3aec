package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestManifest pins what lies in users' registries: a change of it makes
// entries that are put again other manifests, which immutable tags refuse.
func TestManifest(t *testing.T) {
	data := []byte("any bytes")
	manifest, err := json.Marshal(manifestOf(describe(EntryType, data), data))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"artifactType":"application/vnd.layerbuild.entry.v1",` +
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"data":"e30="},` +
		`"layers":[{"mediaType":"application/vnd.layerbuild.entry.v1","digest":"sha256:23914a83c3c7080988b4aab957e8c1abf4a281df9cc77c7e1d43d3e81f39e94e","size":9,"data":"YW55IGJ5dGVz"}]}`
	if string(manifest) != want {
		t.Errorf("got  %s\nwant %s", manifest, want)
	}
	entry, err := entryOf(manifest)
	if err != nil || string(entry.Data) != string(data) {
		t.Errorf("read %+v, %v", entry, err)
	}
}

// TestBigEntry: what is too long to stand in the manifest is a blob alone.
func TestBigEntry(t *testing.T) {
	data := make([]byte, maxInline+1)
	manifest, err := json.Marshal(manifestOf(describe(EntryType, data), data))
	if err != nil {
		t.Fatal(err)
	}
	entry, err := entryOf(manifest)
	if err != nil || entry.Data != nil || entry.Size != int64(len(data)) {
		t.Errorf("read %+v, %v", entry, err)
	}
}

func TestForeignManifest(t *testing.T) {
	for _, manifest := range []string{
		"", "null", "{}", "[]",
		`{"layers":[]}`,
		`{"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":1}]}`,
		`{"layers":[{"mediaType":"` + EntryType + `","digest":"sha256:../../x","size":1}]}`,
	} {
		if entry, err := entryOf([]byte(manifest)); err == nil {
			t.Errorf("%s was read as %+v", manifest, entry)
		}
	}
}

// FuzzEntryOf: a registry's answer leads to a blob by its digest, or to bytes of
// the size stated, or nowhere.
func FuzzEntryOf(f *testing.F) {
	data := []byte("any bytes")
	manifest, err := json.Marshal(manifestOf(describe(EntryType, data), data))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(manifest)
	f.Add([]byte(`{"layers":[{"mediaType":"` + EntryType + `","size":5,"data":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, manifest []byte) {
		entry, err := entryOf(manifest)
		if err != nil {
			return
		}
		if err := entry.Digest.Validate(); err != nil {
			t.Errorf("digest %q: %v", entry.Digest, err)
		}
		if entry.Data != nil && int64(len(entry.Data)) != entry.Size {
			t.Errorf("%d bytes of %d", len(entry.Data), entry.Size)
		}
	})
}

func TestCheckRedirect(t *testing.T) {
	request := func(address string) *http.Request {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Request{URL: u}
	}
	secure, plain := request("https://registry.example/"), request("http://blobs.example/")
	if err := checkRedirect(request("https://blobs.example/"), []*http.Request{secure}); err != nil {
		t.Error(err)
	}
	if err := checkRedirect(plain, []*http.Request{plain}); err != nil {
		t.Error(err)
	}
	if err := checkRedirect(plain, []*http.Request{secure}); err == nil {
		t.Error("led from https to http")
	}
	if err := checkRedirect(secure, make([]*http.Request, 10)); err == nil {
		t.Error("has no end")
	}
}

// TestSignedAddress: where blobs lie elsewhere, the address is the login.
func TestSignedAddress(t *testing.T) {
	b := New(Location{Registry: "registry.example", Repository: "c"}, nil)
	const signed = "https://blobs.example/x?X-Amz-Signature=planted&a=b"
	for _, err := range []error{
		&url.Error{Op: "Get", URL: signed, Err: errors.New("connection reset")},
		fmt.Errorf("GET %q: unknown response Content-Length", signed),
	} {
		text := b.explain(t.Context(), "get", "cas/x", err).Error()
		if strings.Contains(text, "planted") || !strings.HasPrefix(text, "get cas/x: ") {
			t.Errorf("the error is %q", text)
		}
	}
}
