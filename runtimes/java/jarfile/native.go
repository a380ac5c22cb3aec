package jarfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Native says for which platform a library in a jar is: for Lambda on one of
// its architectures, or for something else.
type Native struct {
	Arch  runtimes.Arch // "" where it is not for Lambda
	Other string        // what else it is for, in words: "Windows", "Linux on s390x"
}

// Fits tells whether the library may be loaded on Lambda.
func (n Native) Fits(arch runtimes.Arch) bool { return n.Arch == arch }

var nativeExtensions = []string{".so", ".dll", ".dylib", ".jnilib"}

// IsNative tells by its name whether an entry is a native library.
func IsNative(f *zip.File) bool {
	base := strings.ToLower(path.Base(f.Name))
	if strings.HasSuffix(f.Name, "/") {
		return false
	}
	return slices.Contains(nativeExtensions, path.Ext(base)) || strings.Contains(base, ".so.")
}

// otherSystems are words in paths that tell a library of another system, or of
// another C library, where its format does not.
var otherSystems = map[string]string{
	"musl": "Linux with musl", "alpine": "Linux with musl", "android": "Android", "freebsd": "FreeBSD", "openbsd": "OpenBSD",
	"netbsd": "NetBSD", "dragonflybsd": "DragonFly", "solaris": "Solaris", "sunos": "Solaris", "aix": "AIX",
}

// nativeHead is how much of a library tells its platform.
const nativeHead = 64

// NativeOf says for which platform a native library is; ok is false where it is
// none, or of a kind that is not known.
func NativeOf(f *zip.File) (n Native, ok bool, err error) {
	data, err := Head(f, nativeHead)
	if err != nil {
		return Native{}, false, err
	}
	switch {
	case bytes.HasPrefix(data, []byte("\x7fELF")) && len(data) >= 20:
		return elf(f.Name, data), true, nil
	case bytes.HasPrefix(data, []byte("MZ")):
		return Native{Other: "Windows"}, true, nil
	case isMachO(data):
		return Native{Other: "macOS"}, true, nil
	}
	return Native{}, false, nil
}

// isMachO tells a library of macOS, for one architecture or for several.
func isMachO(data []byte) bool {
	if len(data) < 4 {
		return false
	}
	return slices.Contains([]uint32{0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe, 0xcafebabe, 0xcafebabf}, binary.BigEndian.Uint32(data))
}

// Of ELF's numbers, those that matter here.
const (
	elf64        = 2
	elfBigEndian = 2
	elfSystemV   = 0
	elfGNU       = 3
	elfX86_64    = 62
	elfARM64     = 183
)

// elf reads the head of a library in Linux's format.
func elf(name string, data []byte) Native {
	order := binary.ByteOrder(binary.LittleEndian)
	if data[5] == elfBigEndian {
		order = binary.BigEndian
	}
	for _, word := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if system, ok := otherSystems[word]; ok {
			return Native{Other: system}
		}
	}
	machine := order.Uint16(data[18:])
	switch {
	case data[7] != elfSystemV && data[7] != elfGNU:
		return Native{Other: "another Unix"}
	case machine == elfX86_64 && data[4] == elf64 && data[5] != elfBigEndian:
		return Native{Arch: runtimes.X86_64}
	case machine == elfARM64 && data[4] == elf64 && data[5] != elfBigEndian:
		return Native{Arch: runtimes.ARM64}
	}
	return Native{Other: "Linux on another processor"}
}
