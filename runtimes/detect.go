package runtimes

// Detected is what a plugin sees in a folder that nobody has configured yet.
type Detected struct {
	// LockFile is the file that the folder's packages would be read from, as a
	// path in the project; "" where the folder has no packages of the language.
	LockFile string

	Notes []string // what the user should know of the choice

	// Versions are what the project says of the language's version, what binds
	// most first.
	Versions []VersionFact
}

// VersionFact is what one file of a project says of a language's version.
type VersionFact struct {
	Says   string                    // for people: "requires-python >=3.11 in pyproject.toml"
	Allows func(version string) bool // of [Info.Version]
}
