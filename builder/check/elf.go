package check

import (
	"bytes"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The ids of the checks on programs and libraries.
const (
	ELFMachine = "elf-machine"
	ELFMusl    = "elf-musl"
	ELFVersion = "elf-version"
	ELFDamaged = "elf-damaged"
)

var elfRules = []Rule{
	{ELFMachine, Error, "a program or library for another architecture", "The function ends with \"invalid ELF header\" or \"cannot open shared object file\". A package that has files for several platforms is not meant, as long as one of them is the layer's.",
		"build the layer for the architecture of its function, or include the file for this one"},
	{ELFMusl, Error, "a program or library that is linked with musl", "Lambda's runtimes have the GNU C library; musl's loader is not there.",
		"use the package's file for glibc (manylinux, or libc: glibc)"},
	{ELFVersion, Error, "a program or library that needs a newer C or C++ library than the runtime's", "The function ends with \"version `GLIBC_2.28' not found\". The runtime table says what each runtime has; the image that built the file does not matter.",
		"lock a version of the package that has a prebuilt file for the runtime, use a newer runtime (Amazon Linux 2023 has glibc 2.34), or build in the runtime's own image"},
	{ELFDamaged, Warning, "a program or library whose ELF headers cannot be read", "The loader may refuse it.",
		"see whether the package's file is whole"},
}

// machines are the instruction sets of Lambda's architectures.
var machines = map[runtimes.Arch]elf.Machine{
	runtimes.X86_64: elf.EM_X86_64,
	runtimes.ARM64:  elf.EM_AARCH64,
}

// A Binary is what the loader looks at in an ELF file of a tree, or, in
// [Facts], in the files of one package for one machine.
type Binary struct {
	Path    string          `json:"path"`
	Package string          `json:"package,omitempty"`
	Machine string          `json:"machine"` // an architecture of Lambda's, or the name of another
	Musl    bool            `json:"musl,omitempty"`
	Needs   []SymbolVersion `json:"needs,omitempty"` // of the C and C++ libraries, the newest of each
	Lacks   []Library       `json:"lacks,omitempty"` // of the libraries it needs
	Built   bool            `json:"built,omitempty"` // compiled for this layer
}

// A linked is a binary with what the loader reads to find its libraries.
type linked struct {
	Binary
	linkage
}

// A SymbolVersion is a version of a library's interface, such as GLIBC_2.28.
type SymbolVersion struct {
	Family string `json:"family"` // "GLIBC", "GLIBCXX" or "CXXABI"
	Parts  []int  `json:"parts"`
}

func (v SymbolVersion) String() string {
	s := v.Family + "_"
	for i, n := range v.Parts {
		if i > 0 {
			s += "."
		}
		s += strconv.Itoa(n)
	}
	return s
}

// parseVersion reads a version of the C or C++ library, false where name is
// one of something else, or of no number (GLIBC_PRIVATE).
func parseVersion(name string) (SymbolVersion, bool) {
	family, number, ok := strings.Cut(name, "_")
	if !ok || family != "GLIBC" && family != "GLIBCXX" && family != "CXXABI" {
		return SymbolVersion{}, false
	}
	v := SymbolVersion{Family: family}
	for part := range strings.SplitSeq(number, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return SymbolVersion{}, false
		}
		v.Parts = append(v.Parts, n)
	}
	return v, true
}

// cxxOf are the newest interfaces of the C++ library beside a C library, as
// Amazon's systems have them: gcc 7.3 in Amazon Linux 2, and in 2023 gcc 14's
// library, which came with release 2023.7 and took the place of gcc 11's
// ("ABI Policy and Guidelines" of the GNU C++ library).
var cxxOf = map[runtimes.Glibc][]SymbolVersion{
	{Major: 2, Minor: 26}: {{"GLIBCXX", []int{3, 4, 24}}, {"CXXABI", []int{1, 3, 11}}},
	{Major: 2, Minor: 34}: {{"GLIBCXX", []int{3, 4, 33}}, {"CXXABI", []int{1, 3, 15}}},
}

// binaries reads the ELF files that something may load: libraries, extension
// modules and programs. Objects and archives of a compiler are none.
func binaries(t runtimes.Tree) (all []linked, damaged []Finding) {
	built := builtPackages(t)
	for _, name := range t.Paths() {
		f := t[name]
		if !f.Mode.IsRegular() || !loadable(name, f) {
			continue
		}
		b, err := readBinary(f)
		switch {
		case errors.Is(err, errNoELF):
		case err != nil:
			damaged = append(damaged, Finding{ID: ELFDamaged, Path: name, Package: f.Package, Problem: err.Error()})
		default:
			b.Path, b.Package, b.Built = name, f.Package, built[f.Package]
			all = append(all, b)
		}
	}
	h := holdersOf(t, all)
	byPath := make(map[string]linked, len(all))
	for _, b := range all {
		byPath[b.Path] = b
	}
	for i := range all {
		all[i].Lacks = h.lacking(t, byPath, all[i])
	}
	return all, damaged
}

// Binaries lists the programs and libraries of a tree that something may load,
// each by itself. What cannot be read is left out.
func Binaries(t runtimes.Tree) []Binary {
	var all []Binary
	for _, name := range t.Paths() {
		f := t[name]
		if !f.Mode.IsRegular() || !loadable(name, f) {
			continue
		}
		if b, err := readBinary(f); err == nil {
			b.Path, b.Package = name, f.Package
			all = append(all, b.Binary)
		}
	}
	return all
}

func loadable(name string, f runtimes.TreeFile) bool {
	base := path.Base(name)
	return f.Mode&0o111 != 0 || path.Ext(base) == ".node" || path.Ext(base) == ".so" || strings.Contains(base, ".so.")
}

var errNoELF = errors.New("no ELF file")

// maxBinary bounds what is read of a file that gives no random access.
const maxBinary = 1 << 30

// readBinary reads a file's headers.
func readBinary(f runtimes.TreeFile) (linked, error) {
	at, done, err := readerAt(f)
	if err != nil {
		return linked{}, err
	}
	defer done()
	return readELF(at)
}

// readerAt opens a file for random access, until done is called.
func readerAt(f runtimes.TreeFile) (at io.ReaderAt, done func() error, err error) {
	r, err := f.Open()
	if err != nil {
		return nil, nil, err
	}
	if at, ok := r.(io.ReaderAt); ok {
		return at, r.Close, nil
	}
	defer r.Close()
	data, err := f.ReadAll(maxBinary)
	return bytes.NewReader(data), func() error { return nil }, err
}

// readELF reads what a loader looks at, errNoELF where it would not.
func readELF(at io.ReaderAt) (linked, error) {
	magic := make([]byte, len(elf.ELFMAG))
	if n, _ := at.ReadAt(magic, 0); n < len(magic) || string(magic) != elf.ELFMAG {
		return linked{}, errNoELF
	}
	e, err := elf.NewFile(at)
	if err != nil {
		return linked{}, fmt.Errorf("its ELF header cannot be read: %w", err)
	}
	if e.Type != elf.ET_DYN && e.Type != elf.ET_EXEC {
		return linked{}, errNoELF
	}
	b := linked{Binary: Binary{Machine: machineOf(e)}}
	if b.linkage, err = linkageOf(e); err != nil {
		return b, err
	}
	// musl's library has a name of its own, or one that glibc's has not.
	b.Musl = slices.ContainsFunc(b.needed, func(lib string) bool {
		return lib == "libc.so" || strings.HasPrefix(lib, "libc.musl-")
	})
	if ofOtherSystem(e, b.needed) {
		b.Machine += " without Linux"
	}
	b.Needs, err = needsOf(e)
	return b, err
}

// ofOtherSystem tells FreeBSD's files and the like, which some packages bring
// beside those for Linux, by their stamp or by their C library.
func ofOtherSystem(e *elf.File, libraries []string) bool {
	return e.OSABI != elf.ELFOSABI_NONE && e.OSABI != elf.ELFOSABI_LINUX || slices.ContainsFunc(libraries, func(library string) bool {
		return strings.HasPrefix(library, "libc.so.") && library != "libc.so.6"
	})
}

func machineOf(e *elf.File) string {
	for arch, machine := range machines {
		if e.Machine == machine && e.Class == elf.ELFCLASS64 {
			return string(arch)
		}
	}
	return fmt.Sprintf("%s of %s bits", strings.TrimPrefix(e.Machine.String(), "EM_"), strings.TrimPrefix(e.Class.String(), "ELFCLASS"))
}

// needsOf lists the newest version of each family that a file needs.
func needsOf(e *elf.File) ([]SymbolVersion, error) {
	if e.SectionByType(elf.SHT_GNU_VERNEED) == nil {
		return nil, nil
	}
	libraries, err := e.DynamicVersionNeeds()
	if err != nil {
		return nil, fmt.Errorf("the versions it needs cannot be read: %w", err)
	}
	var needs []SymbolVersion
	for _, library := range libraries {
		for _, need := range library.Needs {
			if v, ok := parseVersion(need.Dep); ok {
				needs = append(needs, v)
			}
		}
	}
	return newest(needs), nil
}

// newest keeps the newest version of each family, in the families' order.
func newest(all []SymbolVersion) []SymbolVersion {
	slices.SortFunc(all, func(a, b SymbolVersion) int {
		return cmp.Or(strings.Compare(a.Family, b.Family), slices.Compare(b.Parts, a.Parts))
	})
	return slices.CompactFunc(all, func(a, b SymbolVersion) bool { return a.Family == b.Family })
}

// elfFindings are what the loader of a target would refuse. A package that
// brings files for several platforms chooses by itself: what is for another
// one is a defect only where the package has nothing for this one.
func elfFindings(all []Binary, target Target) (found []Finding) {
	fits := make(map[string]bool) // by package, or by name where there is none
	for _, b := range all {
		if b.runsOn(target.Arch) {
			fits[b.unit()] = true
		}
	}
	for _, b := range all {
		f := Finding{Path: b.Path, Package: b.Package}
		switch {
		case b.runsOn(target.Arch):
			if f.Problem = b.tooNew(target); f.Problem == "" {
				continue
			}
			f.ID = ELFVersion
		case fits[b.unit()]:
			continue
		case b.Machine != string(target.Arch):
			f.ID, f.Problem = ELFMachine, fmt.Sprintf("is for %s, and the layer is for %s", b.Machine, target.Arch)
		default:
			f.ID, f.Problem = ELFMusl, "is linked with musl, and Lambda's runtimes have the GNU C library"
		}
		found = append(found, f)
	}
	return found
}

// unit is what has its own ways to choose between files for several platforms.
func (b Binary) unit() string { return cmp.Or(b.Package, "/"+path.Base(b.Path)) }

func (b Binary) runsOn(arch runtimes.Arch) bool { return b.Machine == string(arch) && !b.Musl }

// tooNew says which versions a target's libraries lack, "" for none.
func (b Binary) tooNew(t Target) string {
	var lacking []string
	glibc := t.Runtime.Glibc
	for _, limit := range append([]SymbolVersion{{"GLIBC", []int{glibc.Major, glibc.Minor}}}, cxxOf[glibc]...) {
		for _, v := range b.Needs {
			if v.Family == limit.Family && slices.Compare(v.Parts, limit.Parts) > 0 {
				lacking = append(lacking, fmt.Sprintf("%s, where %s ends at %s", v, t.Runtime.Name, limit))
			}
		}
	}
	if lacking == nil {
		return ""
	}
	return "needs " + strings.Join(lacking, "; ")
}
