package builder

import (
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Options select what to plan or build, and how.
type Options struct {
	Layers   []string        // names, or patterns of them; empty: all
	Runtimes []string        // keep only these runtimes' targets; empty: all
	Arches   []runtimes.Arch // keep only these architectures' targets; empty: all
	NoCache  bool            // build even what is cached
	Locked   bool            // refuse to write layerbuild.lock
	Jobs     int             // workers; 0: one for each processor
	Output   string          // folder; "": the configuration's
	Engine   string          // "auto", "buildkit", "direct"; "": the configuration's
	Timings  bool            // say in the result how long each phase took
}

// TargetID names a target for people and for events.
type TargetID struct {
	Layer    string   `json:"layer"`
	Runtimes []string `json:"runtimes"`      // several only for a universal layer
	Arches   []string `json:"architectures"` // likewise
}

// Event is one thing that happened to a target.
type Event struct {
	Target TargetID
	Kind   EventKind
	Update runtimes.Update // for Progressed
	Text   string          // for Noted: a message; for Started: the engine
	Err    error           // for Failed
}

// EventKind says what happened.
type EventKind int

// A target starts once it is known to be a miss; each started target ends
// with Finished or Failed. Noted and Warned may come at any time, with an
// empty Target where they concern all.
const (
	Started EventKind = iota
	Progressed
	Noted
	Warned
	Finished
	Failed
)

// Plan is what would be built, and why.
type Plan struct {
	Config  string          `json:"config"`
	Targets []PlannedTarget `json:"targets"`
}

// PlannedTarget is one target of a [Plan].
type PlannedTarget struct {
	TargetID
	Plain     bool             `json:"plain,omitempty"` // a folder's files, without packages
	Files     int              `json:"files,omitempty"` // of a plain layer
	LockFile  string           `json:"lockFile,omitempty"`
	Notes     []string         `json:"notes,omitempty"`
	Warnings  []string         `json:"warnings,omitempty"`
	Packages  []PlannedPackage `json:"packages"`
	Prebuilt  bool             `json:"prebuilt"` // nothing must be compiled
	Engine    string           `json:"engine"`   // "buildkit", "direct", "none" for a plain layer, or "" where none can build it
	EngineWhy string           `json:"engineWhy"`
	Image     string           `json:"image,omitempty"` // for engine buildkit
	Key       string           `json:"key"`
	Hit       bool             `json:"hit"`
	At        string           `json:"at,omitempty"` // the remote that has it, where the local cache has not
	MissWhy   string           `json:"missWhy,omitempty"`
	Changes   []Change         `json:"changes,omitempty"` // since it was built last, where it must be built
	Output    string           `json:"output"`            // the zip's path
	SameAs    *TargetID        `json:"sameAs,omitempty"`  // an earlier target with the same key
}

// PlannedPackage is one package of a [PlannedTarget].
type PlannedPackage struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	File      string `json:"file,omitempty"`
	SHA256    string `json:"sha256,omitempty"`
	Integrity string `json:"integrity,omitempty"` // in place of a SHA-256
	Missing   string `json:"missing,omitempty"`   // why no prebuilt file is installed
	Build     bool   `json:"build,omitempty"`     // File is a source to build
	Scripts   bool   `json:"scripts,omitempty"`   // its install scripts are run
}

// Result is what a build gave.
type Result struct {
	Layers  []Built       `json:"layers"`
	Index   string        `json:"index"` // path of layers.json
	Elapsed time.Duration `json:"-"`
}

// Built is one archive in the output folder.
type Built struct {
	TargetID
	File      string        `json:"file"`     // the zip's path
	Manifest  string        `json:"manifest"` // its manifest's path
	Key       string        `json:"key"`
	SHA256    string        `json:"sha256"`   // of the zip, hex
	Packages  int           `json:"packages"` // how many
	ZipSize   int64         `json:"size"`     // bytes
	Unzipped  int64         `json:"unzippedSize"`
	Hit       bool          `json:"hit"`
	From      string        `json:"from,omitempty"`   // the remote that a hit was fetched from
	SameAs    *TargetID     `json:"sameAs,omitempty"` // the target of this run that built it
	Delivered bool          `json:"delivered"`        // false where the output was in place already
	Engine    string        `json:"engine,omitempty"` // that built it, "" for a hit
	Spliced   int64         `json:"-"`                // bytes of content taken, compressed, from the layer's earlier archive
	Elapsed   time.Duration `json:"-"`
	Timings   *Timings      `json:"timings,omitempty"` // where asked for, in seconds
}

// UnzippedLimit is the size in bytes that a function's code and all its
// layers may have, unzipped (AWS Lambda quotas).
const UnzippedLimit = 262_144_000
