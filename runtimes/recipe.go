package runtimes

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"
)

// Recipe says how a package set is installed. It is plain data.
type Recipe struct {
	// What decides the layer's bytes.

	Runtime        string    // the plugin's name
	Layout         string    // version of the plugin's rules of laying out and normalising, "python/1"
	Prefix         string    // where packages go below /opt, "python/lib/python3.13/site-packages"
	Packages       []Package // sorted by name
	ConsoleScripts bool      // keep commands, in bin/
	Interpreter    string    // path for the commands' first line; empty without ConsoleScripts
	Bytecode       bool      // compile the packages to bytecode, which only a container can
	Managed        bool      // the package manager in the container decides where packages go
	Slim           []string  // classes of files that no runtime needs and that are left out, sorted

	// ExcludeFiles are patterns in the form of doublestar ("**/tests/**"),
	// matched against paths below the layer's root.
	ExcludeFiles []string

	// Own is what is added to Container and to its parts, and what is copied.
	Own OwnImage

	// How it is installed. Nothing here decides bytes, but for the Container of a
	// recipe that runs code; see Runs.

	Target    Target     // what the recipe is for
	LockFile  string     // the lock file that was read, as a path in the project
	Notes     []string   // what the user should know of the reading
	Requires  []Requires // which package needs which, where the lock file says it; maybe with others than the target's
	Indexes   []string   // package indexes, preferred first; "", or an empty list: the ecosystem's own
	Mirrored  bool       // Indexes take the place of all that the lock file names: they are asked first
	Needs     []Need     // pins that Container still lacks
	Container *Container // nil while Needs is not empty
}

// Package is one member of a package set.
type Package struct {
	Name    string // normalised as its ecosystem does
	Version string
	File    File // the distribution file to install; its zero value where Missing says why there is none

	// Missing says why no prebuilt file fits the target, "" where one does.
	Missing string

	// Build says how File is built where it is a source; nil for a prebuilt
	// file, and where there is nothing to build either.
	Build *Build

	// Places are where File goes below the root of the installed tree, sorted:
	// the folders that a tarball is unpacked to, the name of a jar. Empty for
	// wheels, which say so themselves, and where Recipe.Managed.
	Places []string

	// Scripts says that the package's own install scripts are run, which only
	// a container can.
	Scripts bool
}

// Requires is one requirement of a package that the lock file has, by names as
// in [Package]. Where By is "", it is the project's own.
type Requires struct{ By, Name string }

// Build says how a source becomes a prebuilt file, in a container of the
// target's own platform.
type Build struct {
	Folder   string   // the local project in the project, or which commit of which repository; "" for a source archive
	Version  string   // that tools are told which would ask version control for it, or ""
	Requires []Pinned // what the build needs, all of it, as layerbuild.lock has it
}

// File is one distribution file: a wheel, a tarball, a jar.
type File struct {
	Name   string `json:"name"`           // file name: "numpy-2.2.6-cp311-….whl"
	URL    string `json:"url,omitempty"`  // where it was seen; a mirror may hold it too
	SHA256 string `json:"sha256"`         // lower-case hex; "" where Integrity says what it holds
	Size   int64  `json:"size,omitempty"` // bytes, 0 where unknown

	// Integrity is what npm's lock files have in place of a SHA-256: a
	// subresource integrity, "sha512-" and the digest in base64.
	Integrity string `json:"integrity,omitempty"`

	// Platform is where the file is meant to run, as an npm registry says it;
	// nil where nobody was asked. Scripts: it has install scripts.
	Platform *Platform `json:"platform,omitempty"`
	Scripts  bool      `json:"scripts,omitempty"`

	// RequiresPython is the index's data-requires-python, a PEP 440 specifier.
	RequiresPython string `json:"requiresPython,omitempty"`

	// Yanked files are withdrawn (PEP 592): only who names their version gets
	// them. Known where an index was asked just now.
	Yanked bool `json:"-"`

	// Local is set where the file lies in the project, and has no URL.
	Local *LocalFile `json:"-"`
}

// Digest says what the file holds, in the words of its lock: a SHA-256 in hex
// or a subresource integrity.
func (f File) Digest() string { return cmp.Or(f.SHA256, f.Integrity) }

// Platform is where an npm package runs, in the words of its package.json
// ("linux", "!win32"). An empty list stands for anywhere.
type Platform struct {
	OS   []string `json:"os,omitempty"`
	CPU  []string `json:"cpu,omitempty"`
	Libc []string `json:"libc,omitempty"`
}

// LocalFile is a file in the project, or a folder of it as a tar.
type LocalFile struct {
	Path string // in the project
	Open func() (io.ReadCloser, error)
}

// Missing lists the packages for which no prebuilt file fits, and which cannot
// be built either.
func (r Recipe) Missing() []Package {
	return r.those(func(p Package) bool { return p.Missing != "" && p.Build == nil })
}

// Built lists the packages that are built from source.
func (r Recipe) Built() []Package {
	return r.those(func(p Package) bool { return p.Build != nil })
}

func (r Recipe) those(hold func(Package) bool) []Package {
	var those []Package
	for _, p := range r.Packages {
		if hold(p) {
			those = append(those, p)
		}
	}
	return those
}

// Scripted lists the packages whose install scripts are run.
func (r Recipe) Scripted() []Package {
	return r.those(func(p Package) bool { return p.Scripts })
}

// Runs tells whether something of the recipe runs code that decides the layer,
// which only a container can: its key is then that of the whole recipe.
func (r Recipe) Runs() bool {
	return !r.Own.Empty() || r.Bytecode || r.Managed || len(r.Built()) > 0 || len(r.Scripted()) > 0
}

// Excluded tells whether path, below the layer's root, is to be left out.
func (r Recipe) Excluded(path string) bool {
	return slices.ContainsFunc(r.ExcludeFiles, func(pattern string) bool { return MatchFile(pattern, path) })
}

// Container says how a recipe is followed in a container. The steps run one
// after the other in the same root file system, natively for the machine that
// runs them: a prebuilt set needs no emulation.
type Container struct {
	Image  string            // with its index digest: "…/python:3.11@sha256:…"
	Arch   Arch              // whose programs the steps run; "" where any machine gives the same
	Tools  map[string]string // build tools that the steps use, by name: their versions
	Parts  []Part            // what the steps find ready-made
	Steps  []Step
	Output string // the folder whose content is the installed tree

	// Instead has no parts: it is followed where one of Parts turns out not to
	// be made apart. Nil where they always are.
	Instead *Container
}

// Part is what a container needs and what is made apart from it, as a wheel is
// that must be compiled: whatever else needs the same part does not make it again.
type Part struct {
	Name   string // for people: "docopt 0.6.2"
	Recipe Recipe // says how it is made, in a Container without parts
	Path   string // the folder in the container where the steps find its files
	Files  Tree   // what Recipe yields; nil until it was followed
	Unfit  string // a file: with it, what Recipe yields cannot be used
}

// Step is one command in a container. The image's own environment is not
// applied: Env is all that the command sees.
type Step struct {
	Name   string       // for people: "install 21 packages"
	Args   []string     // no shell is implied
	Env    []string     // KEY=VALUE, sorted
	Inputs []InlineFile // small files put in place before the command
	Caches []CacheMount

	// CABundle names the variables that tell the step's tools where the
	// user's CA bundle is; they are set only where there is one.
	CABundle []string

	// Anew says that the step asks for what may be another thing tomorrow: no
	// earlier result stands for it.
	Anew bool

	// JavaOptions names the variables from which the step's tools take options
	// of the Java VM: where the user's certificate authorities and proxies are.
	JavaOptions []string

	// Netrc names the variables that tell the step's tools where the logins of
	// package indexes are, in a file of that name; they are set only where
	// there are any.
	Netrc []string
}

// InlineFile is a small file that a step needs.
type InlineFile struct {
	Path string // absolute
	Data []byte

	// Whereabouts says that the file only tells where packages may be fetched
	// from. What is fetched is held against hashes, so that the file decides
	// nothing: it is in no key.
	Whereabouts bool

	// Logins is the form in which the file is given the logins of the servers
	// that the recipe asks. With them it reaches its step as a secret alone.
	Logins LoginForm
}

// LoginForm is a form of configuration files that hold logins.
type LoginForm string

// The forms of login files, after the files of that form.
const (
	NoLogins      LoginForm = ""
	Npmrc         LoginForm = "npmrc"      // of npm, pnpm, yarn 1 and bun
	YarnrcYML     LoginForm = "yarnrc.yml" // of yarn 2 and later
	MavenSettings LoginForm = "settings.xml"
)

// CacheMount is a folder that a package manager keeps between builds. It
// speeds up a step and never decides its result.
type CacheMount struct {
	ID   string
	Path string // absolute

	// KeepsLogins says that the package manager may write there what it sent
	// to an index. The folder is then a passing one where the step has logins.
	KeepsLogins bool
}

// Pins are what layerbuild.lock holds: what no other lock file says.
type Pins struct {
	Images map[string]string // image reference with tag → index digest, "sha256:…"
	Tools  map[string]Tool   // tool name → version and files

	// Requirements are the resolutions of inputs that leave versions or hashes
	// open, by the input's path in the project; Builds those of what builds
	// need, by the package ("docopt 0.6.2") or the local project's path.
	Requirements map[string]Resolution
	Builds       map[string]Resolution
}

// Tool is a build tool that steps use.
type Tool struct {
	Version string
	Files   []File // one for each platform
}

// Need is a pin that is missing.
type Need struct {
	Image     string // an image reference with tag, or ""
	Tool      string // a tool's name, or ""
	Version   string // the tool's version
	Ecosystem string // whose index has it; "": "pypi"
	Package   string // its name there; "": Tool
}

// FileRequest asks which files a package index has for a package.
type FileRequest struct {
	Ecosystem string   // "pypi", "npm"
	Name      string   // normalised
	Version   string   // exact
	Hashes    []string // digests as in [File.Digest], sorted: only these files are wanted; empty: all
	Indexes   []string // where to ask, as in [Recipe]
}

// Key names the request by the lock's own data: the index asked is not part
// of it, since the hashes decide which files are meant.
func (q FileRequest) Key() string {
	h := sha256.Sum256([]byte(strings.Join([]string{
		"files/1", q.Ecosystem, q.Name, q.Version, strings.Join(q.Hashes, " "),
	}, "\n")))
	return hex.EncodeToString(h[:])
}

// Update is one report of progress.
type Update struct {
	Phase string // "download", "install", …
	Item  string // what is worked on: a file, a package, a step
	Done  int64  // bytes or items so far
	Total int64  // 0 where unknown
	Log   string // a line that a tool printed
}

// Progress takes reports of progress; it must be safe for concurrent use.
type Progress func(Update)
