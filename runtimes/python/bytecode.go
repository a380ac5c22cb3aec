package python

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"path"
	"regexp"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// A compiled module begins with these (PEP 552): the magic number of its
// Python, flags, and the hash of its source.
const (
	bytecodeHead  = 16
	uncheckedHash = 0b01 // by the hash of its source, which is not looked at when it is imported
)

// maxModule bounds what is read of a module or its bytecode.
const maxModule = 64 << 20

// inCache tells whether a file lies where Python keeps its bytecode.
func inCache(p string) bool {
	return strings.HasPrefix(p, "__pycache__/") || strings.Contains(p, "/__pycache__/")
}

// modulePath matches a module below an installed site-packages.
var modulePath = regexp.MustCompile(`(?s)^lib(?:64)?/python3\.([0-9]+)/site-packages/(?:.+/)?([^/]+)\.py$`)

// cached gives the path of a module's bytecode, with folders as the module's.
// The module's own place in the installed tree tells for which Python it is.
func cached(module string) (string, bool) {
	m := modulePath.FindStringSubmatch(module)
	if m == nil {
		return "", false
	}
	return path.Join(path.Dir(module), "__pycache__", m[2]+".cpython-3"+m[1]+".pyc"), true
}

// ourBytecode tells whether the file at p is what the recipe's compiler made
// of a package's module.
func (n *normaliser) ourBytecode(p string) bool {
	dir, name := path.Split(p)
	end := strings.LastIndex(name, ".cpython-")
	if !n.recipe.Bytecode || end < 0 {
		return false
	}
	module := path.Join(path.Dir(path.Clean(dir)), name[:end]+".py")
	at, ok := cached(module)
	return ok && at == p && n.owned[module]
}

// addBytecode puts the bytecode of each module of the layer beside it, for the
// same packages. A module that does not compile has none.
func (n *normaliser) addBytecode(out runtimes.Tree) error {
	for _, p := range out.Paths() {
		claims := n.claims[p]
		last := claims[len(claims)-1]
		from, ok := cached(last.at)
		if !ok {
			continue
		}
		f, ok := n.in[from]
		to := path.Join(path.Dir(p), "__pycache__", path.Base(from))
		if !ok || n.recipe.Excluded(to) {
			continue
		}
		if err := checkBytecode(from, f, last.found); err != nil {
			return fmt.Errorf("installed tree: %s: %w", from, err)
		}
		f.Mode, f.Package = mode(false), last.dist.name
		out[to] = f
		for _, c := range claims {
			n.claims[to] = append(n.claims[to], claim{dist: c.dist, at: from, found: f, file: f})
		}
	}
	return nil
}

// checkBytecode makes sure that the file at p is bound to the module by the
// hash of its source, and that Python will take it without looking.
func checkBytecode(p string, f, module runtimes.TreeFile) error {
	if f.Mode.Type() != 0 {
		return fmt.Errorf("not a regular file")
	}
	data, err := f.ReadAll(maxModule)
	if err != nil {
		return err
	}
	if len(data) <= bytecodeHead || data[2] != '\r' || data[3] != '\n' {
		return fmt.Errorf("not a compiled module")
	}
	if flags := binary.LittleEndian.Uint32(data[4:]); flags != uncheckedHash {
		return fmt.Errorf("compiled with flags %#b, not %#b: unchecked, by the hash of its source", flags, uncheckedHash)
	}
	source, err := module.ReadAll(maxModule)
	if err != nil {
		return err
	}
	rounds := 1 // those of SipHash for each word
	if strings.HasSuffix(p, ".cpython-39.pyc") || strings.HasSuffix(p, ".cpython-310.pyc") {
		rounds = 2
	}
	magic := uint64(binary.LittleEndian.Uint32(data))
	if sipHash(magic, source, rounds) != binary.LittleEndian.Uint64(data[8:]) {
		return fmt.Errorf("compiled from another source")
	}
	return nil
}

// sipHash is SipHash-1-3 (rounds 1) or SipHash-2-4 (rounds 2) with a key of
// which the second half is 0, as Python hashes a module's source.
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
