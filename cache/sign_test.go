package cache

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// signedEntry returns an entry signed by keys, as a remote has it.
func signedEntry(t testing.TB, keys ...PrivateKey) (stored, []byte) {
	t.Helper()
	e, _ := sealedEntry(t)
	s, err := newStored(e, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s, s.shared()
}

// TestSignedMessage pins what is signed: others must be able to check it with
// the standard's own tools, by what doc/cache.md says.
func TestSignedMessage(t *testing.T) {
	e, data := sealedEntry(t)
	k := testKey(t, 1)
	message := "layerbuild signature 1\nac/" + e.Key.String() + "\n" + string(data)
	s, _ := signedEntry(t, k)
	public := k.Public()
	if !ed25519.Verify(public[:], []byte(message), s.signatures[0].sum[:]) {
		t.Error("something else was signed")
	}
}

// TestSignedForm pins what is in remotes and on users' disks.
func TestSignedForm(t *testing.T) {
	_, entry := sealedEntry(t)
	s, shared := signedEntry(t, testKey(t, 2), testKey(t, 1))
	want := "layerbuild signed 1 5d99080f26a4e3e01b9c8b5c20fb4ab7712de2e0136f83d7db047388068084b9\n" +
		"layerbuild-sig-1:a3nFfmoJUjkoLASBjpYRLz8DpAAbqXpWTCOFKj8epfzZYJhIwpswjFod1jD0LeTHYsr+T8l4RNLTr96KT3LHYLdp20UlgGaDcysFJc06RJFcemb2IAHWo60/oth0gn4H\n" +
		"layerbuild-sig-1:zswVB9wd3XKVlRwpCIjwla25BE0bc9aW5t8GXWg71PyDMa5LugNso/3ODsaIxpClwI4PxAvzye3W+toPPpv9JS6tBhnf2AoCCzcP15jKeC0/cupBGeE7BhdZFe/Y7fAH\n" +
		string(entry)
	if string(shared) != want {
		t.Errorf("got  %q\nwant %q", shared, want)
	}
	s.fetched = true
	if !bytes.HasPrefix(s.local(), []byte("layerbuild fetched 1 ")) || !bytes.HasSuffix(s.local(), append([]byte("\n"), shared...)) {
		t.Errorf("%s", s.local())
	}
	if none, _ := newStored(s.entry, nil); !bytes.Equal(none.local(), entry) || !bytes.Equal(none.shared(), entry) {
		t.Error("an entry without signatures has another form than itself")
	}
}

func TestDecodeStored(t *testing.T) {
	a, b := testKey(t, 1), testKey(t, 2)
	for _, keys := range [][]PrivateKey{nil, {a}, {a, b}, {b, a}} {
		for _, fetched := range []bool{false, true} {
			s, _ := signedEntry(t, keys...)
			s.fetched = fetched
			got, err := decodeStored(s.entry.Key, s.local())
			if err != nil || got.fetched != fetched || len(got.signatures) != len(keys) || !bytes.Equal(got.sealed, s.sealed) {
				t.Errorf("%v: %+v, %v", keys, got, err)
			}
		}
	}
}

// TestDamagedStored: no damage goes unnoticed, so none makes of what was fetched
// something that was built here, nor drops a signature.
func TestDamagedStored(t *testing.T) {
	s, shared := signedEntry(t, testKey(t, 1), testKey(t, 2))
	s.fetched = true
	for _, data := range [][]byte{shared, s.local()} {
		eachDamage(data, func(what string, damaged []byte) {
			if got, err := decodeStored(s.entry.Key, damaged); err == nil {
				t.Errorf("%s: read as %v", what, got)
			}
		})
	}
}

// TestForgedStored has right checksums around what has not the one form.
func TestForgedStored(t *testing.T) {
	s, _ := signedEntry(t, testKey(t, 1), testKey(t, 2))
	slices.SortFunc(s.signatures, compareSigners)
	one, two := s.signatures[0].String()+"\n", s.signatures[1].String()+"\n"
	entry := string(s.sealed)
	signed := func(payload string) []byte { return seal(kindSigned, []byte(payload)) }
	many := ""
	for n := range byte(maxSignatures + 1) {
		k := testKey(t, n)
		many += k.sign(s.entry.Key, s.sealed).String() + "\n"
	}
	for what, data := range map[string][]byte{
		"no signatures":       signed(entry),
		"no entry":            signed(one),
		"nothing":             signed(""),
		"wrong order":         signed(two + one + entry),
		"one twice":           signed(one + one + entry),
		"too many":            signed(many + entry),
		"empty line":          signed(one + "\n" + entry),
		"a line more":         signed(one + "hush\n" + entry),
		"another line end":    signed(strings.Replace(one, "\n", "\r\n", 1) + entry),
		"another version":     signed(strings.Replace(one, "-1:", "-2:", 1) + entry),
		"short signature":     signed(one[:len(one)-2] + "\n" + entry),
		"no base64":           signed(one[:len(one)-2] + "!\n" + entry),
		"line break within":   signed(signaturePrefix + "\r" + one[len(signaturePrefix):] + entry),
		"signed twice":        signed(one + string(signed(two+entry))),
		"signed fetched":      signed(one + string(seal(kindFetched, []byte(entry)))),
		"fetched twice":       seal(kindFetched, seal(kindFetched, []byte(entry))),
		"a value":             seal(kindFetched, seal(kindValue, []byte(entry))),
		"a signed value":      signed(one + string(seal(kindValue, s.sealed))),
		"another kind":        seal("more", []byte(entry)),
		"more after an entry": signed(one + entry + "\n" + two),
	} {
		if got, err := decodeStored(s.entry.Key, data); err == nil {
			t.Errorf("%s: read as %+v", what, got)
		}
	}
}

func TestAccepts(t *testing.T) {
	a, b, c := testKey(t, 1), testKey(t, 2), testKey(t, 3)
	ab := []PublicKey{a.Public(), b.Public()}
	bad := func(s stored, by PrivateKey) stored {
		s.signatures = slices.Clone(s.signatures)
		for i := range s.signatures {
			if s.signatures[i].by == by.Public() {
				s.signatures[i].sum[5] ^= 1
			}
		}
		return s
	}
	by := func(keys ...PrivateKey) stored {
		s, _ := signedEntry(t, keys...)
		return s
	}
	for _, test := range []struct {
		what    string
		trusted []PublicKey
		s       stored
		want    string
	}{
		{"nobody is asked for", nil, by(), ""},
		{"a key", ab, by(a), ""},
		{"the other key", ab, by(b), ""},
		{"both", ab, by(a, b), ""},
		{"one of the keys, and a stranger", ab, by(c, b), ""},
		{"one right, one wrong", ab, bad(by(a, b), a), ""},
		{"one right, one wrong, other way", ab, bad(by(a, b), b), ""},
		{"none", ab, by(), "is not signed"},
		{"a stranger", ab, by(c), "is signed by " + c.Public().String() + ", whom trust does not list"},
		{"wrong", ab, bad(by(a), a), "has a signature of " + a.Public().String() + " that is not of this entry"},
		{"wrong, and a stranger", ab, bad(by(a, c), a), "has a signature of " + a.Public().String() + " that is not of this entry"},
	} {
		err := accepts(test.trusted, test.s)
		if (err == nil) != (test.want == "") || err != nil && (err.Error() != test.want || !errors.Is(err, ErrUntrusted)) {
			t.Errorf("%s: %v", test.what, err)
		}
	}
}

// TestSignatureOfOther: a signature fits its own entry alone.
func TestSignatureOfOther(t *testing.T) {
	k := testKey(t, 1)
	s, _ := signedEntry(t, k)
	sig := s.signatures[0]
	if !sig.valid(s.entry.Key, s.sealed) {
		t.Fatal("the signature fits nothing")
	}
	eachDamage(s.sealed, func(what string, other []byte) {
		if sig.valid(s.entry.Key, other) {
			t.Errorf("%s: the signature fits", what)
		}
	})
	if sig.valid(key("b"), s.sealed) {
		t.Error("the signature fits another key")
	}
}

// TestStoredIsEntry: signed or fetched, an entry is listed and counted, and keeps
// its blobs, like one that is neither.
func TestStoredIsEntry(t *testing.T) {
	for _, keys := range [][]PrivateKey{nil, {testKey(t, 1)}} {
		for _, fetched := range []bool{false, true} {
			c := openCache(t, t.TempDir())
			old := storeAged(t, c, "old", 2)
			s, err := newStored(old, keys)
			if err != nil {
				t.Fatal(err)
			}
			s.fetched = fetched
			if err := c.storeLocal(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if refs := References(s.local()); len(refs) != 2 || refs["archive"] != old.Blobs["archive"] {
				t.Errorf("references %v", refs)
			}
			if u, err := c.Usage(t.Context()); err != nil || u.Entries.Files != 1 || u.Unnamed.Files != 0 || u.Others.Files != 0 {
				t.Errorf("%d keys, fetched %v: %+v, %v", len(keys), fetched, u, err)
			}
			listed := 0
			for l, err := range c.Entries(t.Context()) {
				if err != nil || l.Key != old.Key || l.Bytes != 2000 {
					t.Errorf("listed %+v, %v", l, err)
				}
				listed++
			}
			if r, err := c.Verify(t.Context()); err != nil || listed != 1 || r.Entries != 1 || len(r.Defects) > 0 {
				t.Errorf("%d listed; %+v, %v", listed, r, err)
			}
		}
	}
}

func FuzzDecodeStored(f *testing.F) {
	s, shared := signedEntry(f, testKey(f, 1), testKey(f, 2))
	add := func(data []byte) {
		_, payload, err := unseal(data)
		if err != nil {
			f.Fatal(err)
		}
		kind, _, _ := strings.Cut(string(data[len(sealWord)+1:]), " ")
		f.Add(kind, payload)
	}
	add(s.sealed)
	add(shared)
	s.fetched = true
	add(s.local())
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		data := seal(kind, payload)
		got, err := decodeStored(key("a"), data)
		if err == nil && !bytes.Equal(got.local(), data) {
			t.Errorf("%q was read as %+v and written as %q", data, got, got.local())
		}
	})
}

func FuzzParseSignature(f *testing.F) {
	s, _ := signedEntry(f, testKey(f, 1))
	f.Add(s.signatures[0].String())
	f.Fuzz(func(t *testing.T, line string) {
		if s, err := parseSignature(line); err == nil && fmt.Sprint(s) != line {
			t.Errorf("%q is read as %s", line, s)
		}
	})
}
