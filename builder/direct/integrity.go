package direct

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
)

// Integrity is one digest of a subresource integrity, as npm's lock files have
// it: "sha512-" and the digest in base64.
type Integrity struct {
	Algorithm string
	Sum       string // the raw bytes
}

// algorithms are those that are known, the strongest first. SHA-1 is there for
// what was published before 2017: a lock file that has nothing better is all
// that can be held against such a file, and it does tell it from any file that
// was there before somebody set out to forge one.
var algorithms = []algorithm{
	{"sha512", sha512.New}, {"sha384", sha512.New384}, {"sha256", sha256.New}, {"sha1", sha1.New},
}

type algorithm struct {
	name string
	make func() hash.Hash
}

// ParseIntegrity reads what a lock file or registry has: several digests, the
// strongest of which counts. A SHA-256 may be in hex, too, as [runtimes.File.Digest]
// has it.
func ParseIntegrity(text string) (Integrity, bool) {
	var best Integrity
	rank := len(algorithms)
	for field := range strings.FieldsSeq(text) {
		digest, _, _ := strings.Cut(field, "?")
		name, sum, _ := strings.Cut(digest, "-")
		raw, err := base64.StdEncoding.DecodeString(sum)
		if validSum(digest) {
			name = "sha256"
			raw, err = hex.DecodeString(digest)
		}
		for i, a := range algorithms[:rank] {
			if err == nil && a.name == name && len(raw) == a.make().Size() {
				best, rank = Integrity{name, string(raw)}, i
				break
			}
		}
	}
	return best, rank < len(algorithms)
}

// rank is i's place among the algorithms.
func (i Integrity) rank() int {
	return slices.IndexFunc(algorithms, func(a algorithm) bool { return a.name == i.Algorithm })
}

// NewHash returns the hash that gives i's Sum.
func (i Integrity) NewHash() hash.Hash { return algorithms[i.rank()].make() }

// String is the integrity in npm's form.
func (i Integrity) String() string {
	return i.Algorithm + "-" + base64.StdEncoding.EncodeToString([]byte(i.Sum))
}

// Hex is the digest in lower-case hex.
func (i Integrity) Hex() string { return hex.EncodeToString([]byte(i.Sum)) }
