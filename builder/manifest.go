package builder

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/cache"
)

// Manifest is the JSON beside an archive: what a deploy tool and a reviewer
// need to know of it. It holds no dates and no paths, so equal layers have
// equal manifests.
type Manifest struct {
	Format        int               `json:"format"` // 1
	Name          string            `json:"name"`
	Description   string            `json:"description,omitempty"`
	LicenseInfo   string            `json:"licenseInfo,omitempty"`
	Runtimes      []string          `json:"compatibleRuntimes"`
	Architectures []string          `json:"compatibleArchitectures"`
	Key           string            `json:"key"`
	Archive       ManifestArchive   `json:"archive"`
	Packages      []ManifestPackage `json:"packages"`
	Recipe        *ManifestRecipe   `json:"recipe,omitempty"` // where code ran
}

// ManifestRecipe is what built a layer for which code had to run.
type ManifestRecipe struct {
	Image      string            `json:"image"`                // with its index digest
	BuildImage string            `json:"buildImage,omitempty"` // in which packages were built from source
	Tools      map[string]string `json:"tools"`                // name → version
	Bytecode   bool              `json:"bytecode,omitempty"`
}

// ManifestArchive describes the zip.
type ManifestArchive struct {
	File         string `json:"file"`         // name, beside the manifest
	SHA256       string `json:"sha256"`       // hex
	SHA256Base64 string `json:"sha256Base64"` // as Lambda reports it: CodeSha256
	Size         int64  `json:"size"`         // bytes
	UnzippedSize int64  `json:"unzippedSize"` // bytes, what counts against Lambda's limit
	Files        int    `json:"files"`
}

// ManifestPackage is one installed package.
type ManifestPackage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	File    string `json:"file"`
	SHA256  string `json:"sha256,omitempty"` // of the distribution file, hex

	// Integrity stands in place of a SHA-256 where the lock file has that.
	Integrity string `json:"integrity,omitempty"`
}

// entryFacts is what a cache entry says beyond its blobs.
type entryFacts struct {
	UnzippedSize int64 `json:"unzippedSize"`
	Files        int   `json:"files"`
	Packages     int   `json:"packages"`

	// Check is what the checks know of the archive: a hit is judged for its own
	// target, which may have another runtime than the one it was built for.
	Check check.Facts `json:"check"`
}

// The blobs of an entry.
const (
	roleArchive  = "archive"
	roleKeyInput = "keyinput"
	roleFiles    = "files"
)

// archiveOf describes an entry's archive as the manifest and the index do.
func archiveOf(entry cache.Entry, facts entryFacts, zip string) ManifestArchive {
	blob := entry.Blobs[roleArchive]
	return ManifestArchive{
		File:         filepath.Base(zip),
		SHA256:       blob.SHA256.String(),
		SHA256Base64: base64.StdEncoding.EncodeToString(blob.SHA256[:]),
		Size:         blob.Size,
		UnzippedSize: facts.UnzippedSize,
		Files:        facts.Files,
	}
}

func newManifest(t target, entry cache.Entry, facts entryFacts, in keyInput) Manifest {
	m := Manifest{
		Format:        1,
		Name:          t.id.Layer,
		Description:   t.layer.Description,
		LicenseInfo:   t.layer.LicenseInfo,
		Runtimes:      t.id.Runtimes,
		Architectures: t.id.Arches,
		Key:           entry.Key.String(),
		Archive:       archiveOf(entry, facts, t.zip),
		Packages:      make([]ManifestPackage, len(in.Packages)),
	}
	for i, p := range in.Packages {
		m.Packages[i] = ManifestPackage{p.Name, p.Version, p.File, p.SHA256, p.Integrity}
	}
	if r := in.Recipe; r != nil {
		m.Recipe = &ManifestRecipe{Image: r.Image, Tools: r.Tools, Bytecode: r.Bytecode}
		if len(r.Parts) > 0 {
			m.Recipe.BuildImage = r.Parts[0].Recipe.Image
		}
	}
	return m
}

// An IndexEntry is one archive in layers.json.
type IndexEntry struct {
	Name          string   `json:"name"`
	Description   string   `json:"description,omitempty"`
	LicenseInfo   string   `json:"licenseInfo,omitempty"`
	Runtimes      []string `json:"compatibleRuntimes"`
	Architectures []string `json:"compatibleArchitectures"`
	Manifest      string   `json:"manifest"` // name, beside the index
	Key           string   `json:"key"`
	ManifestArchive
}

type indexDocument struct {
	Format int          `json:"format"` // 1
	Layers []IndexEntry `json:"layers"`
}

// indexFile lists all archives of an output folder.
const indexFile = "layers.json"

// mergeIndex returns layers.json after a run: what was built now, and, where
// the run was for some layers only, what the configuration still has of the
// rest, or others put there. What it no longer has is gone.
func mergeIndex(old []byte, built []IndexEntry, keep func(IndexEntry) bool) (data []byte, gone []IndexEntry, err error) {
	merged := make(map[string]IndexEntry)
	var before indexDocument
	if json.Unmarshal(old, &before) == nil && before.Format == 1 {
		for _, e := range before.Layers {
			if keep(e) {
				merged[e.File] = e
			} else {
				gone = append(gone, e)
			}
		}
	}
	for _, e := range built {
		merged[e.File] = e
	}
	doc := indexDocument{Format: 1, Layers: make([]IndexEntry, 0, len(merged))}
	for _, e := range merged {
		doc.Layers = append(doc.Layers, e)
	}
	slices.SortFunc(doc.Layers, func(a, b IndexEntry) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.File, b.File))
	})
	data, err = encodeJSON(doc)
	return data, gone, err
}

// encodeJSON is the form of every JSON file for people: two spaces, no HTML
// escapes, a final newline.
func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return buf.Bytes(), err
}

// keyDigest turns a key in hex into the cache's form.
func keyDigest(key string) (cache.Digest, error) {
	var d cache.Digest
	_, err := hex.Decode(d[:], []byte(key))
	return d, err
}
