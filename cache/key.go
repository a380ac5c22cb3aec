package cache

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The texts of keys begin with what they are, so that people, and whatever
// searches for leaked secrets, know one when they see it.
const (
	publicPrefix  = "layerbuild-pub-1:"
	privatePrefix = "layerbuild-key-1:"
)

// A PublicKey tells who signed an entry. Its text is "layerbuild-pub-1:" and 43
// characters of base64.
type PublicKey [ed25519.PublicKeySize]byte

// ParsePublicKey reads the text of a public key. It is strict: one key has one
// text. The error shows nothing of the text, which may be a private key.
func ParsePublicKey(text string) (PublicKey, error) {
	var k PublicKey
	if strings.HasPrefix(text, privatePrefix) {
		return k, errors.New("is a private key, not a public one")
	}
	return k, decodeKey(k[:], publicPrefix, text)
}

func (k PublicKey) String() string { return publicPrefix + base64.RawStdEncoding.EncodeToString(k[:]) }

// MarshalText makes a public key a string in JSON.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is ParsePublicKey.
func (k *PublicKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParsePublicKey(string(text))
	return err
}

// A PrivateKey signs entries. Whatever prints it prints its public key: only
// Text shows it. The zero PrivateKey signs nothing.
type PrivateKey struct{ key ed25519.PrivateKey }

// NewPrivateKey makes a key.
func NewPrivateKey() (PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(nil)
	return PrivateKey{key}, err
}

// ParsePrivateKey reads what Text returned: "layerbuild-key-1:" and 43
// characters of base64. It is strict, and the error shows nothing of the text.
func ParsePrivateKey(text string) (PrivateKey, error) {
	if strings.HasPrefix(text, publicPrefix) {
		return PrivateKey{}, errors.New("is a public key, not a private one")
	}
	var seed [ed25519.SeedSize]byte
	if err := decodeKey(seed[:], privatePrefix, text); err != nil {
		return PrivateKey{}, err
	}
	return PrivateKey{ed25519.NewKeyFromSeed(seed[:])}, nil
}

// ParsePrivateKeys reads one key or several, with white space between them.
func ParsePrivateKeys(text string) ([]PrivateKey, error) {
	var all []PrivateKey
	for _, word := range strings.Fields(text) {
		k, err := ParsePrivateKey(word)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(other PrivateKey) bool { return other.key.Equal(k.key) }) {
			return nil, errors.New("has one key twice")
		}
		all = append(all, k)
	}
	switch {
	case len(all) == 0:
		return nil, errors.New("has no key")
	case len(all) > maxSignatures:
		return nil, fmt.Errorf("has %d keys; %d are allowed", len(all), maxSignatures)
	}
	return all, nil
}

// Text is the secret itself, for the file that keeps it.
func (k PrivateKey) Text() string {
	return privatePrefix + base64.RawStdEncoding.EncodeToString(k.key.Seed())
}

// Public returns the key that others trust.
func (k PrivateKey) Public() PublicKey { return PublicKey(k.key.Public().(ed25519.PublicKey)) }

// Format keeps every verb of package fmt from the secret.
func (k PrivateKey) Format(f fmt.State, _ rune) {
	if k.key == nil {
		fmt.Fprint(f, "no private key")
		return
	}
	fmt.Fprint(f, "the private key of ", k.Public())
}

// decodeKey reads the text of a key into all of key.
func decodeKey(key []byte, prefix, text string) error {
	encoded, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return fmt.Errorf("does not begin with %s", prefix)
	}
	return decodeExact(key, encoded)
}

// decodeExact reads base64 that fills dst. It takes one text for one value:
// the decoder itself would pass over line breaks.
func decodeExact(dst []byte, text string) error {
	e := base64.RawStdEncoding.Strict()
	data, err := e.DecodeString(text)
	if err != nil || len(data) != len(dst) || e.EncodeToString(data) != text {
		return fmt.Errorf("is not %d characters of base64, without padding", e.EncodedLen(len(dst)))
	}
	copy(dst, data)
	return nil
}
