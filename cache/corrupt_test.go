package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sealedEntry returns an entry's stored form.
func sealedEntry(t testing.TB) (Entry, []byte) {
	t.Helper()
	e := Entry{
		Key:   key("a"),
		Blobs: map[string]Blob{"archive": {key("archive"), 40 << 20}, "files": {key("files"), 5}},
		Data:  json.RawMessage(`{"unzipped":123456789}`),
	}
	data, err := encodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	return e, data
}

// eachDamage calls f with data changed in each bit, cut at each length, and
// longer than it was.
func eachDamage(data []byte, f func(what string, damaged []byte)) {
	for i := range data {
		for bit := range 8 {
			d := bytes.Clone(data)
			d[i] ^= 1 << bit
			f(fmt.Sprintf("bit %d of byte %d", bit, i), d)
		}
		f(fmt.Sprintf("cut to %d bytes", i), data[:i])
	}
	for _, more := range []string{"\x00", "\n", " ", string(data)} {
		f(fmt.Sprintf("%d bytes appended", len(more)), append(bytes.Clone(data), more...))
	}
}

// TestWarn: what is damaged is told once, whatever it is; what is absent or
// another version's is not.
func TestWarn(t *testing.T) {
	c := openCache(t, t.TempDir())
	var told []string
	c.Warn(func(text string) { told = append(told, text) })
	b := putBlob(t, c, noise(1, 3000))
	e := Entry{Key: key("a"), Blobs: map[string]Blob{"archive": b}}
	if err := errors.Join(c.Store(t.Context(), e), c.PutValue(t.Context(), "kind", "key", []byte("value"))); err != nil {
		t.Fatal(err)
	}
	read := func() {
		_, _ = c.Lookup(t.Context(), e.Key)
		_, _ = c.LookupOwn(t.Context(), key("absent"))
		_, _ = c.GetValue(t.Context(), "kind", "key")
		_, _ = c.GetValue(t.Context(), "kind", "absent")
		_, _ = readBlob(t, c, b)
	}
	read()
	value := valueID{"kind", "key"}.name()
	for name, data := range map[string]string{entryName(e.Key): "x", value: "layerbuild value 2 " + sealSum(kindValue, 2, nil).String() + "\n", b.name(): "x"} {
		path, err := c.local.Path(name)
		if err == nil {
			err = os.WriteFile(path, []byte(data), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read()
	read()
	if len(told) != 2 || !strings.Contains(told[0], entryName(e.Key)+" is not an entry") || !strings.Contains(told[1], b.name()+" holds 1 bytes") {
		t.Errorf("told %q", told)
	}
}

func TestDamagedEntry(t *testing.T) {
	e, data := sealedEntry(t)
	if _, err := decodeEntry(e.Key, data); err != nil {
		t.Fatal(err)
	}
	eachDamage(data, func(what string, damaged []byte) {
		if got, err := decodeEntry(e.Key, damaged); err == nil {
			t.Errorf("%s: read as %v", what, got)
		}
	})
}

func TestDamagedValue(t *testing.T) {
	id := valueID{"kind", "key"}
	data := seal(kindValue, append(id.line(), "a value"...))
	if _, err := decodeValue(id, data); err != nil {
		t.Fatal(err)
	}
	eachDamage(data, func(what string, damaged []byte) {
		if got, err := decodeValue(id, damaged); err == nil {
			t.Errorf("%s: read as %q", what, got)
		}
	})
}

// TestForgedEntry has entries with a right checksum that are wrong otherwise.
func TestForgedEntry(t *testing.T) {
	e, data := sealedEntry(t)
	_, payload, err := unseal(data)
	if err != nil {
		t.Fatal(err)
	}
	edited := func(old, new string) []byte {
		if !strings.Contains(string(payload), old) {
			t.Fatalf("no %s in %s", old, payload)
		}
		return seal(kindEntry, []byte(strings.Replace(string(payload), old, new, 1)))
	}
	for name, forged := range map[string][]byte{
		"another key":    edited(key("a").String(), key("b").String()),
		"negative size":  edited(`"size":5`, `"size":-1`),
		"unknown field":  edited(`{"key"`, `{"more":1,"key"`),
		"field twice":    edited(`{"key"`, `{"data":1,"key"`),
		"field's case":   edited(`"blobs"`, `"Blobs"`),
		"space":          edited(`"blobs":`, `"blobs": `),
		"blobs null":     seal(kindEntry, fmt.Appendf(nil, `{"key":"%s","blobs":null}`, e.Key)),
		"not JSON":       seal(kindEntry, payload[:len(payload)-1]),
		"more than JSON": seal(kindEntry, append(bytes.Clone(payload), "{}"...)),
		"a value":        seal(kindValue, payload),
		"digest short":   edited(key("files").String(), key("files").String()[1:]),
	} {
		if got, err := decodeEntry(e.Key, forged); err == nil {
			t.Errorf("%s: read as %v", name, got)
		}
	}
}

// TestOtherVersion: what a newer layerbuild wrote is a miss that is left alone.
func TestOtherVersion(t *testing.T) {
	c := openCache(t, t.TempDir())
	name := entryName(key("a"))
	line := fmt.Sprintf("%s %s 2 %s\n", sealWord, kindEntry, sealSum(kindEntry, 2, []byte("{}")))
	if err := c.putUnsynced(name, []byte(line+"{}")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := c.Lookup(t.Context(), key("a"))
		wantMiss(t, err, false)
	}
	if r, err := c.Verify(t.Context()); err != nil || r.Others != 1 || len(r.Defects) > 0 {
		t.Errorf("Verify: %+v, %v", r, err)
	}
}

func TestMisplaced(t *testing.T) {
	c := openCache(t, t.TempDir())
	a, b := testEntry(t, c, "a"), testEntry(t, c, "b")
	for _, e := range []Entry{a, b} {
		if err := c.Store(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.PutValue(t.Context(), "kind", "a", []byte("value a")); err != nil {
		t.Fatal(err)
	}
	id := func(k string) string { return valueID{"kind", k}.name() }
	names := []string{entryName(a.Key), entryName(b.Key), id("a"), id("b")}
	contents := map[string][]byte{}
	for _, n := range names {
		path, _ := c.local.Path(n)
		contents[n], _ = os.ReadFile(path) // id("b") has none
	}
	read := func(name string) error {
		switch name {
		case id("a"), id("b"):
			_, err := c.GetValue(t.Context(), "kind", map[string]string{id("a"): "a", id("b"): "b"}[name])
			return err
		}
		k, _ := ParseDigest(strings.TrimPrefix(name, "ac/"))
		_, err := c.Lookup(t.Context(), k)
		return err
	}
	for from, data := range contents {
		for _, to := range names {
			if data == nil || from == to {
				continue
			}
			for _, check := range []func() error{
				func() error { return read(to) },
				func() error { // which moves it aside
					r, err := c.Verify(t.Context())
					if err == nil && len(r.Defects) != 1 {
						return fmt.Errorf("Verify: %+v", r)
					}
					return read(to)
				},
			} {
				if err := c.putUnsynced(to, data); err != nil {
					t.Fatal(err)
				}
				err := check()
				wantMiss(t, err, errors.Is(err, fs.ErrNotExist))
			}
			if contents[to] != nil {
				if err := c.putUnsynced(to, contents[to]); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestDamagedBlob damages a blob's file right after it was put, in the same
// tick of many a file system's clock, and reads it in each way.
func TestDamagedBlob(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir)
	rnd := rand.New(rand.NewPCG(1, 2))
	data := noise(1, 300_000)
	damages := map[string]func(path string) error{
		"empty":  func(path string) error { return os.Truncate(path, 0) },
		"cut":    func(path string) error { return os.Truncate(path, int64(len(data)-1)) },
		"longer": func(path string) error { return os.Truncate(path, int64(len(data)+1)) },
		"another": func(path string) error {
			return os.WriteFile(path, noise(2, len(data)), 0o666)
		},
		"moved in": func(path string) error {
			other := filepath.Join(dir, "other")
			if err := os.WriteFile(other, noise(2, len(data)), 0o666); err != nil {
				return err
			}
			return os.Rename(other, path)
		},
	}
	for i := range 20 {
		off := rnd.Int64N(int64(len(data)))
		damages[fmt.Sprint("byte ", off, "#", i)] = func(path string) error { edit(t, path, off); return nil }
	}
	out := filepath.Join(t.TempDir(), "out")
	reads := map[string]func(Blob) error{
		"OpenBlob": func(b Blob) error { _, err := readBlob(t, c, b); return err },
		"size unknown": func(b Blob) error {
			_, err := readBlob(t, c, Blob{b.SHA256, -1})
			return err
		},
		"Deliver": func(b Blob) error {
			if err := os.WriteFile(out, []byte("before"), 0o666); err != nil {
				return err
			}
			_, err := c.Deliver(t.Context(), b, out)
			if got, err := os.ReadFile(out); err != nil || string(got) != "before" {
				t.Errorf("output now holds %d bytes, %v", len(got), err)
			}
			return err
		},
		"Verify": func(b Blob) error {
			r, err := c.Verify(t.Context())
			if err != nil || len(r.Defects) != 1 || r.Defects[0].Name != b.name() {
				t.Errorf("Verify: %+v, %v", r, err)
			}
			_, err = readBlob(t, c, b)
			if err == nil {
				t.Error("still there after Verify")
			}
			return &MissError{b.name(), errVersion} // any reason: it is absent now
		},
	}
	for what, damage := range damages {
		for how, read := range reads {
			b := putBlob(t, c, data)
			if err := damage(blobPath(t, c, b)); err != nil {
				t.Fatal(err)
			}
			err := read(b)
			if err == nil {
				t.Fatalf("%s: %s succeeded", what, how)
			}
			wantMiss(t, err, false)
			if _, err := os.Lstat(blobPath(t, c, b)); err == nil {
				t.Errorf("%s: %s left it in its place", what, how)
			}
		}
	}
	if bad, err := os.ReadDir(filepath.Join(dir, "bad")); err != nil || len(bad) != 1 {
		t.Errorf("bad/ holds %v, %v", bad, err)
	}
}

// TestSwapped exchanges two blobs of one size, alone and with their stamps.
func TestSwapped(t *testing.T) {
	c := openCache(t, t.TempDir())
	for _, spaces := range [][]string{{"cas"}, {"stamp"}, {"cas", "stamp"}} {
		a, b := putBlob(t, c, []byte("aaaa")), putBlob(t, c, []byte("bbbb"))
		for _, space := range spaces {
			x, _ := c.local.Path(space + "/" + a.SHA256.String())
			y, _ := c.local.Path(space + "/" + b.SHA256.String())
			if err := os.Rename(x, x+".swap"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(y, x); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(x+".swap", y); err != nil {
				t.Fatal(err)
			}
		}
		for _, blob := range []Blob{a, b} {
			got, err := readBlob(t, c, blob)
			if spaces[0] == "cas" {
				wantMiss(t, err, false)
			} else if err != nil || key(string(got)) != blob.SHA256 {
				t.Errorf("%v: read %q, %v", spaces, got, err)
			}
		}
	}
}

// TestOddFiles puts what is no file where files are.
func TestOddFiles(t *testing.T) {
	c := openCache(t, t.TempDir())
	e := testEntry(t, c, "a")
	if err := c.Store(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{entryName(e.Key), e.Blobs["files"].name()} {
		path, _ := c.local.Path(name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(path, "sub"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.Lookup(t.Context(), e.Key)
	wantMiss(t, err, false)
	_, err = readBlob(t, c, e.Blobs["files"])
	wantMiss(t, err, false)
}

// TestDangling: an entry whose blob is gone is found by Check and Verify.
func TestDangling(t *testing.T) {
	c := openCache(t, t.TempDir())
	e := testEntry(t, c, "a")
	if err := c.Store(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(blobPath(t, c, e.Blobs["files"])); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context(), e, "archive"); err != nil {
		t.Error(err)
	}
	wantMiss(t, c.Check(t.Context(), e), true)
	if r, err := c.Verify(t.Context()); err != nil || len(r.Defects) != 1 {
		t.Errorf("Verify: %+v, %v", r, err)
	}
	_, err := c.Lookup(t.Context(), e.Key)
	wantMiss(t, err, true)
}

// FuzzDecodeEntry: whatever is read as an entry has that one form.
func FuzzDecodeEntry(f *testing.F) {
	_, data := sealedEntry(f)
	_, payload, err := unseal(data)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add(fmt.Appendf(nil, `{"key":"%s","blobs":{}}`, key("a")))
	f.Fuzz(func(t *testing.T, payload []byte) {
		data := seal(kindEntry, payload)
		e, err := decodeEntry(key("a"), data)
		if err != nil {
			return
		}
		again, err := encodeEntry(e)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q was read as %v and written as %q, %v", data, e, again, err)
		}
	})
}

// FuzzUnseal: nothing makes it panic, and what it accepts it would write.
func FuzzUnseal(f *testing.F) {
	_, data := sealedEntry(f)
	f.Add(data)
	f.Add([]byte("layerbuild entry 1 "))
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, payload, err := unseal(data)
		if err == nil && !bytes.Equal(seal(kind, payload), data) {
			t.Errorf("%q was read as %q, %q", data, kind, payload)
		}
	})
}

// TestForm pins what is on users' disks. A change needs a new sealVersion.
func TestForm(t *testing.T) {
	_, entry := sealedEntry(t)
	id := valueID{"lock 1", "a\n"}
	for _, test := range []struct{ got, want string }{
		{string(entry), "layerbuild entry 1 6c374d8c89d666a9014c738d795155b7be9fabf8abcc4720275a05a6a70246bc\n" +
			`{"key":"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb","blobs":{"archive":{"sha256":"0eb3e36bfb24dcd9bb1d1bece1531216b59539a8fde17ee80224af0653c92aa3","size":41943040},"files":{"sha256":"3d7db37d08f9140fd09f12b9621cd0954b6d56a9d2f357fb2c7f5d62636d2fd1","size":5}},"data":{"unzipped":123456789}}`},
		{string(seal(kindValue, append(id.line(), "a value\n"...))), "layerbuild value 1 c4b08996ddd3f14e025a00c29619aa8fe52bbf7284c980b4235640078b73d6a4\n" +
			"\"lock 1\" \"a\\n\"\n" +
			"a value\n"},
		{id.name(), "ac/afaa3ec9c2a036f83f502354b1966c2e10ec887308f9993971461fbbbd1f6e58"},
	} {
		if test.got != test.want {
			t.Errorf("got  %q\nwant %q", test.got, test.want)
		}
	}
}
