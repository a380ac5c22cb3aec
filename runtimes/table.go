package runtimes

import "fmt"

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
}

// ImageToBuild is the image in which sources are built for an architecture. It
// has one tag for each ("…:latest-arm64").
func (i Info) ImageToBuild(a Arch) string { return i.BuildImage + "-" + string(a) }

// Glibc is a version of the GNU C library.
type Glibc struct{ Major, Minor int }

func (g Glibc) String() string { return fmt.Sprintf("%d.%d", g.Major, g.Minor) }

// TableReviewed is the day on which the table was last held against AWS's
// documentation.
const TableReviewed = "2026-11-23"

// table is Lambda's list of runtimes as AWS documents it ("Lambda runtimes",
// "Runtime deprecation policy"); glibc is that of the operating system.
var table = []Info{
	python("3.14", "al2023", ""),
	python("3.13", "al2023", ""),
	python("3.12", "al2023", ""),
	python("3.11", "al2", "2027-06-30"),
	python("3.10", "al2", "2026-10-31"),
	python("3.9", "al2", "2025-12-15"),
}

// glibcOf is the C library of each operating system.
var glibcOf = map[string]Glibc{"al2": {2, 26}, "al2023": {2, 34}}

func python(version, os, deprecated string) Info {
	return Info{
		Name:        "python" + version,
		Family:      "python",
		Version:     version,
		OS:          os,
		Glibc:       glibcOf[os],
		Image:       "public.ecr.aws/lambda/python:" + version,
		BuildImage:  "public.ecr.aws/sam/build-python" + version + ":latest",
		Interpreter: "/var/lang/bin/python" + version,
		Deprecated:  deprecated,
	}
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
