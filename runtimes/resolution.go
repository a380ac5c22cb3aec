package runtimes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// Place is where packages are to run: a runtime on an architecture.
type Place struct {
	Runtime Info
	Arch    Arch
}

// String is the place in layerbuild.lock: "python3.11 x86_64".
func (p Place) String() string { return p.Runtime.Name + " " + string(p.Arch) }

// Question asks for the versions and hashes that an input leaves open. Its
// answer holds at all of its places.
type Question struct {
	Ecosystem    string // "pypi", "maven"
	Name         string // in [Pins]: a path in the project, or a package with its version
	Build        bool   // it is asked for a build
	Places       []Place
	Requirements []string     // in the ecosystem's own words
	Constraints  []string     // likewise; they ask for nothing by themselves
	Inputs       []InlineFile // files of the project that say what is asked, by their paths in it
	Options      []string     // what else decides the answer: the profiles of a Maven project
	Prereleases  bool         // they are wanted wherever there are any
	Sdist        *File        // a source archive: what it says that its build needs is asked, too
	Indexes      []string     // where to ask, as in [Recipe]
	Tool         Need         // the tool that answers
	Why          string       // what is open, or why the answer in layerbuild.lock does not hold
	Damaged      bool         // the answer in layerbuild.lock lacks something that it must hold
}

// Digest is a SHA-256, in hex, of all that is asked: an answer to something
// else is stale. Where it is asked does not count.
func (q Question) Digest() string {
	asked := struct {
		Ecosystem    string   `json:"ecosystem"`
		Requirements []string `json:"requirements"`
		Constraints  []string `json:"constraints,omitempty"`
		Prereleases  bool     `json:"prereleases,omitempty"`
		Sdist        string   `json:"sdist,omitempty"`
		Inputs       []string `json:"inputs,omitempty"`
		Options      []string `json:"options,omitempty"`
	}{
		Ecosystem: q.Ecosystem, Requirements: q.Requirements, Constraints: q.Constraints,
		Prereleases: q.Prereleases, Options: q.Options,
	}
	for _, in := range q.Inputs {
		sum := sha256.Sum256(in.Data)
		asked.Inputs = append(asked.Inputs, in.Path+" "+hex.EncodeToString(sum[:]))
	}
	if q.Sdist != nil {
		asked.Sdist = q.Sdist.SHA256
	}
	data, _ := json.Marshal(asked) // strings cannot fail to marshal
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Answer is the resolution of q to packages, which are sorted.
func (q Question) Answer(packages []Pinned) Resolution {
	places := make([]string, len(q.Places))
	for i, p := range q.Places {
		places[i] = p.String()
	}
	slices.Sort(places)
	return Resolution{Input: q.Digest(), Places: places, Packages: packages}
}

// AnsweredBy tells whether r answers q: it came of the same input, and holds at
// all of q's places.
func (q Question) AnsweredBy(r Resolution) bool {
	return !q.Damaged && r.Input == q.Digest() && len(q.Elsewhere(r)) == 0
}

// ParsePlace reads what [Place.String] writes; lookup finds the runtime.
func ParsePlace(text string, lookup func(name string) (Info, bool)) (Place, bool) {
	name, arch, _ := strings.Cut(text, " ")
	info, ok := lookup(name)
	return Place{Runtime: info, Arch: Arch(arch)}, ok && slices.Contains(Arches(), Arch(arch))
}

// Elsewhere lists q's places for which r was not made.
func (q Question) Elsewhere(r Resolution) []string {
	var missing []string
	for _, p := range q.Places {
		if !slices.Contains(r.Places, p.String()) {
			missing = append(missing, p.String())
		}
	}
	return missing
}

// Resolution is what a question came to.
type Resolution struct {
	Input    string   // [Question.Digest] of what was asked
	Places   []string // [Place.String] of where it holds, sorted
	Packages []Pinned // sorted by Requirement
}

// Pinned is one member of a resolution: a requirement that names one version,
// in its ecosystem's own words ("numpy==2.2.6 ; python_version == '3.11'",
// "org.slf4j:slf4j-api:2.0.17"), and the files that it may be.
type Pinned struct {
	Requirement string
	SHA256      []string // lower-case hex, sorted
	File        string   // the file's name, where neither Requirement nor an index tells it
}
