package runtimes

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// Info is one Lambda runtime.
type Info struct {
	Name        string // Lambda's identifier: "python3.13"
	Family      string // the plugin that serves it: "python"
	Version     string // of the language: "3.13"
	OS          string // "al2" or "al2023"
	Glibc       Glibc  // of the OS
	Image       string // the small image that holds the interpreter and its package manager
	BuildImage  string // the image that has compilers, too, without the architecture; see [Info.ImageToBuild]
	Interpreter string // path in the image
	Deprecated  string // the day it is deprecated, "2027-06-30", or ""

	// Libraries are shared libraries, with a space between them, that the
	// runtime has beside those that are known of its OS and language. One
	// string keeps an Info comparable.
	Libraries string `json:",omitempty"`
}

// ImageToBuild is the image in which sources are built for an architecture. It
// has one tag for each ("…:latest-arm64").
func (i Info) ImageToBuild(a Arch) string { return i.BuildImage + "-" + string(a) }

// Glibc is a version of the GNU C library.
type Glibc struct{ Major, Minor int }

func (g Glibc) String() string { return fmt.Sprintf("%d.%d", g.Major, g.Minor) }

// TableReviewed is the day on which the table was last held against AWS's
// documentation, as far as it could be reached: doc/runtimes.md says how.
const TableReviewed = "2026-11-25"

// table is Lambda's list of runtimes as AWS documents it ("Lambda runtimes",
// "Runtime deprecation policy"); glibc is that of the operating system. Those
// that Lambda has retired are at the end of each language.
var table = []Info{
	python("3.14", "al2023", ""),
	python("3.13", "al2023", ""),
	python("3.12", "al2023", ""),
	python("3.11", "al2", "2027-06-30"),
	python("3.10", "al2", "2026-10-31"),
	python("3.9", "al2", "2025-12-15"),
	python("3.8", "al2", "2024-10-14"),
	python("3.7", "al1", "2023-12-04"),

	nodejs("24", "al2023", ""),
	nodejs("22", "al2023", "2027-04-30"),
	nodejs("20", "al2023", "2026-04-30"),
	nodejs("18", "al2", "2025-09-01"),
	nodejs("16", "al2", "2024-06-12"),
	nodejs("14", "al2", "2023-12-04"),

	java("25", "", "al2023", ""),
	java("21", "", "al2023", ""),
	java("17", ".al2023", "al2023", ""),
	java("17", "", "al2", "2027-06-30"),
	java("11", ".al2023", "al2023", ""),
	java("11", "", "al2", "2027-06-30"),
	java("8", ".al2023", "al2023", ""),
	java("8", ".al2", "al2", "2027-06-30"),
	java("8", "", "al1", "2024-01-08"),

	other("dotnet", "10", "dotnet10", "al2023"),
	other("dotnet", "8", "dotnet8", "al2023"),
	other("ruby", "3.4", "ruby3.4", "al2023"),
	other("ruby", "3.3", "ruby3.3", "al2023"),
	other("ruby", "3.2", "ruby3.2", "al2"),
	other("provided", "", "provided.al2023", "al2023"),
	other("provided", "", "provided.al2", "al2"),
}

// glibcOf is the C library of each operating system.
var glibcOf = map[string]Glibc{"al1": {2, 17}, "al2": {2, 26}, "al2023": {2, 34}}

// Where AWS publishes the runtimes' images, and those with compilers.
const (
	imageBase      = "public.ecr.aws/lambda/"
	buildImageBase = "public.ecr.aws/sam/build-"
)

func python(version, os, deprecated string) Info {
	return Info{
		Name:        "python" + version,
		Family:      "python",
		Version:     version,
		OS:          os,
		Glibc:       glibcOf[os],
		Image:       imageBase + "python:" + version,
		BuildImage:  buildImageBase + "python" + version + ":latest",
		Interpreter: "/var/lang/bin/python" + version,
		Deprecated:  deprecated,
	}
}

func nodejs(version, os, deprecated string) Info {
	return Info{
		Name:        "nodejs" + version + ".x",
		Family:      "nodejs",
		Version:     version,
		OS:          os,
		Glibc:       glibcOf[os],
		Image:       imageBase + "nodejs:" + version,
		BuildImage:  buildImageBase + "nodejs" + version + ".x:latest",
		Interpreter: "/var/lang/bin/node",
		Deprecated:  deprecated,
	}
}

// java has a suffix where Lambda has the version on several systems.
func java(version, suffix, os, deprecated string) Info {
	return Info{
		Name:        "java" + version + suffix,
		Family:      "java",
		Version:     version,
		OS:          os,
		Glibc:       glibcOf[os],
		Image:       imageBase + "java:" + version + suffix,
		BuildImage:  buildImageBase + "java" + version + suffix + ":latest",
		Interpreter: "/var/lang/bin/java",
		Deprecated:  deprecated,
	}
}

// other is a runtime that no plugin serves. A layer of plain files may name it.
func other(family, version, name, os string) Info {
	return Info{Name: name, Family: family, Version: version, OS: os, Glibc: glibcOf[os]}
}

// GlibcOf is the C library of an operating system, "al2023".
func GlibcOf(os string) (Glibc, bool) {
	g, ok := glibcOf[os]
	return g, ok
}

// NamePattern matches the names that [New] understands.
const NamePattern = `^(?:(python)([0-9]+\.[0-9]+)|(nodejs)([0-9]+)\.x|(java)([0-9]+)(\.al2|\.al2023)?)$`

var namePattern = regexp.MustCompile(NamePattern)

// New is the row of a runtime that the table lacks: what its name tells by the
// rules that all rows of its language follow.
func New(name string) (Info, bool) {
	const newest = "al2023"
	m := namePattern.FindStringSubmatch(name)
	switch {
	case m == nil:
		return Info{}, false
	case m[1] != "":
		return python(m[2], newest, ""), true
	case m[3] != "":
		return nodejs(m[4], newest, ""), true
	}
	return java(m[6], m[7], cmp.Or(strings.TrimPrefix(m[7], "."), newest), ""), true
}

// Table lists the runtimes, newest first within a language.
func Table() []Info { return append([]Info(nil), table...) }

// Lookup finds a runtime by Lambda's identifier.
func Lookup(name string) (Info, bool) {
	for _, info := range table {
		if info.Name == name {
			return info, true
		}
	}
	return Info{}, false
}

// Served tells whether packages can be installed for the runtime: it has an
// image to install them in.
func (i Info) Served() bool { return i.Image != "" }
