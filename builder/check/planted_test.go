package check_test

import (
	"debug/elf"
	"errors"
	"slices"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// A planted defect is a layer that is sound but for one thing, which one check
// finds, and no other.
type planted struct {
	name   string
	target check.Target
	tree   runtimes.Tree
	id     string // of the check
	path   string // that the finding names
}

// limit is what a planted layer may weigh.
const limit = 262_144_000

// TestPlanted: each planted defect is found under its id, at its path, and
// nothing else is. Every check has one.
func TestPlanted(t *testing.T) {
	found := make(map[string]bool)
	for _, p := range slices.Concat(plantedInArchives(), plantedInNames(), plantedInModes(), plantedInPlaces(), plantedInBinaries(), plantedInLinks(), plantedInPython(), plantedInBytecode(), plantedInStarts(), plantedInModules(), plantedInJars(), plantedInSecrets()) {
		found[p.id] = true
		t.Run(p.id+"/"+p.name, func(t *testing.T) {
			warnings, err := check.Gather(p.tree, limit).Judge([]check.Target{p.target}, nil)
			got := append(warnings, findings(t, err)...)
			if len(got) != 1 || got[0].ID != p.id || got[0].Path != p.path {
				t.Errorf("found %q, want one of %s at %q", got, p.id, p.path)
			}
		})
	}
	for _, p := range plantedZips() {
		found[p.id] = true
	}
	for _, r := range check.Rules() {
		if !found[r.ID] {
			t.Errorf("nothing is planted for the check %s", r.ID)
		}
	}
}

// findings are those of the errors that Judge has joined.
func findings(t *testing.T, err error) (all []check.Finding) {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v", err)
	}
	for _, err := range joined.Unwrap() {
		failed, ok := errors.AsType[*check.FindingsError](err)
		if !ok {
			t.Fatalf("%v", err)
		}
		all = append(all, failed.Findings...)
	}
	return all
}

// file is a file of a package, "" for the user's own.
func file(pkg string, data []byte) runtimes.TreeFile {
	f := runtimes.NewTreeFile(data, false)
	f.Package = pkg
	return f
}

// sized is a file that is not read.
func sized(n int64) runtimes.TreeFile {
	f := file("big", nil)
	f.Size = n
	return f
}

func plantedInBinaries() []planted {
	x86 := func(needs ...string) []byte { return elfFile(elfImage{machine: elf.EM_X86_64, needs: needs}) }
	arm := func(needs ...string) []byte { return elfFile(elfImage{machine: elf.EM_AARCH64, needs: needs}) }
	const at = "python/m/_m.abi3.so"
	in := func(data []byte) runtimes.Tree { return runtimes.Tree{at: file("m", data)} }
	return []planted{
		{"arm64 on x86_64", al2, in(arm("libc.so.6 GLIBC_2.17")), check.ELFMachine, at},
		{"RISC-V", al2, in(elfFile(elfImage{machine: elf.EM_RISCV})), check.ELFMachine, at},
		{"musl", al2, in(x86("libc.musl-x86_64.so.1")), check.ELFMusl, at},
		{"GLIBC_2.28 on Amazon Linux 2", al2, in(x86("libc.so.6 GLIBC_2.28")), check.ELFVersion, at},
		{"GLIBC_2.38 on Amazon Linux 2023", al2023, in(x86("libc.so.6 GLIBC_2.38")), check.ELFVersion, at},
		{"GLIBCXX_3.4.34", al2023, in(x86("libstdc++.so.6 GLIBCXX_3.4.34")), check.ELFVersion, at},
		{"CXXABI_1.3.16", al2023, in(x86("libstdc++.so.6 CXXABI_1.3.16")), check.ELFVersion, at},
		{"cut off", al2, in(x86("libc.so.6 GLIBC_2.17")[:70]), check.ELFDamaged, at},
	}
}
