package runtimes

import (
	"fmt"
	"strings"
)

// InputError is a defect of something the user wrote or committed: the
// configuration, a lock file, an option.
type InputError struct {
	File    string // as a path in the project, or ""
	Line    int    // from 1, 0 where unknown
	Problem string // what is wrong
	Hint    string // what to do, or ""
	Err     error  // the cause, or nil
}

func (e *InputError) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Problem)
	if e.Err != nil {
		if e.Problem != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

func (e *InputError) Unwrap() error { return e.Err }

// UnreadableCABundle says that the CA bundle, whose path err names, cannot be read.
func UnreadableCABundle(err error) error {
	return &InputError{Problem: "the CA bundle cannot be read", Err: err, Hint: "name a PEM file that this user may read"}
}

// Incomplete says that a lock file names no files for some packages: the
// index must be asked once, and the answers given in [Target.Files].
type Incomplete struct {
	LockFile string
	Requests []FileRequest
}

func (e *Incomplete) Error() string {
	return fmt.Sprintf("%s: the files of %d packages are not known yet", e.LockFile, len(e.Requests))
}

// Unresolved says that an input leaves versions or hashes open which
// layerbuild.lock does not hold, or no longer: they must be resolved once, and
// the answers given in [Target.Pins].
type Unresolved struct{ Questions []Question }

func (e *Unresolved) Error() string {
	return fmt.Sprintf("%s: %s", e.Questions[0].Name, e.Questions[0].Why)
}

// DigestError says that something fetched is not what was locked.
type DigestError struct {
	What string // "numpy-2.2.6-….whl", "image …"
	Want string // the locked SHA-256, in hex, or subresource integrity
	Got  string // the one found, "" where the fetch itself refused
	From string // where it came from, or ""
}

func (e *DigestError) Error() string {
	var b strings.Builder
	kind := "SHA-256"
	if strings.HasPrefix(e.Want, "sha") {
		kind = "integrity"
	}
	fmt.Fprintf(&b, "%s does not match its locked %s %s", e.What, kind, e.Want)
	if e.Got != "" {
		fmt.Fprintf(&b, ": got %s", e.Got)
	}
	if e.From != "" {
		fmt.Fprintf(&b, " (from %s)", e.From)
	}
	return b.String()
}

// PackageError is a defect of a package that was fetched as locked: a hostile
// or broken wheel.
type PackageError struct {
	File    string // the distribution file
	Problem string
}

func (e *PackageError) Error() string { return e.File + ": " + e.Problem }

// UnreachableError says that a container engine does not answer.
type UnreachableError struct {
	Address string // "" where none is known
	Err     error
	Needed  string // why nothing but a container will do, "" where something would
}

func (e *UnreachableError) Error() string {
	text := e.Err.Error()
	if e.Address != "" {
		text = fmt.Sprintf("cannot reach BuildKit at %s: %v", e.Address, e.Err)
	}
	if e.Needed != "" {
		text += "; a container is needed, since " + e.Needed
	}
	return text
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// InstallError says that a container step failed, with the last lines that
// the package manager printed.
type InstallError struct {
	Step  string
	Lines []string
	Err   error
}

func (e *InstallError) Error() string { return fmt.Sprintf("%s: %v", e.Step, e.Err) }

func (e *InstallError) Unwrap() error { return e.Err }

// NetworkError says that a package index or file could not be fetched.
type NetworkError struct {
	URL string // without credentials
	Err error
}

func (e *NetworkError) Error() string { return fmt.Sprintf("fetch %s: %v", e.URL, e.Err) }

func (e *NetworkError) Unwrap() error { return e.Err }
