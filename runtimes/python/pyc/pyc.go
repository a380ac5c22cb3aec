// Package pyc reads the heads of compiled Python modules, .pyc files (PEP 552).
package pyc

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"strings"
)

// HeadSize is how many bytes a head takes.
const HeadSize = 16

// A Head is what a compiled module begins with.
type Head struct {
	Magic uint32 // of the Python that compiled it
	Flags uint32
	sum   [8]byte // the time and size of its source, or the source's hash
}

// Flags of bytecode that is bound to its source by a hash. Without ByHash it is
// bound by the source's time and size.
const (
	ByHash  = 0b01
	Checked = 0b10 // the hash is looked at when the module is imported
)

// Parse reads the head of a compiled module, or of more of it.
func Parse(data []byte) (Head, error) {
	if len(data) < HeadSize || data[2] != '\r' || data[3] != '\n' {
		return Head{}, errors.New("not a compiled module")
	}
	return Head{
		Magic: binary.LittleEndian.Uint32(data),
		Flags: binary.LittleEndian.Uint32(data[4:]),
		sum:   [8]byte(data[8:]),
	}, nil
}

// numbers are the magic numbers of the releases of each Python, by X.Y. They do
// not change after its first release candidate.
var numbers = map[string]uint16{"3.8": 3413, "3.9": 3425, "3.10": 3439, "3.11": 3495, "3.12": 3531, "3.13": 3571, "3.14": 3627}

// Number is the magic number of a Python, X.Y, false where it is not known.
func Number(python string) (uint16, bool) {
	n, ok := numbers[python]
	return n, ok
}

// Number is the magic number proper.
func (h Head) Number() uint16 { return uint16(h.Magic) }

// Size is that of the source, modulo 2³², where no hash stands in its place.
func (h Head) Size() uint32 { return binary.LittleEndian.Uint32(h.sum[4:]) }

// Hash is that of the source.
func (h Head) Hash() uint64 { return binary.LittleEndian.Uint64(h.sum[:]) }

// SourceHash is the hash that the Python of that magic number gives a source:
// SipHash-2-4, since Python 3.11 SipHash-1-3.
func SourceHash(magic uint32, source []byte) uint64 {
	rounds := 1
	if uint16(magic) < numbers["3.11"] {
		rounds = 2
	}
	return sipHash(uint64(magic), source, rounds)
}

// Module splits the path of bytecode in a __pycache__ into its module's path and
// the tag of the Python that reads it, "cpython-313". Optimised bytecode,
// m.cpython-313.opt-2.pyc, is the module's, too.
func Module(name string) (source, tag string, ok bool) {
	dir, base, ok := cutLast(name, "__pycache__/")
	stem, isBytecode := strings.CutSuffix(base, ".pyc")
	parts := strings.Split(stem, ".")
	if !ok || !isBytecode || strings.Contains(base, "/") || len(parts) < 2 {
		return "", "", false
	}
	end := len(parts) - 1
	if end > 1 && strings.HasPrefix(parts[end], "opt-") {
		end--
	}
	return dir + strings.Join(parts[:end], ".") + ".py", parts[end], true
}

// cutLast cuts a path before and after its last folder.
func cutLast(name, folder string) (before, after string, ok bool) {
	i := strings.LastIndex("/"+name, "/"+folder)
	if i < 0 {
		return "", "", false
	}
	return name[:i], name[i+len(folder):], true
}

// sipHash is SipHash-1-3 (rounds 1) or SipHash-2-4 (rounds 2) with a key of
// which the second half is 0.
func sipHash(key uint64, data []byte, rounds int) uint64 {
	v := [4]uint64{0x736f6d6570736575 ^ key, 0x646f72616e646f6d, 0x6c7967656e657261 ^ key, 0x7465646279746573}
	mix := func(n int) {
		for range n {
			v[0] += v[1]
			v[2] += v[3]
			v[1] = bits.RotateLeft64(v[1], 13) ^ v[0]
			v[3] = bits.RotateLeft64(v[3], 16) ^ v[2]
			v[0] = bits.RotateLeft64(v[0], 32)
			v[2] += v[1]
			v[0] += v[3]
			v[1] = bits.RotateLeft64(v[1], 17) ^ v[2]
			v[3] = bits.RotateLeft64(v[3], 21) ^ v[0]
			v[2] = bits.RotateLeft64(v[2], 32)
		}
	}
	word := func(m uint64) {
		v[3] ^= m
		mix(rounds)
		v[0] ^= m
	}
	var end [8]byte
	end[7] = byte(len(data))
	for ; len(data) >= 8; data = data[8:] {
		word(binary.LittleEndian.Uint64(data))
	}
	copy(end[:7], data)
	word(binary.LittleEndian.Uint64(end[:]))
	v[2] ^= 0xff
	mix(rounds + 2)
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}
