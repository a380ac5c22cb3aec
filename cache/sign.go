package cache

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A signature is of an entry, by one key. Its text is a line of its own:
// "layerbuild-sig-1:", then the public key and the signature in base64.
type signature struct {
	by  PublicKey
	sum [ed25519.SignatureSize]byte
}

const signaturePrefix = "layerbuild-sig-1:"

// maxSignatures is how many an entry may have: two while one key gives way to
// another, and some to spare.
const maxSignatures = 8

// signedMessage is what a signature is of. The first line keeps it apart from
// whatever else is signed with ed25519, and from signatures to come; the second
// is where the entry belongs; then follow the entry's own bytes, of which one
// entry has one sequence: the format's version, the key and all digests.
func signedMessage(key Digest, entry []byte) []byte {
	return append(fmt.Appendf(nil, "layerbuild signature 1\n%s\n", entryName(key)), entry...)
}

func (k PrivateKey) sign(key Digest, entry []byte) signature {
	s := signature{by: k.Public()}
	copy(s.sum[:], ed25519.Sign(k.key, signedMessage(key, entry)))
	return s
}

func (s signature) valid(key Digest, entry []byte) bool {
	return ed25519.Verify(s.by[:], signedMessage(key, entry), s.sum[:])
}

func (s signature) String() string {
	return signaturePrefix + base64.RawStdEncoding.EncodeToString(append(s.by[:], s.sum[:]...))
}

func parseSignature(line string) (signature, error) {
	text, ok := strings.CutPrefix(line, signaturePrefix)
	if !ok {
		return signature{}, errors.New("has a line that is no signature")
	}
	var data [ed25519.PublicKeySize + ed25519.SignatureSize]byte
	if err := decodeExact(data[:], text); err != nil {
		return signature{}, fmt.Errorf("has a signature that %w", err)
	}
	s := signature{by: PublicKey(data[:ed25519.PublicKeySize])}
	copy(s.sum[:], data[ed25519.PublicKeySize:])
	return s, nil
}

func compareSigners(a, b signature) int { return bytes.Compare(a.by[:], b.by[:]) }

// sealSigned puts signatures before an entry's bytes, in their one order.
func sealSigned(signatures []signature, entry []byte) []byte {
	var payload []byte
	for _, s := range slices.SortedFunc(slices.Values(signatures), compareSigners) {
		payload = fmt.Appendln(payload, s)
	}
	return seal(kindSigned, append(payload, entry...))
}

// splitSigned parts what sealSigned joined.
func splitSigned(payload []byte) (signatures []signature, entry []byte, err error) {
	for !bytes.HasPrefix(payload, []byte(sealWord+" ")) {
		line, rest, ok := bytes.Cut(payload, []byte("\n"))
		if !ok || len(signatures) == maxSignatures {
			return nil, nil, fmt.Errorf("has no entry below at most %d signatures", maxSignatures)
		}
		s, err := parseSignature(string(line))
		if err != nil {
			return nil, nil, err
		}
		if n := len(signatures); n > 0 && compareSigners(signatures[n-1], s) >= 0 {
			return nil, nil, errors.New("has signatures out of their order")
		}
		signatures, payload = append(signatures, s), rest
	}
	if len(signatures) == 0 {
		return nil, nil, errors.New("has no signatures where they should be")
	}
	return signatures, payload, nil
}

// Trust has the cache take from remotes only what one of the keys has signed, be
// it fetched now or by an earlier run; without keys, everything. What was built
// in this folder needs no signature. Call it before the cache is used.
func (c *Cache) Trust(keys []PublicKey) { c.trusted = slices.Clone(keys) }

// SignWith has the cache sign the entries that it stores from now on, by each of
// the keys: two while one of them gives way to the other.
func (c *Cache) SignWith(keys []PrivateKey) { c.signers = slices.Clone(keys) }

// ErrUntrusted is matched by the reason of a miss on an entry that nobody
// signed who is trusted.
var ErrUntrusted = errors.New("untrusted")

// untrusted is a reason that is ErrUntrusted.
type untrusted string

func (u untrusted) Error() string        { return string(u) }
func (u untrusted) Is(target error) bool { return target == ErrUntrusted }

// accepts says why an entry that comes from a remote is not to be believed: an
// error that is ErrUntrusted. Where no keys are listed, every entry is.
func accepts(trusted []PublicKey, s stored) error {
	if len(trusted) == 0 {
		return nil
	}
	reason := untrusted("is not signed")
	for _, sig := range s.signatures {
		switch listed := slices.Contains(trusted, sig.by); {
		case listed && sig.valid(s.entry.Key, s.sealed):
			return nil
		case listed:
			reason = untrusted(fmt.Sprintf("has a signature of %s that is not of this entry", sig.by))
		case reason == "is not signed":
			reason = untrusted(fmt.Sprintf("is signed by %s, whom trust does not list", sig.by))
		}
	}
	return reason
}
