package runtimes

// Detected is what a plugin sees in a folder that nobody has configured yet.
type Detected struct {
	// LockFile is the file that the folder's packages would be read from, as a
	// path in the project; "" where the folder has no packages of the language.
	LockFile string

	Notes []string // what the user should know of the choice
	Empty string   // why nothing would be installed from it, "" where something may

	// Versions are what the project says of the language's version, what binds
	// most first.
	Versions []VersionFact

	// Which of a workspace's members are libraries of others: Parts are folders
	// of the project that become parts of this one's layer, as far as the recipe
	// does not show them; Requires are names of packages, such as Name is this
	// folder's.
	Parts    []string
	Name     string
	Requires []string
}

// VersionFact is what one file of a project says of a language's version.
type VersionFact struct {
	Says   string                    // for people: "as .python-version says: 3.12"
	Allows func(version string) bool // of [Info.Version]
}
