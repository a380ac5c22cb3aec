package jarfile

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// jarOf makes a jar of one entry.
func jarOf(t *testing.T, name, content string) runtimes.TreeFile {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err == nil {
		_, err = io.WriteString(w, content)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return runtimes.NewTreeFile(b.Bytes(), false)
}

// elfLibrary is the head of a library of Linux's format.
func elfLibrary(class, order, system byte, machine uint16) string {
	data := make([]byte, 64)
	copy(data, "\x7fELF")
	data[4], data[5], data[7] = class, order, system
	data[18], data[19] = byte(machine), byte(machine>>8)
	if order == elfBigEndian {
		data[18], data[19] = data[19], data[18]
	}
	return string(data)
}

var (
	linuxX86 = elfLibrary(elf64, 1, 0, elfX86_64)
	linuxARM = elfLibrary(elf64, 1, elfGNU, elfARM64)
)

func TestNativeOf(t *testing.T) {
	for _, test := range []struct {
		name, content string
		want          Native
		none          bool
	}{
		{name: "linux/x86_64/liba.so", content: linuxX86, want: Native{Arch: runtimes.X86_64}},
		{name: "liba.so.1.2", content: linuxARM, want: Native{Arch: runtimes.ARM64}},
		{name: "Linux-Musl/x86_64/liba.so", content: linuxX86, want: Native{Other: "Linux with musl"}},
		{name: "Linux-Android/aarch64/liba.so", content: linuxARM, want: Native{Other: "Android"}},
		{name: "freebsd/x86_64/liba.so", content: linuxX86, want: Native{Other: "FreeBSD"}},
		{name: "x/liba.so", content: elfLibrary(elf64, 1, 9, elfX86_64), want: Native{Other: "another Unix"}},
		{name: "x/liba.so", content: elfLibrary(1, 1, 0, elfX86_64), want: Native{Other: "Linux on another processor"}}, // x32
		{name: "x/liba.so", content: elfLibrary(1, 1, 0, 3), want: Native{Other: "Linux on another processor"}},
		{name: "ppc64/liba.so", content: elfLibrary(elf64, 2, 0, 21), want: Native{Other: "Linux on another processor"}},
		{name: "x/a.dll", content: "MZ\x90\x00", want: Native{Other: "Windows"}},
		{name: "x/A.DLL", content: "MZ\x90\x00", want: Native{Other: "Windows"}},
		{name: "x/liba.dylib", content: "\xcf\xfa\xed\xfe\x0c\x00", want: Native{Other: "macOS"}},
		{name: "x/liba.jnilib", content: "\xca\xfe\xba\xbe\x00\x00\x00\x02", want: Native{Other: "macOS"}},
		{name: "x/liba.so", content: "a text", none: true},
		{name: "x/liba.so", content: "", none: true},
		{name: "x/liba.so", content: "\x7fELF", none: true},
	} {
		a, err := Open(jarOf(t, test.name, test.content))
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := NativeOf(a.Files[0])
		if !IsNative(a.Files[0]) || err != nil || ok == test.none || got != test.want {
			t.Errorf("%s %.8q: got %+v, %v, %v", test.name, test.content, got, ok, err)
		}
	}
	for _, name := range []string{"a.class", "x.so/", "so", "a.sooner", "lib.so.txt/"} {
		if IsNative(&zip.File{FileHeader: zip.FileHeader{Name: name}}) {
			t.Errorf("%s is taken for a native library", name)
		}
	}
}

// TestHead: the head of an entry is what its content begins with, whatever
// follows, and a file that is no jar is none.
func TestHead(t *testing.T) {
	for _, content := range []string{"", "short", strings.Repeat("0123456789", 20_000)} {
		a, err := Open(jarOf(t, "a", content))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Head(a.Files[0], 64); err != nil || string(got) != content[:min(64, len(content))] {
			t.Errorf("%.20q: got %q, %v", content, got, err)
		}
	}
	if _, err := Open(runtimes.NewTreeFile([]byte("<html>"), false)); err == nil || !strings.HasPrefix(err.Error(), "is no jar: ") {
		t.Errorf("a page: %v", err)
	}
}
