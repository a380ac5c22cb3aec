package zipper

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A hostileArchive is one that Open has to refuse.
type hostileArchive struct {
	name    string
	archive []byte
	want    []string // in the error
}

func one(r craftedRecord) []byte { return crafted{records: []craftedRecord{r}}.bytes() }

func names(names ...string) []byte {
	var c crafted
	for _, name := range names {
		c.records = append(c.records, plain(name))
	}
	return c.bytes()
}

// edit returns an archive with a record f that was changed.
func edit(change func(r *craftedRecord)) []byte {
	r := plain("f")
	change(&r)
	return crafted{records: []craftedRecord{plain("a"), r, plain("z")}}.bytes()
}

// whole returns an archive that was changed as such.
func whole(change func(c *crafted)) []byte {
	c := crafted{records: []craftedRecord{plain("a"), plain("f")}}
	change(&c)
	return c.bytes()
}

func hostileArchives() []hostileArchive {
	return slices.Concat(hostileNames(), hostileHeaders(), hostileLayouts(), hostileEnds(), hostileZip64())
}

func hostileNames() (all []hostileArchive) {
	for _, test := range []struct {
		names []string
		want  string
	}{
		{[]string{""}, "the name is empty"},
		{[]string{"../f"}, `entry "../f": the name has the element ".."`},
		{[]string{"a/../../f"}, `".."`},
		{[]string{"a/.."}, `".."`},
		{[]string{"./f"}, `"."`},
		{[]string{"/etc/passwd"}, "absolute"},
		{[]string{"//server/share"}, "absolute"},
		{[]string{`a\..\f`}, "backslash"},
		{[]string{`C:\f`}, "backslash"},
		{[]string{"f.py\x00.txt"}, "NUL"},
		{[]string{"a//f"}, "empty element"},
		{[]string{"f\xff"}, "not valid UTF-8"},
		{[]string{"f\xc0\xaf"}, "not valid UTF-8"},
		{[]string{"f", "g", "f"}, `entry "f": there are two`},
		{[]string{"f", "f.py", "f/"}, `entry "f/": there are two`},
		{[]string{"d/", "d/f", "d/"}, `entry "d/": there are two`},
		{[]string{"f", "f.py", "f-g", "f/g"}, `entry "f/g": it lies below "f", which is no folder`},
		{[]string{"a/b/c/d", "a/b-", "a/b", "a/b/"}, `"a/b`},
	} {
		all = append(all, hostileArchive{fmt.Sprintf("names %q", test.names), names(test.names...), []string{test.want}})
	}
	below := plain("lib/f")
	l := craftedRecord{name: "lib", content: []byte("/etc"), attributes: 0o120777 << 16}
	return append(all, hostileArchive{"below a link", crafted{records: []craftedRecord{l, below}}.bytes(), []string{`entry "lib/f": it lies below "lib"`}})
}

// hostileHeaders has one wrong thing in a header of entry f.
func hostileHeaders() (all []hostileArchive) {
	for _, test := range []struct {
		name   string
		change func(r *craftedRecord)
		want   string
	}{
		{"local name", func(r *craftedRecord) { r.local = func(b []byte) { b[localLen] = 'g' } }, "another name"},
		{"local name longer", func(r *craftedRecord) { r.local = put16(26, 2) }, "another name"},
		{"local method", func(r *craftedRecord) { r.local = put16(8, Deflate) }, "method 8, the directory 0"},
		{"local CRC-32", func(r *craftedRecord) { r.local = put32(14, 1) }, "CRC-32 00000001"},
		{"local compressed", func(r *craftedRecord) { r.local = put32(18, 6) }, "7 bytes as 6, the directory"},
		{"local size", func(r *craftedRecord) { r.local = put32(22, 8) }, "8 bytes as 7, the directory"},
		{"local sizes 0 without a descriptor", func(r *craftedRecord) { r.local = both(put32(18, 0), put32(22, 0)) }, "0 bytes as 0"},
		{"local flags", func(r *craftedRecord) { r.local = put16(6, flagUTF8) }, "flags 0x800, the directory 0x0"},
		{"local extra too long", func(r *craftedRecord) { r.local = put16(28, 500) }, "overlap"},
		{"no local header", func(r *craftedRecord) { r.local = put32(0, 0) }, "no local header"},
		{"encrypted", func(r *craftedRecord) { r.flags = 1 }, "encrypted"},
		{"strongly encrypted", func(r *craftedRecord) { r.flags = 1 << 6 }, "encrypted"},
		{"masked", func(r *craftedRecord) { r.flags = 1 << 13 }, "encrypted"},
		{"patched", func(r *craftedRecord) { r.flags = 1 << 5 }, "unknown"},
		{"bzip2", func(r *craftedRecord) { r.method = 12 }, "method 12"},
		{"another disk", func(r *craftedRecord) { r.central = put16(34, 1) }, "another disk"},
		{"stored as less", func(r *craftedRecord) { r.data = []byte("conten") }, "7 bytes cannot be stored as 6"},
		{"impossible ratio", func(r *craftedRecord) { r.method, r.central = Deflate, put32(24, 500_000) }, "cannot have been deflated"},
		{"data beyond the directory", func(r *craftedRecord) { r.central = both(put32(20, 500), put32(24, 500)) }, "does not end before the directory"},
		{"offset beyond the directory", func(r *craftedRecord) { r.central = put32(42, 1<<31) }, "does not end before the directory"},
		{"folder by mode", func(r *craftedRecord) { r.attributes = 0o040755 << 16 }, "disagree on whether it is a folder"},
		{"folder by DOS attribute", func(r *craftedRecord) { r.attributes = 0o100644<<16 | dosFolder }, "disagree on whether it is a folder"},
		{"unknown type", func(r *craftedRecord) { r.attributes = 0o150644 << 16 }, "no known type"},
		{"extra field too long", func(r *craftedRecord) { r.extra = []byte{0x55, 0x54, 9, 0, 1} }, "extra field 0x5455"},
		{"local extra field too long", func(r *craftedRecord) { r.localExtra = []byte{0x55, 0x54, 9, 0, 1} }, "extra field 0x5455"},
		{"other name in an extra field", func(r *craftedRecord) { r.extra = extra(extraPath, 1, 0, 0, 0, 0, 'g') }, "another name"},
		{"other name in a local extra field", func(r *craftedRecord) { r.localExtra = extra(extraPath, 1, 0, 0, 0, 0, 'g') }, "another name"},
		{"extra field of a name without one", func(r *craftedRecord) { r.extra = extra(extraPath, 1) }, "another name"},
		{"descriptor's CRC-32", func(r *craftedRecord) {
			r.descriptor = func(crc, c, s uint32) []byte { return descriptor(true, false)(crc+1, c, s) }
		}, "data descriptor has CRC-32"},
		{"descriptor's size", func(r *craftedRecord) {
			r.descriptor = func(crc, c, s uint32) []byte { return descriptor(false, true)(crc, c, s+1) }
		}, "data descriptor has"},
		{"descriptor without signature", func(r *craftedRecord) {
			r.descriptor = func(crc, c, s uint32) []byte { return append(descriptor(false, false)(crc, c, s), 0, 0, 0, 0) }
		}, "no data descriptor"},
		{"descriptor and more", func(r *craftedRecord) {
			r.descriptor = func(crc, c, s uint32) []byte { return append(descriptor(true, true)(crc, c, s), 0, 0, 0, 0) }
		}, "28 bytes follow its data"},
		{"no descriptor", func(r *craftedRecord) { r.flags = flagDescriptor }, "0 bytes follow its data"},
	} {
		all = append(all, hostileArchive{test.name, edit(test.change), []string{`entry "f": `, test.want}})
	}
	folder := craftedRecord{name: "d/", content: []byte("x")}
	long := craftedRecord{name: "l", content: bytes.Repeat([]byte("x"), maxName+1), attributes: 0o120777 << 16}
	return append(all,
		hostileArchive{"folder with content", one(folder), []string{`entry "d/": `, "a folder cannot have 1"}},
		hostileArchive{"link without target", one(craftedRecord{name: "l", attributes: 0o120777 << 16}), []string{`entry "l": `, "0 bytes"}},
		hostileArchive{"link too long", one(long), []string{`entry "l": `, "65536 bytes"}},
	)
}

func hostileLayouts() []hostileArchive {
	hidden, _ := plain("hidden").append(nil)
	hide := func(r *craftedRecord) { r.gap = hidden }
	moved := func(offset uint32) []byte {
		return edit(func(r *craftedRecord) { r.central = put32(42, offset) })
	}
	return []hostileArchive{
		{"data before the archive", append([]byte("#!/bin/sh\n"), names("f")...), []string{"before the archive"}},
		{"data before the first entry", one(craftedRecord{name: "f", gap: []byte("MZ")}), []string{`entry "f": the 2 bytes before it`}},
		{"hidden entry", edit(hide), []string{`entry "f": the 43 bytes before it belong to no entry`}},
		{"hidden last entry", whole(func(c *crafted) { c.gap = hidden }), []string{"the 43 bytes before its directory"}},
		{"hidden only entry", crafted{gap: hidden}.bytes(), []string{"the 43 bytes before its directory"}},
		{"one record for two names", moved(0), []string{`entry "a": `, "overlap"}},
		{"header inside another's", moved(1), []string{`entry "a": `, "overlap"}},
		{"header inside another's data", moved(localLen + 3), []string{`entry "a": `, "data overlap what follows"}},
		{"full overlap", fullOverlap(), []string{"overlap"}},
		{"directory among the data", whole(func(c *crafted) { c.behind = hidden }), []string{"does not end at the end record"}},
		{"signature in the directory", whole(func(c *crafted) { c.directory = []byte("PK\x05\x05\x00\x00") }), []string{"6 bytes follow the 2 headers"}},
		{"header in the directory too many", whole(func(c *crafted) {
			_, c.directory = plain("extra").append(nil)
		}), []string{"follow the 2 headers"}},
		{"no header in the directory", whole(func(c *crafted) { c.records[1].central = put32(0, 0) }), []string{"is no header"}},
		{"name beyond the directory", whole(func(c *crafted) { c.records[1].central = put16(28, 60_000) }), []string{"middle of a header"}},
	}
}

// fullOverlap is a bomb after Fifield: entries whose data holds the local
// headers of those behind it, in stored blocks, and a kernel they all share.
func fullOverlap() []byte {
	last := deflated("b", make([]byte, 100_000))
	record, lastHeader := last.append(nil)
	quoted := append([]byte{0, byte(localLen + 1), 0, ^byte(localLen + 1), 0xff}, record...)
	first := craftedRecord{name: "a", method: Deflate, content: append(bytes.Clone(record[:localLen+1]), make([]byte, 100_000)...), data: quoted}
	b, header := first.append(nil)
	put32(42, uint32(len(b)-len(record)))(lastHeader)
	return crafted{records: []craftedRecord{first}, directory: lastHeader, end: both(put16(8, 2), put16(10, 2), put32(12, uint32(len(header)+len(lastHeader))))}.bytes()
}

func hostileEnds() []hostileArchive {
	good := names("f")
	end := func(change func([]byte)) []byte { return whole(func(c *crafted) { c.end = change }) }
	return []hostileArchive{
		{"empty file", nil, []string{"no end record"}},
		{"no zip file", bytes.Repeat([]byte("hello"), 100_000), []string{"no end record"}},
		{"cut short", good[:len(good)-1], []string{"cut short"}},
		{"without its end", good[:len(good)-endLen], []string{"no end record"}},
		{"without its beginning", good[1:], []string{"does not end at the end record"}},
		{"data behind the end", append(bytes.Clone(good), 0), []string{"something behind it"}},
		{"two archives", append(bytes.Clone(good), good...), []string{"before the archive"}},
		{"two end records", append(bytes.Clone(good), good[len(good)-endLen:]...), []string{"does not end at the end record"}},
		{"end record in the comment", whole(func(c *crafted) { c.comment = good[len(good)-endLen:] }), []string{"does not end at the end record"}},
		{"archive in the comment", whole(func(c *crafted) { c.comment = good }), []string{"does not end at the end record"}},
		{"signature in the comment", whole(func(c *crafted) { c.comment = []byte("PK\x05\x06") }), []string{"cut short"}},
		{"comment shorter than said", end(put16(20, 9)), []string{"cut short"}},
		{"this disk", end(put16(4, 1)), []string{"several disks"}},
		{"the directory's disk", end(put16(6, 1)), []string{"several disks"}},
		{"entries on this disk", end(put16(8, 1)), []string{"several disks"}},
		{"more entries than there are", end(both(put16(8, 3), put16(10, 3))), []string{"3 entries cannot be in"}},
		{"fewer entries than there are", end(both(put16(8, 1), put16(10, 1))), []string{"47 bytes follow the 1 headers"}},
		{"as many entries as can be", end(both(put16(8, 0xffff), put16(10, 0xffff))), []string{"65535 entries cannot be in"}},
		{"directory's size", end(put32(12, 93)), []string{"does not end at the end record"}},
		{"directory's offset", end(put32(16, 0)), []string{"does not end at the end record"}},
		{"directory too large", end(both(put32(12, 1<<31), put32(16, 0))), []string{"the limit is 67108864"}},
	}
}

func hostileZip64() []hostileArchive {
	end64 := func(change func([]byte)) []byte { return whole(func(c *crafted) { c.zip64 = change }) }
	field := func(local, central []byte, change func([]byte)) []byte {
		return edit(func(r *craftedRecord) { r.localExtra, r.extra, r.central = local, central, change })
	}
	return []hostileArchive{
		{"zip64 record elsewhere", end64(put64(end64Len+8, 5)), []string{"not where its locator says"}},
		{"no zip64 record", end64(put32(0, 0)), []string{"not where its locator says"}},
		{"zip64 extensions", end64(put64(4, 1<<40)), []string{"has extensions"}},
		{"zip64 disk", end64(put32(16, 1)), []string{"several disks"}},
		{"zip64 disks", end64(put32(end64Len+16, 2)), []string{"several disks"}},
		{"zip64 entries on this disk", end64(put64(24, 3)), []string{"several disks"}},
		{"zip64 entries", end64(both(put64(24, 3), put64(32, 3))), []string{"end record disagree"}},
		{"zip64 directory size", end64(put64(40, 5)), []string{"end record disagree"}},
		{"zip64 directory offset", end64(put64(48, 5)), []string{"end record disagree"}},
		{"zip64 impossible", end64(put64(40, 1<<63)), []string{"impossible sizes"}},
		{"zip64 entries without end", whole(func(c *crafted) {
			c.zip64, c.end = both(put64(24, 1<<62), put64(32, 1<<62)), both(put16(8, 0xffff), put16(10, 0xffff))
		}), []string{"4611686018427387904 entries, the limit is"}},
		{"size in no zip64 field", field(nil, nil, put32(24, in64)), []string{`entry "f": `, "without a zip64 field"}},
		{"zip64 field too short", field(nil, extra(extraZip64, 1, 2, 3), put32(24, in64)), []string{`entry "f": `, "lacks a value"}},
		{"zip64 field twice", field(nil, append(extra(extraZip64), extra(extraZip64)...), unchanged), []string{`entry "f": `, "twice"}},
		{"zip64 field with another size", field(nil, extra(extraZip64, values(8)...), unchanged), []string{`entry "f": `, "more values"}},
		{"zip64 field with another size, local", field(extra(extraZip64, values(7, 8)...), nil, unchanged), []string{`entry "f": `, "more values"}},
		{"zip64 size without end", field(nil, extra(extraZip64, values(1<<63)...), put32(24, in64)), []string{`entry "f": `, "cannot be stored"}},
		{"zip64 offset without end", field(nil, extra(extraZip64, values(1<<63)...), put32(42, in64)), []string{`entry "f": `, "does not end before"}},
	}
}

func TestHostile(t *testing.T) {
	for _, test := range hostileArchives() {
		_, err := openBytes(t, test.archive, Limits{})
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: error %v, want a refusal", test.name, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one with %q", test.name, err, want)
			}
		}
	}
	t.Logf("%d archives", len(hostileArchives()))
}

func TestLimits(t *testing.T) {
	shrinks := crafted{records: []craftedRecord{deflated("a", make([]byte, ratioFrom/2)), deflated("f", make([]byte, ratioFrom/2))}}.bytes()
	bomb := crafted{records: []craftedRecord{deflated("a", make([]byte, ratioFrom/2)), deflated("f", make([]byte, ratioFrom/2+1))}}.bytes()
	tests := []struct {
		name    string
		archive []byte
		limits  Limits
		want    string // "" if it is accepted
	}{
		{"entries", names("a", "b", "c"), Limits{Entries: 3}, ""},
		{"too many entries", names("a", "b", "c"), Limits{Entries: 2}, "3 entries, the limit is 2"},
		{"directory", names("a", "b"), Limits{Directory: 2 * 47}, ""},
		{"directory too large", names("a", "b"), Limits{Directory: 2*47 - 1}, "94 bytes, the limit is 93"},
		{"content", names("a", "b"), Limits{Unzipped: 14}, ""},
		{"too much content", names("a", "b"), Limits{Unzipped: 13}, `entry "b": with its 7 bytes, the contents are 14 bytes or more, the limit is 13`},
		{"too large an entry", names("a", "b"), Limits{Unzipped: 6}, `entry "a"`},
		{"ratio where it does not count", shrinks, Limits{}, ""},
		{"ratio", bomb, Limits{}, "more than 200 times as much"},
		{"higher ratio", bomb, Limits{Ratio: maxRatio}, ""},
	}
	for _, test := range tests {
		_, err := openBytes(t, test.archive, test.limits)
		if test.want == "" && err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.want != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
}
