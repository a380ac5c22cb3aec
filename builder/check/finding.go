package check

import (
	"fmt"
	"strings"
)

// Severity says whether a finding stops a build.
type Severity string

const (
	Warning Severity = "warning"
	Error   Severity = "error"
)

// The ids of the checks.
const (
	Empty      = "empty"
	Entries    = "entries"
	Size       = "size"
	Collision  = "collision"
	Link       = "link"
	ELFMachine = "elf-machine"
	ELFMusl    = "elf-musl"
	ELFVersion = "elf-version"
	ELFDamaged = "elf-damaged"
)

// A Rule is one check: what it finds, why that matters, and what to do.
type Rule struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Finds    string   `json:"finds"`   // half a sentence
	Explain  string   `json:"explain"` // why, in full
	Hint     string   `json:"hint"`
}

// rules in the order of the documentation.
var rules = []Rule{
	{Empty, Error, "a layer without files", "Lambda takes no empty layer.",
		"see what exclude and excludeFiles leave, and what the lock file installs for this target"},
	{Entries, Error, "more files than a zip holds without zip64", "Not every unpacker reads the extension zip64, and Lambda is known to refuse some such archives.",
		"leave packages out with exclude or excludeFiles, or split the layer"},
	{Size, Error, "a layer above 262,144,000 bytes", "Lambda refuses a function whose code and layers are larger than that, unzipped, at the end of a deploy.",
		"leave packages out with exclude or excludeFiles, or split the layer"},
	{Collision, Error, "a path that is a file and a folder", "Only one of the two can be unpacked.",
		"leave one of them out with excludeFiles, or include to another path"},
	{Link, Error, "a symbolic link that would not work below /opt", "A layer is unpacked to /opt: a link that is absolute, broken, circular or leads out of the layer finds nothing there, or something else.",
		"leave it out with excludeFiles; an included one, by including what it leads to"},
	{ELFMachine, Error, "a program or library for another architecture", "The function ends with \"invalid ELF header\" or \"cannot open shared object file\". A package that has files for several platforms is not meant, as long as one of them is the layer's.",
		"build the layer for the architecture of its function, or include the file for this one"},
	{ELFMusl, Error, "a program or library that is linked with musl", "Lambda's runtimes have the GNU C library; musl's loader is not there.",
		"use the package's file for glibc (manylinux, or libc: glibc)"},
	{ELFVersion, Error, "a program or library that needs a newer C or C++ library than the runtime's", "The function ends with \"version `GLIBC_2.28' not found\". The runtime table says what each runtime has; the image that built the file does not matter.",
		"lock a version of the package that has a prebuilt file for the runtime, use a newer runtime (Amazon Linux 2023 has glibc 2.34), or build in the runtime's own image"},
	{ELFDamaged, Warning, "a program or library whose ELF headers cannot be read", "The loader may refuse it.",
		"see whether the package's file is whole"},
}

// Rules lists the checks.
func Rules() []Rule { return rules }

// RuleOf is the check of that id, false where there is none.
func RuleOf(id string) (Rule, bool) {
	for _, r := range rules {
		if r.ID == id {
			return r, true
		}
	}
	return Rule{}, false
}

// A Finding is a defect that a check has found.
type Finding struct {
	ID      string `json:"id"`                // of the check
	Path    string `json:"path,omitempty"`    // in the layer, "" for the layer itself
	Package string `json:"package,omitempty"` // that owns the file
	Problem string `json:"problem"`
}

func (f Finding) String() string {
	switch {
	case f.Path == "":
		return f.Problem
	case f.Package == "":
		return f.Path + " " + f.Problem
	}
	return fmt.Sprintf("%s (of %s) %s", f.Path, f.Package, f.Problem)
}

// FindingsError says that a layer does not pass one check.
type FindingsError struct {
	Rule     Rule
	Findings []Finding
}

// shown is how many findings of one check a message lists.
const shown = 8

func (e *FindingsError) Error() string {
	if len(e.Findings) == 1 {
		return fmt.Sprintf("%s [%s]", e.Findings[0], e.Rule.ID)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d files [%s]:", len(e.Findings), e.Rule.ID)
	for _, f := range e.Findings[:min(shown, len(e.Findings))] {
		fmt.Fprintf(&b, "\n  %s", f)
	}
	if n := len(e.Findings) - shown; n > 0 {
		fmt.Fprintf(&b, "\n  and %d more", n)
	}
	return b.String()
}
