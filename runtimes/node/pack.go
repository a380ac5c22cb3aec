package node

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Bounds of a local package: more is hardly its source.
const (
	maxPackBytes = 64 << 20
	maxPackFiles = 20_000
)

// packJob is a folder that is packed as `npm pack` does.
type packJob struct {
	folder   string // in the project
	above    string // its workspace's folder, whose ignore files hold, too; "" for no member of one
	manifest *manifest
}

// packAt packs the package in a folder of the project.
func packAt(project fs.FS, folder string) (runtimes.File, error) {
	m, err := readManifest(project, folder)
	if err != nil {
		return runtimes.File{}, err
	}
	return packFolder(project, packJob{folder: folder, manifest: m})
}

// packFolder is a folder of the project as a package's tarball: what `npm pack`
// takes, sorted, with fixed times and owners, and not compressed, so that its
// bytes are the same whichever library wrote them.
func packFolder(project fs.FS, job packJob) (runtimes.File, error) {
	w := &packWalker{project: project, job: job}
	if err := w.start(); err != nil {
		return runtimes.File{}, err
	}
	if err := w.walk(""); err != nil {
		return runtimes.File{}, err
	}
	slices.SortFunc(w.files, func(a, b packedFile) int { return strings.Compare(a.name, b.name) })
	data, err := w.pack()
	if err != nil {
		return runtimes.File{}, err
	}
	f := archiveFile(job.folder, data)
	bindings := slices.ContainsFunc(w.files, func(f packedFile) bool { return f.name == "binding.gyp" })
	f.Scripts = job.manifest.hasInstallScripts(bindings)
	return f, nil
}

// archiveFile is a tarball of the project.
func archiveFile(name string, data []byte) runtimes.File {
	sum := sha512.Sum512(data)
	return runtimes.File{
		Name: path.Base(name), Integrity: "sha512-" + base64.StdEncoding.EncodeToString(sum[:]), Size: int64(len(data)),
		Local: &runtimes.LocalFile{Path: name, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}},
	}
}

type packedFile struct {
	name       string // below the folder
	size       int64
	executable bool
}

type packWalker struct {
	project fs.FS
	job     packJob
	levels  []packLevel // of the folders on the way to the current one
	require []string    // the single files that package.json lists
	files   []packedFile
	bytes   int64
}

// walk gathers the files of a folder, below the package's, and those below it.
func (w *packWalker) walk(below string) error {
	dir := path.Join(w.job.folder, below)
	entries, err := fs.ReadDir(w.project, dir)
	if err != nil {
		return &runtimes.InputError{File: dir, Problem: "cannot be read", Err: reason(err)}
	}
	if len(w.levels) > maxNPMDepth {
		return &runtimes.InputError{File: w.job.folder, Problem: "nests folders deeper than any package does"}
	}
	if below != "" {
		level, err := w.levelBelow(below)
		if err != nil {
			return err
		}
		w.levels = append(w.levels, level)
		defer func() { w.levels = w.levels[:len(w.levels)-1] }()
	}
	for _, e := range entries {
		name := path.Join(below, e.Name())
		switch {
		case strings.Contains(e.Name(), "*"): // as npm has it, for Windows
		case e.IsDir() && w.takes(name, true):
			err = w.walk(name)
		case e.Type().IsRegular() && w.takes(name, false):
			err = w.add(path.Join(dir, e.Name()), name, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *packWalker) add(name, below string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return &runtimes.InputError{File: name, Problem: "cannot be read", Err: reason(err)}
	}
	w.files = append(w.files, packedFile{below, info.Size(), info.Mode()&0o111 != 0})
	if w.bytes += info.Size(); w.bytes > maxPackBytes || len(w.files) > maxPackFiles {
		return w.tooLarge()
	}
	return nil
}

func (w *packWalker) tooLarge() error {
	largest := slices.MaxFunc(w.files, func(a, b packedFile) int { return cmp.Compare(a.size, b.size) })
	return &runtimes.InputError{
		File: w.job.folder,
		Problem: fmt.Sprintf("holds more than %d MiB or %d files, which is no package's source; the largest that was met is %s with %d bytes",
			maxPackBytes>>20, maxPackFiles, largest.name, largest.size),
		Hint: "say in the files of its package.json, or in an .npmignore, what belongs into the package",
	}
}

// pack reads the files into a tarball.
func (w *packWalker) pack() ([]byte, error) {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, f := range w.files {
		name := path.Join(w.job.folder, f.name)
		data, err := fs.ReadFile(w.project, name)
		if err != nil {
			return nil, &runtimes.InputError{File: name, Problem: "cannot be read", Err: reason(err)}
		}
		// It may have grown since; nothing larger is ever handed on.
		if w.bytes += int64(len(data)) - f.size; w.bytes > maxPackBytes {
			return nil, w.tooLarge()
		}
		mode := int64(0o644)
		if f.executable {
			mode = 0o755
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: "package/" + f.name, Size: int64(len(data)), Mode: mode, ModTime: packTime}
		if err := t.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
		_, _ = t.Write(data) // into memory
	}
	if err := t.Close(); err != nil {
		return nil, fmt.Errorf("pack %s: %w", w.job.folder, err)
	}
	return storedGzip(b.Bytes()), nil
}

// packTime is the time of all that is packed, npm's own choice.
var packTime = time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)

// storedGzip wraps data in gzip's form (RFC 1952) without compressing it.
func storedGzip(data []byte) []byte {
	const block = 0xffff
	out := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}
	for rest := data; ; {
		n := min(len(rest), block)
		last := byte(0)
		if n == len(rest) {
			last = 1
		}
		out = append(out, last)
		out = binary.LittleEndian.AppendUint16(out, uint16(n))
		out = binary.LittleEndian.AppendUint16(out, ^uint16(n))
		out = append(out, rest[:n]...)
		if rest = rest[n:]; last == 1 {
			break
		}
	}
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(data))
	return binary.LittleEndian.AppendUint32(out, uint32(len(data)))
}
