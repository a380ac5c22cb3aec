package zipper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

func TestRefused(t *testing.T) {
	long := strings.Repeat("x", maxName)
	huge := file("f", 0, nil)
	huge.Size = maxSize + 1
	negative := file("f", 0, nil)
	negative.Size = -1
	tests := []struct {
		name    string
		entries []Entry
		want    string // "" if the entries are fine
	}{
		{"no name", []Entry{file("", 0, nil)}, "empty"},
		{"absolute", []Entry{file("/etc/passwd", 0, nil)}, "absolute"},
		{"slash alone", []Entry{folder("/")}, "absolute"},
		{"up", []Entry{file("../f", 0, nil)}, `".."`},
		{"up inside", []Entry{file("a/../f", 0, nil)}, `".."`},
		{"up at the end", []Entry{folder("a/../")}, `".."`},
		{"dot", []Entry{file("./f", 0, nil)}, `"."`},
		{"dot alone", []Entry{folder("./")}, `"."`},
		{"dots in a name", []Entry{file("a..b/...", 0, nil)}, ""},
		{"empty element", []Entry{file("a//b", 0, nil)}, "empty element"},
		{"two slashes at the end", []Entry{folder("a//")}, "empty element"},
		{"backslash", []Entry{file(`a\b`, 0, nil)}, "backslash"},
		{"NUL", []Entry{file("a\x00b", 0, nil)}, "NUL"},
		{"invalid UTF-8", []Entry{file("a\xff", 0, nil)}, "UTF-8"},
		{"surrogate", []Entry{file("a\xed\xa0\x80", 0, nil)}, "UTF-8"},
		{"longest name", []Entry{file(long, 0, nil)}, ""},
		{"too long", []Entry{file(long+"x", 0, nil)}, "65536 bytes"},
		{"twice", []Entry{file("a", 0, nil), file("b", 0, nil), file("a", 0, nil)}, "two entries"},
		{"file and folder", []Entry{file("a", 0, nil), folder("a/")}, "two entries"},
		{"below a file", []Entry{file("a", 0, nil), file("a/b", 0, nil)}, "no folder"},
		{"far below a link", []Entry{link("a", "/etc"), file("a.txt", 0, nil), file("a/b/c", 0, nil)}, "no folder"},
		{"below a folder", []Entry{folder("a/"), file("a/b/c", 0, nil), file("a.txt", 0, nil)}, ""},
		{"file as a folder", []Entry{file("a/", 0, nil)}, "slash"},
		{"folder as a file", []Entry{{Name: "a", Mode: fs.ModeDir}}, "slash"},
		{"link as a folder", []Entry{link("a/", "b")}, "slash"},
		{"link without target", []Entry{link("a", "")}, "target"},
		{"link with NUL", []Entry{link("a", "b\x00c")}, "target"},
		{"link too far", []Entry{link("a", long+"x")}, "65536 bytes"},
		{"device", []Entry{file("a", fs.ModeDevice, nil)}, "no regular file"},
		{"pipe", []Entry{file("a", fs.ModeNamedPipe, nil)}, "no regular file"},
		{"no content", []Entry{{Name: "a"}}, "Open"},
		{"negative size", []Entry{negative}, "negative"},
		{"huge size", []Entry{huge}, "zip64"},
	}
	for _, test := range tests {
		var b bytes.Buffer
		_, err := Write(context.Background(), &b, test.entries, Options{})
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		case test.want != "" && b.Len() > 0:
			t.Errorf("%s: %d bytes were written", test.name, b.Len())
		}
	}
}

// TestTree holds the search for entries that cannot be of one tree against one
// that compares all of them.
func TestTree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var entries []Entry
		for range 1 + r.IntN(4) {
			b := []byte{"ab-."[r.IntN(4)]}
			for range r.IntN(5) {
				if b = append(b, "ab-./"[r.IntN(5)]); b[len(b)-1] == '/' {
					b = append(b, "ab"[r.IntN(2)])
				}
			}
			if name := string(b); r.IntN(3) == 0 {
				entries = append(entries, folder(name+"/"))
			} else {
				entries = append(entries, file(name, 0, nil))
			}
		}
		sound := true
		for i, a := range entries {
			for j, b := range entries {
				path := strings.TrimSuffix(b.Name, "/")
				same := i != j && strings.TrimSuffix(a.Name, "/") == path
				if same || a.Mode.IsRegular() && strings.HasPrefix(path, a.Name+"/") {
					sound = false
				}
			}
		}
		slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
		if err := checkTree(entries); (err == nil) != sound {
			for _, e := range entries {
				t.Logf("%q", e.Name)
			}
			t.Fatal(err)
		}
	}
}

func TestTooManyEntries(t *testing.T) {
	entries := make([]Entry, maxEntries+1)
	for i := range entries {
		entries[i] = folder(fmt.Sprintf("%05d/", i))
	}
	if _, err := Write(context.Background(), io.Discard, entries, Options{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d entries: %v", len(entries), err)
	}
	_, info := write(t, entries[1:], Options{})
	if len(info.Entries) != maxEntries {
		t.Errorf("%d entries were written", len(info.Entries))
	}
}

// TestDirectoryLimits asks for directories that only zip64 could hold.
func TestDirectoryLimits(t *testing.T) {
	e := []EntryInfo{{Name: "f", Mode: plainMode}}
	if _, err := appendDirectory(nil, e, maxSize); err != nil {
		t.Error(err)
	}
	if _, err := appendDirectory(nil, e, maxSize+1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("offset past the limit: %v", err)
	}
	name := strings.Repeat("x", maxName)
	long := make([]EntryInfo, maxEntries)
	for i := range long {
		long[i] = EntryInfo{Name: name, Mode: plainMode}
	}
	if _, err := appendDirectory(nil, long, 0); !errors.Is(err, ErrTooLarge) {
		t.Errorf("directory past the limit: %v", err)
	}
}

// A tracked reader counts how many are open.
type tracked struct {
	io.Reader
	open *atomic.Int32
}

func (r tracked) Close() error { r.open.Add(-1); return nil }

var errBad = errors.New("bad disk")

// TestBadContent has one entry misbehave among many good ones. The bubble of
// synctest makes it an error if Write leaves a goroutine behind.
func TestBadContent(t *testing.T) {
	content := prose(1, 3*blockSize)
	for _, size := range []int{100, blockSize, 3 * blockSize} {
		tests := []struct {
			name string
			size int64
			open func() (io.Reader, error)
			want string
		}{
			{"shorter", int64(size) + 1, func() (io.Reader, error) { return bytes.NewReader(content[:size]), nil }, "ends 1 bytes before"},
			{"much shorter", int64(size) + 2*blockSize, func() (io.Reader, error) { return bytes.NewReader(content[:size]), nil }, "before its stated size"},
			{"empty", int64(size), func() (io.Reader, error) { return bytes.NewReader(nil), nil }, "before its stated size"},
			{"longer", int64(size) - 1, func() (io.Reader, error) { return bytes.NewReader(content[:size]), nil }, "longer than"},
			{"not empty", 0, func() (io.Reader, error) { return bytes.NewReader(content[:size]), nil }, "longer than"},
			{"Open fails", int64(size), func() (io.Reader, error) { return nil, errBad }, "open: bad disk"},
			{"Read fails", int64(size), func() (io.Reader, error) {
				return io.MultiReader(bytes.NewReader(content[:size-1]), iotest.ErrReader(errBad)), nil
			}, "read: bad disk"},
			{"truncated source", int64(size), func() (io.Reader, error) {
				return io.MultiReader(bytes.NewReader(content[:size]), iotest.ErrReader(io.ErrUnexpectedEOF)), nil
			}, "read: unexpected EOF"},
			{"no progress", int64(size), func() (io.Reader, error) { return &chunkReader{r: bytes.NewReader(content)}, nil }, "no data or error"},
		}
		for _, test := range tests {
			t.Run(fmt.Sprintf("%s/%d", test.name, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var open atomic.Int32
					entries := append(smallTree(), file("z.py", 0o644, prose(1, blockSize+1)))
					entries = append(entries, Entry{Name: "medium", Size: test.size, Open: func() (io.ReadCloser, error) {
						r, err := test.open()
						if err == nil {
							open.Add(1)
						}
						return tracked{r, &open}, err
					}})
					_, err := Write(context.Background(), io.Discard, entries, Options{Workers: 3})
					if err == nil || !strings.Contains(err.Error(), `entry "medium"`) || !strings.Contains(err.Error(), test.want) {
						t.Errorf("error %v, want one with %q", err, test.want)
					}
					if n := open.Load(); n != 0 {
						t.Errorf("%d files are still open", n)
					}
				})
			})
		}
	}
}

type closeFails struct{ io.Reader }

func (closeFails) Close() error { return errBad }

func TestCloseFails(t *testing.T) {
	for _, size := range []int{10, 2 * blockSize} {
		e := file("f", 0o644, prose(1, size))
		e.Open = func() (io.ReadCloser, error) { return closeFails{bytes.NewReader(prose(1, size))}, nil }
		if _, err := Write(context.Background(), io.Discard, []Entry{e}, Options{}); !errors.Is(err, errBad) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// A limitedWriter fails, or only writes less, past n bytes.
type limitedWriter struct {
	n     int
	short bool
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if len(p) <= w.n {
		w.n -= len(p)
		return len(p), nil
	}
	n := w.n
	w.n = 0
	if w.short {
		return n, nil
	}
	return n, errBad
}

func TestWriterFails(t *testing.T) {
	archive, _ := write(t, mediumTree(), Options{})
	for _, short := range []bool{false, true} {
		want := errBad
		if short {
			want = io.ErrShortWrite
		}
		for n := 0; n < len(archive); n += len(archive)/7 - 1 {
			synctest.Test(t, func(t *testing.T) {
				_, err := Write(context.Background(), &limitedWriter{n, short}, mediumTree(), Options{Workers: 4})
				if !errors.Is(err, want) {
					t.Errorf("after %d bytes: %v, want %v", n, err, want)
				}
			})
		}
	}
}

// TestCancel cancels at the opening, and at the first reading, of each file.
func TestCancel(t *testing.T) {
	for i := range mediumTree() {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var open atomic.Int32
			entries := mediumTree()
			for j := range entries {
				opener := entries[j].Open
				if opener == nil {
					continue
				}
				entries[j].Open = func() (io.ReadCloser, error) {
					r, err := opener()
					open.Add(1)
					if i == j {
						cancel()
					}
					return tracked{r, &open}, err
				}
			}
			_, err := Write(ctx, io.Discard, entries, Options{Workers: 3})
			if entries[i].Open != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled at %s: %v", entries[i].Name, err)
			}
			if n := open.Load(); n != 0 {
				t.Errorf("cancelled at %s: %d files are still open", entries[i].Name, n)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Write(ctx, io.Discard, mediumTree(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	archive, info := write(t, mediumTree(), Options{})
	if err := Verify(ctx, bytes.NewReader(archive), info.Size, info, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify cancelled before: %v", err)
	}
}
