package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/layerbuild/layerbuild/cache"
)

// delivery is what a run remembers of an output that it put in place, so that
// the next one can leave it untouched.
type delivery struct {
	SHA256   string      `json:"sha256"` // of the archive, hex
	Facts    string      `json:"facts"`  // what else decides the manifest
	Zip      cache.Stamp `json:"zip"`
	Manifest string      `json:"manifest"` // SHA-256 of its bytes, hex
	Config   string      `json:"config"`   // absolute path of the configuration it is of, "" without one
}

const deliveryKind = "delivery/1"

// deliver puts an archive and its manifest into the output folder, unless
// they are there.
func (r *run) deliver(ctx context.Context, res *resolved, got *obtained) (Built, IndexEntry, error) {
	defer timed(&res.timings.Deliver)()
	archive := archiveOf(got.entry, got.facts, res.zip)
	built := Built{
		TargetID: res.id,
		File:     res.zip,
		Manifest: res.manifest(),
		Key:      res.key,
		SHA256:   archive.SHA256,
		Packages: got.facts.Packages,
		ZipSize:  archive.Size,
		Unzipped: got.facts.UnzippedSize,
		Hit:      got.engine == "",
		Engine:   got.engine,
		From:     got.from,
		Spliced:  got.spliced,
	}
	entry := IndexEntry{
		Name:            res.id.Layer,
		Description:     res.layer.Description,
		LicenseInfo:     res.layer.LicenseInfo,
		Runtimes:        res.id.Runtimes,
		Architectures:   res.id.Arches,
		Manifest:        filepath.Base(built.Manifest),
		Key:             res.key,
		ManifestArchive: archive,
	}
	facts, err := json.Marshal(entry)
	if err != nil {
		return built, IndexEntry{}, err
	}
	before := r.delivered(ctx, res.zip)
	zipInPlace := before.SHA256 == archive.SHA256 && stampIs(res.zip, before.Zip)
	if zipInPlace && before.Config == r.configFile() && before.Facts == string(facts) && fileIs(built.Manifest, before.Manifest) {
		return built, entry, nil
	}

	now := delivery{SHA256: archive.SHA256, Facts: string(facts), Zip: before.Zip, Config: r.configFile()}
	if !zipInPlace {
		built.Delivered = true
		if now.Zip, err = r.deliverZip(ctx, res, got); err != nil {
			return built, IndexEntry{}, err
		}
	}
	if now.Manifest, err = r.writeManifest(ctx, res, got); err != nil {
		return built, IndexEntry{}, err
	}
	if data, err := json.Marshal(now); err == nil {
		// Without this the next run delivers once more.
		_ = r.Cache.PutValue(ctx, deliveryKind, res.zip, data)
	}
	return built, entry, nil
}

// lastKey is the key of what was put last into the target's place in the output
// folder, "" if nothing was.
func (r *run) lastKey(ctx context.Context, res *resolved) string {
	var last IndexEntry
	if err := json.Unmarshal([]byte(r.delivered(ctx, res.zip).Facts), &last); err != nil {
		return ""
	}
	return last.Key
}

func (r *run) delivered(ctx context.Context, zip string) delivery {
	var d delivery
	if data, err := r.Cache.GetValue(ctx, deliveryKind, zip); err == nil {
		_ = json.Unmarshal(data, &d) // a record that cannot be read is no record
	}
	return d
}

// configFile tells one configuration from another; "" is none.
func (r *run) configFile() string {
	if r.Config.File == "" {
		return ""
	}
	return filepath.Join(r.Config.Root, filepath.Base(r.Config.File))
}

// isOthers tells whether an archive is not this configuration's to remove:
// another one has the same output folder, or there is none, and each command
// names a layer that the next one does not know.
func (r *run) isOthers(ctx context.Context, e IndexEntry) bool {
	if r.Config.File == "" {
		return true
	}
	d := r.delivered(ctx, filepath.Join(r.output, filepath.Base(e.File)))
	return d.SHA256 != "" && d.Config != r.configFile()
}

// writable makes sure, before anything is built, that there is a place for it.
func writable(output string) error {
	err := cache.Writable(output)
	if err == nil {
		return nil
	}
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		err = path.Err // without the name of a file that nobody knows
	}
	return fmt.Errorf("the output folder %s cannot be written: %w", output, err)
}

// removeStale removes an archive that an earlier run delivered, with its
// manifest. A file that is not as it was delivered is somebody else's by now.
func (r *run) removeStale(ctx context.Context, e IndexEntry) {
	zip := filepath.Join(r.output, filepath.Base(e.File))
	manifest := filepath.Join(r.output, filepath.Base(e.Manifest))
	d := r.delivered(ctx, zip)
	if !stampIs(zip, d.Zip) {
		return
	}
	if err := os.Remove(zip); err != nil {
		r.warn(TargetID{}, fmt.Sprintf("%s is in no layer any more and cannot be removed: %v", zip, err))
		return
	}
	if fileIs(manifest, d.Manifest) {
		_ = os.Remove(manifest) // without its archive it misleads nobody
	}
	r.note(TargetID{}, fmt.Sprintf("removed %s: the configuration has no such layer any more", filepath.Base(zip)))
}

func stampIs(file string, want cache.Stamp) bool {
	got, err := cache.StampOf(file)
	return err == nil && got == want
}

func fileIs(file, sum string) bool {
	data, err := os.ReadFile(file)
	return err == nil && hexSum(data) == sum
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (r *run) deliverZip(ctx context.Context, res *resolved, got *obtained) (cache.Stamp, error) {
	var stamp cache.Stamp
	var err error
	if got.uncommitted != nil {
		stamp, err = got.uncommitted.Deliver(ctx, res.zip)
	} else {
		stamp, err = r.Cache.Deliver(ctx, got.entry.Blobs[roleArchive], res.zip)
	}
	if err != nil {
		return stamp, fmt.Errorf("deliver %s: %w", res.zip, err)
	}
	return stamp, nil
}

func (r *run) writeManifest(ctx context.Context, res *resolved, got *obtained) (sum string, err error) {
	input := got.input
	if input == nil {
		if input, err = r.readBlob(ctx, got.entry.Blobs[roleKeyInput]); err != nil {
			return "", err
		}
	}
	in, err := readKeyInput(input)
	if err != nil {
		return "", err
	}
	data, err := encodeJSON(newManifest(res.target, got.entry, got.facts, in))
	if err != nil {
		return "", err
	}
	err = updateFile(res.manifest(), func([]byte) ([]byte, error) { return data, nil })
	return hexSum(data), err
}

// updateFile replaces a file as a whole, unless its content is what it should
// be.
func updateFile(file string, content func(old []byte) ([]byte, error)) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := content(old)
	if err != nil || (old != nil && bytes.Equal(old, data)) {
		return err
	}
	return cache.WriteFile(file, data)
}

// exclusively keeps other processes on this cache from changing a file that is
// read and written as a whole. Where the cache cannot lock, it goes without.
func (r *run) exclusively(ctx context.Context, file string) (unlock func()) {
	unlock, err := r.Cache.Lock(ctx, sha256.Sum256([]byte("file\n"+file)))
	if err != nil {
		return func() {}
	}
	return unlock
}
