package direct

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The kinds of entries that matter, by their letters in a tar.
const (
	kindFile       = '0'
	kindHardLink   = '1'
	kindLink       = '2'
	kindFolder     = '5'
	kindContiguous = '7' // a file, too
)

const (
	tarBlock    = 512
	maxTarExtra = 1 << 20 // of an extended header; longer ones are passed over
)

// tarEntry is an entry of a package's tar.
type tarEntry struct {
	name   string
	kind   byte
	exec   bool
	size   int64
	offset int64 // of its content in the tar
}

// tarballReader reads the tar of an npm package as node-tar does, which npm
// unpacks it with. Old packages come from tools that kept to no standard:
// archive/tar refuses some of them, and npm installs them. Where node-tar
// passes over what it cannot read, so does the reader.
type tarballReader struct {
	r             io.Reader
	offset        int64
	left          int64 // of the current entry, with its padding
	local, global tarExtra
	valid         bool // an entry was found
	block         [tarBlock]byte
}

// tarExtra is what an extended header says of the entries that follow.
type tarExtra struct {
	path string
	size int64 // -1 where it says nothing
}

var noExtra = tarExtra{size: -1}

func newTarballReader(r io.Reader) *tarballReader {
	return &tarballReader{r: r, local: noExtra, global: noExtra}
}

var errNoTar = errors.New("neither a tar nor a compressed one")

// next returns the next entry, or io.EOF. Its content is read by content.
func (t *tarballReader) next() (tarEntry, error) {
	zeros := false
	for {
		if err := t.skip(t.left); err != nil {
			return tarEntry{}, err
		}
		t.left = 0
		n, err := io.ReadFull(t.r, t.block[:])
		t.offset += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF { // of the tar: what inflates it marks its own
			return tarEntry{}, t.end()
		}
		if err != nil {
			return tarEntry{}, err
		}
		sum, known := t.number(148, 12)
		computed := checksum(&t.block)
		if !known && computed == 8*' ' {
			if zeros {
				return tarEntry{}, t.end()
			}
			zeros = true
			continue
		}
		zeros = false
		if !known || sum != computed {
			continue
		}
		e, ok := t.header()
		if !ok {
			continue
		}
		if e.size > maxUnzipped {
			return tarEntry{}, fmt.Errorf("unpacks to more than %d bytes", maxUnzipped)
		}
		t.valid = true
		t.left = (e.size + tarBlock - 1) &^ (tarBlock - 1)
		if strings.IndexByte("xXgLNK", e.kind) >= 0 {
			if err := t.extend(e); err != nil {
				return tarEntry{}, err
			}
			continue
		}
		t.local = noExtra
		return e, nil
	}
}

func (t *tarballReader) end() error {
	if !t.valid {
		return errNoTar
	}
	return io.EOF
}

func checksum(block *[tarBlock]byte) int64 {
	sum := int64(8 * ' ')
	for i, c := range block {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	return sum
}

// header reads the current block; ok is false where node-tar makes nothing of
// it.
func (t *tarballReader) header() (e tarEntry, ok bool) {
	e = tarEntry{kind: t.block[156], offset: t.offset}
	if e.kind == 0 {
		e.kind = kindFile
	}
	var local, global = noExtra, noExtra
	if strings.IndexByte("01234567D", e.kind) >= 0 {
		local, global = t.local, t.global
	}
	for _, f := range [][2]int{{100, 8}, {108, 8}, {116, 8}, {124, 12}, {136, 12}} {
		if first := t.block[f[0]]; first&0x80 != 0 && first != 0x80 && first != 0xff {
			return e, false
		}
	}
	mode, _ := t.number(100, 8)
	e.exec = mode&0o111 != 0
	e.size, _ = t.number(124, 12)
	for _, size := range []int64{global.size, local.size} {
		if size >= 0 {
			e.size = size
		}
	}
	e.size = max(e.size, 0)
	e.name = t.text(0, 100)
	if e.kind == kindFile && strings.HasSuffix(cmp.Or(local.path, e.name), "/") {
		e.kind = kindFolder
	}
	if e.kind == kindFolder {
		e.size = 0
	}
	link := t.text(157, 100) != ""
	switch e.kind {
	case kindHardLink, kindLink:
		ok = link
	case 'x', 'g':
		ok = true
	default:
		ok = !link
	}
	if string(t.block[257:265]) == "ustar\x0000" {
		length := 130 // the rest may be times
		if t.block[475] != 0 {
			length = 155
		}
		if prefix := t.text(345, length); prefix != "" {
			e.name = prefix + "/" + e.name
		}
	}
	e.name = cmp.Or(local.path, e.name)
	return e, ok && e.name != ""
}

// extend reads an extended header.
func (t *tarballReader) extend(e tarEntry) error {
	if e.size > maxTarExtra || e.size == 0 {
		return nil
	}
	data := make([]byte, e.size)
	if err := t.content(data); err != nil {
		return err
	}
	switch e.kind {
	case 'x', 'X':
		t.local.parse(data)
	case 'g':
		t.global.parse(data)
		t.global.path = "" // which would be that of all
	case 'L', 'N':
		data, _, _ = bytes.Cut(data, []byte{0})
		t.local.path = plainText(data)
	}
	return nil
}

// parse reads the lines of a pax header: "13 path=a/b/c\n".
func (x *tarExtra) parse(data []byte) {
	for line := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		length, record, _ := bytes.Cut(line, []byte(" "))
		if n, err := strconv.Atoi(string(length)); err != nil || n != len(line)+1 {
			continue
		}
		key, value, _ := bytes.Cut(record, []byte("="))
		value, _, _ = bytes.Cut(value, []byte{0})
		switch string(key) {
		case "path":
			x.path = plainText(value)
		case "size":
			if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && n >= 0 {
				x.size = n
			}
		}
	}
}

// content fills p from the current entry, which must have as much.
func (t *tarballReader) content(p []byte) error {
	n, err := io.ReadFull(t.r, p)
	t.offset += int64(n)
	t.left -= int64(n)
	return truncated(err)
}

// copy writes the first n bytes of the current entry to w.
func (t *tarballReader) copy(w io.Writer, n int64) error {
	copied, err := io.CopyN(w, t.r, n)
	t.offset += copied
	t.left -= copied
	return truncated(err)
}

// skip passes over n bytes.
func (t *tarballReader) skip(n int64) error {
	if n == 0 {
		return nil
	}
	skipped, err := io.CopyN(io.Discard, t.r, n)
	t.offset += skipped
	return truncated(err)
}

// truncated says that a tar ends too early.
func truncated(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("it ends in the middle of a file")
	}
	return err
}

// number reads a field: octal digits, or with its first bit set, a binary
// number. Like JavaScript's parseInt, it takes the digits that there are.
func (t *tarballReader) number(at, length int) (n int64, ok bool) {
	field := t.block[at : at+length]
	if field[0]&0x80 != 0 {
		if field[0] == 0xff {
			n = -1
		}
		for _, c := range field[1:] {
			if n >= 1<<53 || n < -1<<53 {
				return 0, false
			}
			n = n<<8 | int64(c)
		}
		return n, true
	}
	field, _, _ = bytes.Cut(field, []byte{0})
	field = bytes.TrimSpace(field)
	negative := len(field) > 0 && field[0] == '-'
	if negative {
		field = field[1:]
	}
	for _, c := range field {
		if c < '0' || c > '7' {
			break
		}
		n, ok = n<<3|int64(c-'0'), true
	}
	if negative {
		n = -n
	}
	return n, ok
}

func (t *tarballReader) text(at, length int) string {
	field, _, _ := bytes.Cut(t.block[at:at+length], []byte{0})
	return plainText(field)
}

// plainText replaces what is not UTF-8, as node does.
func plainText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string([]rune(string(b)))
}
