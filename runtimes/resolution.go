package runtimes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
)

// Question asks for the versions and hashes that an input leaves open. Its
// answer holds for every platform and every version of the language from
// Oldest on.
type Question struct {
	Ecosystem    string   // "pypi"
	Name         string   // in [Pins]: a path in the project, or a package with its version
	Build        bool     // it is asked for a build
	Oldest       string   // "3.11"
	Requirements []string // in the ecosystem's own words
	Constraints  []string // likewise; they ask for nothing by themselves
	Prereleases  bool     // they are wanted wherever there are any
	Sdist        *File    // a source archive: what it says that its build needs is asked, too
	Indexes      []string // where to ask, as in [Recipe]
	Tool         Need     // the tool that answers
	Why          string   // what is open, or why the answer in layerbuild.lock does not hold
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
	}{Ecosystem: q.Ecosystem, Requirements: q.Requirements, Constraints: q.Constraints, Prereleases: q.Prereleases}
	if q.Sdist != nil {
		asked.Sdist = q.Sdist.SHA256
	}
	data, _ := json.Marshal(asked) // strings cannot fail to marshal
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// AnsweredBy tells whether r answers q: it came of the same input, and is for
// the versions of the language that q is for.
func (q Question) AnsweredBy(r Resolution) bool {
	return r.Input == q.Digest() && !versionLess(q.Oldest, r.Oldest)
}

// versionLess compares versions of a language, "3.9" and "3.11".
func versionLess(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if x != y {
			return x < y
		}
	}
	return len(as) < len(bs)
}

// OldestOf is the oldest version of a language among runtimes.
func OldestOf(infos []Info) string {
	oldest := ""
	for _, info := range infos {
		if oldest == "" || versionLess(info.Version, oldest) {
			oldest = info.Version
		}
	}
	return oldest
}

// Resolution is what a question came to.
type Resolution struct {
	Input    string   // [Question.Digest] of what was asked
	Oldest   string   // the oldest version of the language that it is for: "3.11"
	Packages []Pinned // sorted by Requirement
}

// Pinned is one member of a resolution: a requirement that names one version,
// in its ecosystem's own words ("numpy==2.2.6 ; python_full_version < '3.12'"),
// and the files that it may be.
type Pinned struct {
	Requirement string
	SHA256      []string // lower-case hex, sorted
}
