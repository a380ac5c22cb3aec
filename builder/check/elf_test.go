package check_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// An elfImage is what elfFile makes a shared library of.
type elfImage struct {
	machine elf.Machine
	kind    elf.Type // 0: ET_DYN
	needs   []string // "libc.so.6 GLIBC_2.28 GLIBC_2.17": a library and its versions
	soname  string
	runpath string
	rpath   string
	system  elf.OSABI
	symbols []string // "napi_create_object", which it needs; "+node_register_module_v115", which it has
	module  int      // of an addon that registers with a record: its NODE_MODULE_VERSION
}

// elfFile writes a shared library with nothing but what the loader looks at
// first ("System V Application Binary Interface", "Linux Standard Base").
func elfFile(i elfImage) []byte {
	le := binary.LittleEndian
	strs := []byte{0}
	str := func(s string) uint32 {
		at := uint32(len(strs))
		strs = append(append(strs, s...), 0)
		return at
	}
	var verneed, dynamic []byte
	for n, need := range i.needs {
		words := strings.Fields(need)
		name := str(words[0])
		dynamic = le.AppendUint64(le.AppendUint64(dynamic, uint64(elf.DT_NEEDED)), uint64(name))
		versions := words[1:]
		next := uint32(16 + 16*len(versions))
		if n == len(i.needs)-1 {
			next = 0
		}
		verneed = le.AppendUint16(le.AppendUint16(verneed, 1), uint16(len(versions)))
		for _, v := range []uint32{name, 16, next} {
			verneed = le.AppendUint32(verneed, v)
		}
		for k, version := range versions {
			verneed = le.AppendUint32(verneed, 0)
			verneed = le.AppendUint16(le.AppendUint16(verneed, 0), uint16(k+2))
			verneed = le.AppendUint32(verneed, str(version))
			next := uint32(16)
			if k == len(versions)-1 {
				next = 0
			}
			verneed = le.AppendUint32(verneed, next)
		}
	}
	for _, entry := range []struct {
		tag  elf.DynTag
		text string
	}{{elf.DT_SONAME, i.soname}, {elf.DT_RUNPATH, i.runpath}, {elf.DT_RPATH, i.rpath}} {
		if entry.text != "" {
			dynamic = le.AppendUint64(le.AppendUint64(dynamic, uint64(entry.tag)), uint64(str(entry.text)))
		}
	}
	dynamic = append(dynamic, make([]byte, 16)...) // DT_NULL

	dynsym := make([]byte, 48)
	for _, symbol := range i.symbols {
		name, defined := strings.CutPrefix(symbol, "+")
		entry := make([]byte, 24)
		le.PutUint32(entry, str(name))
		if defined {
			entry[6] = 1
		}
		dynsym = append(dynsym, entry...)
	}

	type section struct {
		kind  elf.SectionType
		data  []byte
		link  uint32
		size  uint64 // of an entry
		flags elf.SectionFlag
		addr  uint64
	}
	sections := []section{
		{}, {kind: elf.SHT_STRTAB, data: strs}, {kind: elf.SHT_DYNSYM, data: dynsym, link: 1, size: 24},
		{kind: elf.SHT_GNU_VERSYM, data: make([]byte, 4), link: 2, size: 2}, {kind: elf.SHT_GNU_VERNEED, data: verneed, link: 1},
		{kind: elf.SHT_DYNAMIC, data: dynamic, link: 1, size: 16},
	}
	if i.module != 0 {
		const at = 0x4040
		record := make([]byte, 0x60) // node.h's node_module behind another variable
		le.PutUint32(record[0x20:], uint32(i.module))
		relative := uint64(elf.R_X86_64_RELATIVE)
		if i.machine == elf.EM_AARCH64 {
			relative = uint64(elf.R_AARCH64_RELATIVE)
		}
		var moved []byte
		for _, pointer := range []uint64{at, at + 0x30, at + 0x38, at + 0x48} {
			moved = le.AppendUint64(le.AppendUint64(le.AppendUint64(moved, pointer), relative), 0x1000)
		}
		sections = append(sections, section{kind: elf.SHT_PROGBITS, data: record, flags: elf.SHF_ALLOC | elf.SHF_WRITE, addr: at},
			section{kind: elf.SHT_RELA, data: moved, size: 24})
	}
	var body, table []byte
	for _, s := range sections {
		h := elf.Section64{Type: uint32(s.kind), Off: uint64(64 + len(body)), Size: uint64(len(s.data)), Link: s.link, Entsize: s.size, Flags: uint64(s.flags), Addr: s.addr}
		body = append(body, s.data...)
		var b bytes.Buffer
		_ = binary.Write(&b, le, h)
		table = append(table, b.Bytes()...)
	}
	kind := i.kind
	if kind == 0 {
		kind = elf.ET_DYN
	}
	h := elf.Header64{
		Type: uint16(kind), Machine: uint16(i.machine), Version: 1, Shoff: uint64(64 + len(body)),
		Ehsize: 64, Shentsize: 64, Shnum: uint16(len(sections)), Shstrndx: 1,
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	h.Ident[elf.EI_OSABI] = byte(i.system)
	var b bytes.Buffer
	_ = binary.Write(&b, le, h)
	return append(append(b.Bytes(), body...), table...)
}

func row(name string) runtimes.Info {
	info, _ := runtimes.Lookup(name)
	return info
}

var (
	al2    = check.Target{Runtime: row("python3.11"), Arch: runtimes.X86_64}
	al2023 = check.Target{Runtime: row("python3.13"), Arch: runtimes.X86_64}
)

func TestELF(t *testing.T) {
	x86 := func(needs ...string) []byte { return elfFile(elfImage{machine: elf.EM_X86_64, needs: needs}) }
	arm := func(needs ...string) []byte { return elfFile(elfImage{machine: elf.EM_AARCH64, needs: needs}) }
	damaged := x86("libc.so.6 GLIBC_2.17")[:70]
	for name, test := range map[string]struct {
		files  map[string][]byte // "package:path"
		target check.Target
		want   []string // ids, with a part of the text
	}{
		"fits":                {map[string][]byte{"a:python/a.so": x86("libc.so.6 GLIBC_2.2.5 GLIBC_2.26", "libstdc++.so.6 GLIBCXX_3.4.24 CXXABI_1.3.11")}, al2, nil},
		"too new":             {map[string][]byte{"a:python/a.so": x86("libc.so.6 GLIBC_2.2.5 GLIBC_2.28")}, al2, []string{"elf-version python/a.so (of a) needs GLIBC_2.28, where python3.11 ends at GLIBC_2.26"}},
		"fits the newer":      {map[string][]byte{"a:python/a.so": x86("libc.so.6 GLIBC_2.28 GLIBC_2.34")}, al2023, nil},
		"compared as numbers": {map[string][]byte{"a:python/a.so": x86("libc.so.6 GLIBC_2.4 GLIBC_2.3.4")}, al2, nil},
		"C++":                 {map[string][]byte{"a:python/a.so": x86("libstdc++.so.6 GLIBCXX_3.4.34 CXXABI_1.3.9")}, al2023, []string{"elf-version python/a.so (of a) needs GLIBCXX_3.4.34, where python3.13 ends at GLIBCXX_3.4.33"}},
		"C++ ABI":             {map[string][]byte{"a:python/a.so": x86("libstdc++.so.6 CXXABI_1.3.16")}, al2023, []string{"CXXABI_1.3.16"}},
		"private versions":    {map[string][]byte{"a:python/a.so": x86("libc.so.6 GLIBC_PRIVATE GLIBC_2.17")}, al2, nil},
		"another machine":     {map[string][]byte{"a:python/a.so": arm("libc.so.6 GLIBC_2.17")}, al2, []string{"elf-machine python/a.so (of a) is for arm64, and the layer is for x86_64"}},
		"a strange machine":   {map[string][]byte{"a:a.node": elfFile(elfImage{machine: elf.EM_RISCV})}, al2, []string{"elf-machine a.node (of a) is for RISCV of 64 bits"}},
		"one for each":        {map[string][]byte{"a:p/x64/a.node": x86(), "a:p/arm64/a.node": arm(), "b:b.node": x86()}, al2, nil},
		"in another package":  {map[string][]byte{"a:p/x64/a.node": x86(), "b:p/arm64/a.node": arm()}, al2, []string{"elf-machine p/arm64/a.node (of b)"}},
		"own, one for each":   {map[string][]byte{":x64/libown.so": x86(), ":arm64/libown.so": arm()}, al2, nil},
		"own":                 {map[string][]byte{":lib/libown.so.1": arm()}, al2, []string{"elf-machine lib/libown.so.1 is for arm64"}},
		"musl":                {map[string][]byte{"a:a.node": x86("libc.musl-x86_64.so.1")}, al2, []string{"elf-musl a.node (of a) is linked with musl"}},
		"musl beside glibc":   {map[string][]byte{"a:m/a.node": x86("libc.musl-x86_64.so.1"), "a:g/a.node": x86("libc.so.6 GLIBC_2.17")}, al2, nil},
		"damaged":             {map[string][]byte{"a:python/a.so": damaged}, al2, []string{"elf-damaged python/a.so (of a) its ELF header cannot be read"}},
		"for FreeBSD":         {map[string][]byte{"a:l/a.node": x86("libc.so.6"), "a:f/a.node": elfFile(elfImage{machine: elf.EM_X86_64, system: elf.ELFOSABI_FREEBSD})}, al2, nil},
		"for OpenBSD":         {map[string][]byte{"a:a.node": x86("libc.so.96.0")}, al2, []string{"elf-machine a.node (of a) is for x86_64 without Linux, and the layer is for x86_64"}},
		"an object file":      {map[string][]byte{"a:python/a.so": elfFile(elfImage{machine: elf.EM_AARCH64, kind: elf.ET_REL})}, al2, nil},
		"no ELF":              {map[string][]byte{"a:python/a.so": []byte("INPUT(libb.so)"), "a:b.so": nil}, al2, nil},
		"data":                {map[string][]byte{"a:python/a.bin": arm()}, al2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tree := runtimes.Tree{}
			for name, data := range test.files {
				f := runtimes.NewTreeFile(data, false)
				var path string
				f.Package, path, _ = strings.Cut(name, ":")
				tree[path] = f
			}
			warnings, err := check.Gather(tree, 1<<30).Judge([]check.Target{test.target, test.target}, nil)
			var got []string
			for _, w := range warnings {
				got = append(got, w.ID+" "+w.String())
			}
			if err != nil {
				failed, ok := err.(interface{ Unwrap() []error })
				if !ok {
					t.Fatal(err)
				}
				for _, e := range failed.Unwrap() {
					for _, f := range e.(*check.FindingsError).Findings {
						got = append(got, f.ID+" "+f.String())
					}
				}
			}
			if !slices.EqualFunc(got, test.want, strings.Contains) {
				t.Errorf("found %q\nwant %q", got, test.want)
			}
			all := func(check.Finding) bool { return true }
			if warnings, err := check.Gather(tree, 1<<30).Judge([]check.Target{test.target}, all); err != nil || warnings != nil {
				t.Errorf("allowed, and still there: %v, %v", warnings, err)
			}
		})
	}
}

// FuzzELF: whatever a file holds, the checks end, and what they need of memory
// is in proportion to it.
func FuzzELF(f *testing.F) {
	f.Add(elfFile(elfImage{machine: elf.EM_X86_64, needs: []string{"libc.so.6 GLIBC_2.28 GLIBC_2.17", "libm.so.6 GLIBC_2.29"}}))
	f.Add(elfFile(elfImage{machine: elf.EM_AARCH64}))
	f.Add(elfFile(elfImage{machine: elf.EM_X86_64, needs: []string{"a.so", "libpq.so.5"}, soname: "a.so", runpath: "$ORIGIN/..:/tmp"}))
	f.Add([]byte(elf.ELFMAG))
	f.Fuzz(func(t *testing.T, data []byte) {
		facts := check.Gather(runtimes.Tree{"a.so": runtimes.NewTreeFile(data, false)}, 1<<30)
		_, _ = facts.Judge([]check.Target{al2}, nil)
		if len(facts.Binaries) > 1 || len(facts.Found) > 1 {
			t.Errorf("one file gave %v", facts)
		}
	})
}

// TestFixture keeps libraries that the tests of the program build layers with.
func TestFixture(t *testing.T) {
	for name, needs := range map[string][]string{
		"needs-glibc-2.28.so": {"libc.so.6 GLIBC_2.28 GLIBC_2.2.5"},
		"needs-libpq.so":      {"libpq.so.5", "libc.so.6 GLIBC_2.2.5"},
	} {
		file := "testdata/" + name
		want := elfFile(elfImage{machine: elf.EM_X86_64, needs: needs})
		if *update {
			if err := os.WriteFile(file, want, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what it should be: run make update (%v)", file, err)
		}
	}
}
