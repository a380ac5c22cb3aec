// Package zipper writes zip archives whose bytes depend on nothing but what
// is archived, and writes them on all cores. It also reads them, and those of
// others, safely.
//
// Terms used throughout:
//
//   - An entry is one file, symbolic link or folder of the archive.
//   - A block is about 1 MiB of a file, the last one less. Blocks are
//     compressed independently of each other, each knowing the 32 KiB that
//     precede it in its file, and their outputs are joined into one deflate
//     stream. That is how one big file occupies every core.
//   - A window is a 16th of a block. Windows whose bytes show that they do not
//     shrink, such as those of a jar or an image, are stored at once.
//   - A task is what one worker does at a time: a run of small entries, or
//     one block of a big file. Tasks are begun and written in archive order.
//
// The promise: for one Version, an archive is a function of the entries'
// names, kinds, executable bits and contents. The number of workers, the
// machine, the order in which entries are given, and the sizes in which their
// readers deliver do not matter. More than that, the bytes of one entry are a
// function of that entry alone, so they are the same in every archive.
// doc/zip.md states the format so that others can reproduce it.
//
// [Write] streams: it never seeks on its output. With [Options].Verify it
// inflates all that it has compressed, by a library that shares no code with
// the compressor. [Verify] reads an archive back and belongs
// after every Write whose archive is going to be kept; it inflates what Write
// has not. With [Options].Earlier, what an earlier archive holds is copied from
// there instead of being compressed again.
//
// [Open] reads zip files of any origin. It refuses what programs that read
// them understand differently, and what costs more than it may.
package zipper

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"runtime"

	"github.com/layerbuild/layerbuild/zipper/internal/deflate"
)

// Version names everything that decides an archive's bytes: the format rules
// of this package, the compressor's among them. Whatever is derived from an
// archive's bytes, a cache key above all, has to include it.
const Version = "zip/5"

const (
	blockSize = 16 * windowSize
	dictSize  = deflate.Window
)

// ErrCorrupt is wrapped by the errors of Verify that mean that an archive
// does not hold what its Info says.
var ErrCorrupt = errors.New("corrupt archive")

// ErrTooLarge is wrapped by errors of Write that mean that the archive would
// need the zip64 extension, which is never written because Lambda is known to
// refuse such archives: more than 65,534 entries, or a size or an offset of
// 4 GiB - 1 byte or more.
var ErrTooLarge = errors.New("too large for an archive without zip64")

// An Entry is one thing to archive.
type Entry struct {
	// Name is a relative, slash-separated path in UTF-8. A folder's name,
	// and no other, ends in a slash.
	Name string
	// Mode is a regular file's, a folder's or a symbolic link's. Permission
	// bits are normalised: a file becomes 0755 if anyone may execute it and
	// else 0644, a folder 0755 and a link 0777.
	Mode fs.FileMode
	// Size is the exact length of a regular file's content. It is ignored
	// for other entries.
	Size int64
	// Link is the target of a symbolic link, stored as it is.
	Link string
	// Open gives the content of a regular file. It is called once, or twice
	// with Options.Earlier, from any goroutine; several entries are open at a
	// time.
	Open func() (io.ReadCloser, error)
}

// Options are the choices that do not change an archive's bytes.
type Options struct {
	// Workers is how many goroutines compress or inflate; 0 means
	// GOMAXPROCS.
	Workers int
	// TempDir is where Write puts the compressed data of a big file while
	// its size is not known; "" means [os.TempDir].
	TempDir string
	// Progress, if set, is told by Write how many bytes of content have been
	// archived so far. It is called from one goroutine at a time.
	Progress func(bytes int64)
	// Verify has Write inflate each piece right after it was compressed, in
	// the same worker, with klauspost/compress, and compare it with the
	// content. A difference is an error that wraps ErrCorrupt.
	Verify bool
	// Earlier, if set, is an archive that Write may take entries from.
	Earlier *Earlier
}

func (o Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// Info says what an archive holds.
type Info struct {
	Size     int64             // of the archive
	SHA256   [sha256.Size]byte // of the archive
	Unzipped int64             // the sum of the entries' sizes
	Entries  []EntryInfo       // in the order of the archive
	Verified bool              // whether Write has inflated all that it compressed
	Spliced  int64             // bytes of content whose data came from Options.Earlier
}

// EntryInfo says what one entry of an archive holds. A link's content is its
// target, and a folder's is empty.
type EntryInfo struct {
	Name       string
	Mode       fs.FileMode // as normalised
	Size       int64
	Compressed int64
	Method     uint16 // Store or Deflate
	CRC32      uint32 // IEEE, of the content
	SHA256     [sha256.Size]byte
}

// The methods an entry may be archived with.
const (
	Store   uint16 = 0
	Deflate uint16 = 8
)

// Write archives the entries to w and says what it wrote. On an error, which
// names the entry it belongs to, w has received an unusable part. Write
// returns when all that it started has ended; it cannot interrupt a call of w
// or of an entry's reader.
func Write(ctx context.Context, w io.Writer, entries []Entry, opts Options) (Info, error) {
	indexed := make(chan *earlier, 1)
	go func() { indexed <- newEarlier(opts.Earlier) }()
	sorted, err := prepare(entries)
	before := <-indexed
	if err != nil {
		return Info{}, err
	}
	return newPacker(w, sorted, before, opts).run(ctx)
}
