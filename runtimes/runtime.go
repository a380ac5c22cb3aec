// Package runtimes says how the dependencies of a project are installed into a
// Lambda layer, for each language that layerbuild knows.
//
// The terms, used by every package of layerbuild:
//
//   - A layer is one entry of the configuration; a [Target] is a layer for one
//     runtime version and one architecture, the unit of building.
//   - A package set is what a target installs: each [Package] with its exact
//     distribution [File] and that file's SHA-256.
//   - A [Recipe] is plain data that says how a package set is installed. Two
//     equal recipes give the same layer.
//   - A [Tree] is what an engine yields when it follows a recipe.
//
// A plugin (package runtimes/python) reads lock files into recipes and knows
// how an installed tree is normalised. It runs nothing and asks no network:
// what a lock file leaves out comes back to it in the [Target].
package runtimes

import "io/fs"

// Runtime is a language plugin.
type Runtime interface {
	// Name is the language, as in [Info.Family]: "python".
	Name() string

	// Recipe reads the lock file of t in project, the folder that holds the
	// configuration, and runs nothing.
	//
	// It returns an [*Incomplete] error where the lock file names hashes but
	// no files and t.Files lacks the answer, and an [*InputError] where the
	// lock file cannot be used. It returns an [*Unresolved] error where an
	// input leaves open what t.Pins does not hold.
	Recipe(project fs.FS, t Target) (Recipe, error)

	// Normalise turns the tree that an engine installed for r into the
	// layer's tree, in place: files move to r.Prefix, and what differs from
	// run to run is dropped or written anew. The notes are for the user.
	Normalise(r Recipe, t Tree) (notes []string, err error)
}

// Target is a layer for one runtime version and one architecture.
type Target struct {
	Runtime Info
	Arch    Arch

	// Universal layers serve several runtimes and architectures with one
	// archive, so they use the prefix that all versions search.
	Universal bool

	Path     string // the layer's folder in the project, slash-separated, "." for the project itself
	LockFile string // the lock file's name in Path, or "" to find it

	Groups         []string // dependency groups to install, as the configuration lists them
	Extras         []string // extras of the project to install
	Exclude        []string // packages to leave out, with what only they pulled in
	ExcludeFiles   []string // patterns of files to leave out, see [Recipe.ExcludeFiles]
	ConsoleScripts bool     // keep the packages' commands, in bin/
	Bytecode       bool     // compile the packages to bytecode
	Project        bool     // install the project itself, too, and not only what it depends on

	// BuildRequires are requirements that are added to those which a package
	// itself has for its build, by the package's name as the user wrote it.
	BuildRequires map[string][]string

	// Places are all those for which the project in Path is built, by whatever
	// layer, sorted: what is resolved must hold at each.
	Places []Place

	// BuildPlaces are those of all projects of the language: what the build of
	// a package needs is resolved once for all of them.
	BuildPlaces []Place

	AllowScripts []string // npm packages whose install scripts may run
	Slim         []string // classes of files to leave out, as in [Recipe.Slim]
	Profiles     []string // of a Maven project
	Artifacts    []string // jars to add that a lock cannot name, "group:artifact:classifier"

	Own OwnImage // what the configuration says of the container

	// Indexes are the package indexes that the user configured outside the
	// lock file (a mirror), in order of preference. They win over those that
	// the lock file names. Empty: none was configured. For Node.js each is a
	// line of an .npmrc: "registry=https://…", "@acme:registry=https://…".
	Indexes []string

	// Files answers the requests of an [Incomplete] error, by
	// [FileRequest.Key].
	Files map[string][]File

	// Pins are what layerbuild.lock holds.
	Pins Pins
}

// Arch is an architecture, in Lambda's words.
type Arch string

// The architectures that Lambda has.
const (
	X86_64 Arch = "x86_64"
	ARM64  Arch = "arm64"
)

// Arches lists every architecture.
func Arches() []Arch { return []Arch{X86_64, ARM64} }
