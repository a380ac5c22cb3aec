package cache_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/share"
	"github.com/layerbuild/layerbuild/cache/web"
)

// An attacker of these tests can write to the remote, knows doc/cache.md, and
// has a key of their own. What they do is written anew here, by the document.

func newKey(t testing.TB) cache.PrivateKey {
	t.Helper()
	k, err := cache.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sealed puts the line before a payload that all in ac/ begins with.
func sealed(kind string, version int, payload string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d\n%s", kind, version, payload))
	return fmt.Sprintf("layerbuild %s %d %x\n%s", kind, version, sum, payload)
}

// A forgery is an entry taken apart.
type forgery struct {
	lines   []string // its signatures
	version int      // of the entry
	json    string
}

func takeApart(t *testing.T, data []byte) forgery {
	t.Helper()
	lines := strings.Split(string(data), "\n")
	n := len(lines)
	if n < 4 || !strings.HasPrefix(lines[0], "layerbuild signed 1 ") || !strings.HasPrefix(lines[n-2], "layerbuild entry 1 ") {
		t.Fatalf("not as documented: %s", data)
	}
	return forgery{lines: lines[1 : n-2], version: 1, json: lines[n-1]}
}

// entry is what a signature is of.
func (f forgery) entry() string { return sealed("entry", f.version, f.json) }

func (f forgery) String() string {
	return sealed("signed", 1, strings.Join(f.lines, "\n")+"\n"+f.entry())
}

// sign signs a forgery by somebody's key, in the name of another.
func (f forgery) sign(k cache.PrivateKey, as cache.PublicKey, key cache.Digest) string {
	seed, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(k.Text(), "layerbuild-key-1:"))
	if err != nil {
		panic(err)
	}
	sum := ed25519.Sign(ed25519.NewKeyFromSeed(seed), []byte("layerbuild signature 1\nac/"+key.String()+"\n"+f.entry()))
	return "layerbuild-sig-1:" + base64.RawStdEncoding.EncodeToString(append(as[:], sum...))
}

// attackable are the remotes that somebody else can write to.
func attackable(t *testing.T) map[string]cache.Backend {
	var mu sync.Mutex
	files := make(map[string][]byte)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Method == http.MethodPut {
			files[r.URL.Path], _ = io.ReadAll(r.Body)
		} else if data, ok := files[r.URL.Path]; ok {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data)
		} else {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	nobody := func(context.Context) (string, error) { return "", nil }
	return map[string]cache.Backend{"file": share.New(t.TempDir()), "http": web.New(u, nobody, nil)}
}

func read(t *testing.T, b cache.Backend, name string) []byte {
	t.Helper()
	r, err := b.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, b cache.Backend, name string, data []byte) {
	t.Helper()
	if err := b.Put(t.Context(), name, int64(len(data)), bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

// TestAttacks: whoever can write to a remote, and has no key, gets no layer of
// theirs accepted, nor one in another's place.
func TestAttacks(t *testing.T) {
	ours, theirs := newKey(t), newKey(t)
	evil := []byte("a layer of the attacker's")
	evilSum := fmt.Sprintf("%x", sha256.Sum256(evil))

	// swap has an entry name the attacker's archive.
	swap := func(f forgery, e cache.Entry) forgery {
		b := e.Blobs["archive"]
		old := fmt.Sprintf(`{"sha256":"%s","size":%d}`, b.SHA256, b.Size)
		f.json = strings.Replace(f.json, old, fmt.Sprintf(`{"sha256":"%s","size":%d}`, evilSum, len(evil)), 1)
		if !strings.Contains(f.json, evilSum) {
			t.Fatalf("no %s in %s", old, f.json)
		}
		return f
	}
	unfit := "has a signature of " + ours.Public().String() + " that is not of this entry"
	for _, test := range []struct {
		name   string
		attack func(f, other forgery, e, otherEntry cache.Entry) string
		reason string // "": accepted
	}{
		{"nothing", func(f, _ forgery, _, _ cache.Entry) string { return f.String() }, ""},
		{"swapped digest", func(f, _ forgery, e, _ cache.Entry) string { return swap(f, e).String() }, unfit},
		{"swapped digest, old checksum", func(f, _ forgery, e, _ cache.Entry) string {
			return strings.Replace(f.String(), f.json, swap(f, e).json, 1)
		}, "does not have the checksum it states"},
		{"stripped signature", func(f, _ forgery, _, _ cache.Entry) string { return f.entry() }, "is not signed"},
		{"stripped signature, swapped digest", func(f, _ forgery, e, _ cache.Entry) string { return swap(f, e).entry() }, "is not signed"},
		{"empty signature", func(f, _ forgery, _, _ cache.Entry) string {
			return sealed("signed", 1, f.entry())
		}, "has no signatures where they should be"},
		{"replay of another key's", func(_, other forgery, _, _ cache.Entry) string { return other.String() }, "is the entry of another key"},
		{"replay under this key", func(_, other forgery, e, otherEntry cache.Entry) string {
			other.json = strings.Replace(other.json, otherEntry.Key.String(), e.Key.String(), 1)
			return other.String()
		}, unfit},
		{"another entry's signature", func(f, other forgery, _, _ cache.Entry) string {
			f.lines = other.lines
			return f.String()
		}, unfit},
		{"older entry format", func(f, _ forgery, _, _ cache.Entry) string { f.version = 0; return f.String() }, "is of another format version"},
		{"newer entry format", func(f, _ forgery, _, _ cache.Entry) string { f.version = 2; return f.String() }, "is of another format version"},
		{"older form of signing", func(f, _ forgery, _, _ cache.Entry) string {
			return sealed("signed", 0, strings.Join(f.lines, "\n")+"\n"+f.entry())
		}, "is of another format version"},
		{"older signature", func(f, _ forgery, _, _ cache.Entry) string {
			f.lines[0] = strings.Replace(f.lines[0], "-1:", "-0:", 1)
			return f.String()
		}, "has a line that is no signature"},
		{"key not listed", func(f, _ forgery, e, _ cache.Entry) string {
			f = swap(f, e)
			f.lines = []string{f.sign(theirs, theirs.Public(), e.Key)}
			return f.String()
		}, "is signed by " + theirs.Public().String() + ", whom trust does not list"},
		{"in our name", func(f, _ forgery, e, _ cache.Entry) string {
			f = swap(f, e)
			f.lines = []string{f.sign(theirs, ours.Public(), e.Key)}
			return f.String()
		}, unfit},
		{"signed for another key", func(f, _ forgery, e, otherEntry cache.Entry) string {
			f.lines = []string{f.sign(ours, ours.Public(), otherEntry.Key)} // as if it could be had
			return f.String()
		}, unfit},
		{"truncated signature", func(f, _ forgery, _, _ cache.Entry) string {
			f.lines[0] = f.lines[0][:len(f.lines[0])-4]
			return f.String()
		}, "has a signature that is not 128 characters of base64"},
		{"garbled signature", func(f, _ forgery, _, _ cache.Entry) string {
			at := len(f.lines[0]) - 20
			f.lines[0] = f.lines[0][:at] + string('A'+(f.lines[0][at]+1)%16) + f.lines[0][at+1:]
			return f.String()
		}, unfit},
		{"in another's local form", func(f, _ forgery, e, _ cache.Entry) string {
			return sealed("fetched", 1, swap(f, e).entry())
		}, "is not signed"},
		{"a value", func(f, _ forgery, _, _ cache.Entry) string {
			return sealed("signed", 1, f.lines[0]+"\n"+sealed("value", 1, f.json))
		}, "is a value instead of an entry"},
		{"truncated", func(f, _ forgery, _, _ cache.Entry) string { return f.String()[:200] }, "does not have the checksum it states"},
	} {
		for kind, backend := range attackable(t) {
			t.Run(test.name+" "+kind, func(t *testing.T) {
				ci := newMachine(t, cache.Remote{Name: "shared", Backend: backend, Push: true})
				ci.SignWith([]cache.PrivateKey{ours})
				e, other := ci.store(t, 1), ci.store(t, 2)
				flush(t, ci)
				ci.want(t, "")
				name := "ac/" + e.Key.String()
				bent := test.attack(takeApart(t, read(t, backend, name)), takeApart(t, read(t, backend, "ac/"+other.Key.String())), e, other)
				write(t, backend, name, []byte(bent))
				write(t, backend, "cas/"+evilSum, evil)

				m := newMachine(t, cache.Remote{Name: "shared", Backend: backend, Pull: true})
				m.Trust([]cache.PublicKey{newKey(t).Public(), ours.Public()})
				if test.reason == "" {
					m.wantFetched(t, e, "shared")
					return
				}
				m.wantMiss(t, e.Key, test.reason)
				if _, err := m.Peek(t.Context(), e.Key); !errors.Is(err, cache.ErrMiss) {
					t.Errorf("Peek: %v", err)
				}
				m.wantFetched(t, other, "shared")
			})
		}
	}
}

// TestSwappedBlob: a signature holds the blobs, too, by their hashes.
func TestSwappedBlob(t *testing.T) {
	ours := newKey(t)
	for kind, backend := range attackable(t) {
		t.Run(kind, func(t *testing.T) {
			ci := newMachine(t, cache.Remote{Name: "shared", Backend: backend, Push: true})
			ci.SignWith([]cache.PrivateKey{ours})
			e := ci.store(t, 1)
			flush(t, ci)
			b := e.Blobs["archive"]
			write(t, backend, "cas/"+b.SHA256.String(), bytes.Repeat([]byte{9}, int(b.Size)))
			m := newMachine(t, cache.Remote{Name: "shared", Backend: backend, Pull: true})
			m.Trust([]cache.PublicKey{ours.Public()})
			m.wantMiss(t, e.Key, "whose SHA-256 is")
		})
	}
}

// again opens a machine's folder once more, as its next run does.
func (m *machine) again(t *testing.T, trusted []cache.PublicKey, remotes ...cache.Remote) *machine {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := cache.Open(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	next := &machine{Cache: c, dir: m.dir}
	c.Connect(remotes, patient(), next.add)
	c.Trust(trusted)
	return next
}

func (m *machine) wantLookup(t *testing.T, key cache.Digest, reason string) {
	t.Helper()
	_, err := m.Lookup(t.Context(), key)
	if (err == nil) != (reason == "") || err != nil && (!errors.Is(err, cache.ErrMiss) || !strings.Contains(err.Error(), reason)) {
		t.Errorf("found here: %v, want %q", err, reason)
	}
}

// TestFetchedBeforeTrust: what was fetched while nobody was trusted is held
// against trust when it is used with it.
func TestFetchedBeforeTrust(t *testing.T) {
	ours := newKey(t)
	trusted := []cache.PublicKey{ours.Public()}
	for kind, backend := range attackable(t) {
		t.Run(kind, func(t *testing.T) {
			shared := cache.Remote{Name: "shared", Backend: backend, Pull: true}
			push := cache.Remote{Name: "shared", Backend: backend, Push: true}
			signs := newMachine(t, push)
			signs.SignWith([]cache.PrivateKey{ours})
			signed := signs.store(t, 1)
			flush(t, signs)
			stranger := newMachine(t, push)
			unsigned := stranger.store(t, 2)
			flush(t, stranger)

			m := newMachine(t, shared)
			m.wantFetched(t, signed, "shared")
			m.wantFetched(t, unsigned, "shared")
			built := m.store(t, 3)
			m.want(t, "")

			m = m.again(t, trusted)
			m.wantLookup(t, signed.Key, "")
			m.wantLookup(t, unsigned.Key, "is not signed")
			m.wantLookup(t, built.Key, "")
			if _, err := m.LookupOwn(t.Context(), signed.Key); !errors.Is(err, cache.ErrMiss) {
				t.Errorf("what was fetched is the machine's own: %v", err)
			}
			if _, err := m.LookupOwn(t.Context(), built.Key); err != nil {
				t.Errorf("what was built here is not the machine's own: %v", err)
			}

			// It is left where it is: it is no defect, and it serves whoever asks for less.
			report, err := m.Verify(t.Context())
			if err != nil || report.Entries != 3 || len(report.Defects) > 0 {
				t.Errorf("Verify: %+v, %v", report, err)
			}
			m = m.again(t, nil)
			m.wantLookup(t, unsigned.Key, "")

			// Another key in the list, and what the old one signed is nothing any more.
			m = m.again(t, []cache.PublicKey{newKey(t).Public()})
			m.wantLookup(t, signed.Key, "is signed by "+ours.Public().String())
			m.wantLookup(t, built.Key, "")

			// The remote has it signed by now: that is fetched in its place.
			signs = newMachine(t, push)
			signs.SignWith([]cache.PrivateKey{ours})
			signs.store(t, 2)
			flush(t, signs)
			m = m.again(t, trusted, shared)
			m.wantFetched(t, unsigned, "shared")
			m.again(t, trusted).wantLookup(t, unsigned.Key, "")

			// So does building it here.
			m = newMachine(t, shared)
			m.wantFetched(t, unsigned, "shared")
			m = m.again(t, []cache.PublicKey{newKey(t).Public()})
			m.wantLookup(t, unsigned.Key, "is signed by")
			m.store(t, 2)
			m.wantLookup(t, unsigned.Key, "")
		})
	}
}

// TestOnlyOwnIsSigned: what was fetched is passed on as it came. A CI that has
// the key, and trusts nobody in particular, must not make of a stranger's layer
// one of its own.
func TestOnlyOwnIsSigned(t *testing.T) {
	ours, other := newKey(t), newKey(t)
	for kind, near := range attackable(t) {
		t.Run(kind, func(t *testing.T) {
			far := share.New(t.TempDir())
			stranger := newMachine(t, cache.Remote{Name: "far", Backend: far, Push: true})
			unsigned := stranger.store(t, 1)
			stranger.SignWith([]cache.PrivateKey{other})
			signed := stranger.store(t, 2)
			flush(t, stranger)

			ci := newMachine(t, cache.Remote{Name: "near", Backend: near, Pull: true, Push: true}, cache.Remote{Name: "far", Backend: far, Pull: true})
			ci.SignWith([]cache.PrivateKey{ours})
			ci.wantFetched(t, unsigned, "far")
			ci.wantFetched(t, signed, "far")
			own := ci.store(t, 3)
			flush(t, ci)

			for _, test := range []struct {
				key  cache.Digest
				want string // who signed it
			}{{unsigned.Key, ""}, {signed.Key, other.Public().String()}, {own.Key, ours.Public().String()}} {
				data := string(read(t, near, "ac/"+test.key.String()))
				if strings.HasPrefix(data, "layerbuild fetched ") {
					t.Errorf("the mark has left the folder: %s", data)
				}
				got := ""
				if strings.HasPrefix(data, "layerbuild signed ") {
					line := takeApart(t, []byte(data)).lines[0]
					public, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(line, "layerbuild-sig-1:"))
					if err != nil {
						t.Fatal(err)
					}
					got = "layerbuild-pub-1:" + base64.RawStdEncoding.EncodeToString(public[:32])
				}
				if got != test.want {
					t.Errorf("signed by %q, want %q", got, test.want)
				}
			}
		})
	}
}

// TestUntrustedWarnsOnce: of many entries that nobody trusts there is one
// warning for each remote; what is then built and pushed replaces them.
func TestUntrustedWarnsOnce(t *testing.T) {
	ours := newKey(t)
	for kind, backend := range attackable(t) {
		t.Run(kind, func(t *testing.T) {
			stranger := newMachine(t, cache.Remote{Name: "shared", Backend: backend, Push: true})
			var all []cache.Entry
			for n := range byte(5) {
				all = append(all, stranger.store(t, n))
			}
			flush(t, stranger)

			ci := newMachine(t, cache.Remote{Name: "shared", Backend: backend, Pull: true, Push: true})
			ci.Trust([]cache.PublicKey{ours.Public()})
			ci.SignWith([]cache.PrivateKey{ours})
			for _, e := range all {
				ci.wantMiss(t, e.Key, "is not signed")
			}
			ci.want(t, "is not signed")
			for n := range byte(5) {
				ci.store(t, n)
			}
			flush(t, ci)

			m := newMachine(t, cache.Remote{Name: "shared", Backend: backend, Pull: true})
			m.Trust([]cache.PublicKey{ours.Public()})
			for _, e := range all {
				m.wantFetched(t, e, "shared")
			}
			m.want(t, "")
		})
	}
}

// TestRotation: while two keys sign, whoever trusts either one is served.
func TestRotation(t *testing.T) {
	before, after, never := newKey(t), newKey(t), newKey(t)
	backend := share.New(t.TempDir())
	ci := newMachine(t, cache.Remote{Name: "shared", Backend: backend, Push: true})
	ci.SignWith([]cache.PrivateKey{before, after})
	e := ci.store(t, 1)
	flush(t, ci)
	for _, k := range []cache.PrivateKey{before, after} {
		m := newMachine(t, cache.Remote{Name: "shared", Backend: backend, Pull: true})
		m.Trust([]cache.PublicKey{never.Public(), k.Public()})
		m.wantFetched(t, e, "shared")
	}
	m := newMachine(t, cache.Remote{Name: "shared", Backend: backend, Pull: true})
	m.Trust([]cache.PublicKey{never.Public()})
	m.wantMiss(t, e.Key, "whom trust does not list")
}
