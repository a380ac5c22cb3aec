package java

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

// native says for which platform a library in a jar is: for Lambda on one of
// its architectures, or for something else.
type native struct {
	arch  runtimes.Arch // "" where it is not for Lambda
	other string        // what else it is for, in words: "Windows", "Linux on s390x"
}

// fits tells whether the library may be loaded on Lambda.
func (n native) fits(arch runtimes.Arch) bool { return n.arch == arch }

var nativeExtensions = []string{".so", ".dll", ".dylib", ".jnilib"}

// isNative tells by its name whether an entry is a native library.
func isNative(f *zip.File) bool {
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

// nativeOf says for which platform a native library is; ok is false where it is
// none, or of a kind that is not known.
func nativeOf(f *zip.File) (n native, ok bool, err error) {
	data, err := head(f, nativeHead)
	if err != nil {
		return native{}, false, err
	}
	switch {
	case bytes.HasPrefix(data, []byte("\x7fELF")) && len(data) >= 20:
		return elf(f.Name, data), true, nil
	case bytes.HasPrefix(data, []byte("MZ")):
		return native{other: "Windows"}, true, nil
	case isMachO(data):
		return native{other: "macOS"}, true, nil
	}
	return native{}, false, nil
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
func elf(name string, data []byte) native {
	order := binary.ByteOrder(binary.LittleEndian)
	if data[5] == elfBigEndian {
		order = binary.BigEndian
	}
	for _, word := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if system, ok := otherSystems[word]; ok {
			return native{other: system}
		}
	}
	machine := order.Uint16(data[18:])
	switch {
	case data[7] != elfSystemV && data[7] != elfGNU:
		return native{other: "another Unix"}
	case machine == elfX86_64 && data[4] == elf64 && data[5] != elfBigEndian:
		return native{arch: runtimes.X86_64}
	case machine == elfARM64 && data[4] == elf64 && data[5] != elfBigEndian:
		return native{arch: runtimes.ARM64}
	}
	return native{other: "Linux on another processor"}
}
