// Package resolver finds the versions and hashes that a project's input leaves
// open, with the uv that layerbuild.lock pins, on this machine.
//
//   - Nothing of a package is run. uv is told to build nothing, and where a
//     package has no wheel, what its source archive says in static files is
//     read here and told to uv.
//   - A build's requirements come from the source archive's pyproject.toml,
//     and are resolved like anything else.
//   - uv reads no configuration of its own: which indexes to ask, with which
//     logins, is known by now.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// Resolver answers questions of the ecosystem "pypi". Several may share a
// folder: they take turns.
type Resolver struct {
	Engine   *direct.Engine   // fetches uv and source archives
	Folder   string           // holds uv, its cache and what a run needs
	Logins   []runtimes.Login // for the indexes
	CABundle string           // a PEM file, or "" for the system's authorities
}

// Resolve answers q. Versions in earlier are kept where they still fit, but
// for the packages in upgrade ("*": all).
func (r *Resolver) Resolve(ctx context.Context, q runtimes.Question, uv runtimes.Tool, earlier []runtimes.Pinned, upgrade []string) ([]runtimes.Pinned, error) {
	if q.Ecosystem != "pypi" {
		return nil, fmt.Errorf("no resolver of %q is known", q.Ecosystem)
	}
	requirements, err := r.requirements(ctx, q)
	if err != nil || len(requirements) == 0 {
		return nil, err
	}
	for _, line := range slices.Concat(requirements, q.Constraints) {
		if err := oneRequirement(line); err != nil {
			return nil, questionError(q, "", err)
		}
	}
	logins, err := runtimes.FetchLogins(r.Logins, q.Indexes)
	if err != nil {
		return nil, err
	}
	work, unlock, err := r.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	program, err := r.uv(ctx, uv, q.Indexes, work)
	if err != nil {
		return nil, err
	}
	c := compilation{
		question: q, requirements: requirements,
		earlier: earlier, upgrade: upgrade,
		resolver: r, logins: logins, program: program, folder: work,
	}
	return c.resolve(ctx)
}

// requirements are q's and those of the build that it asks for.
func (r *Resolver) requirements(ctx context.Context, q runtimes.Question) ([]string, error) {
	if !q.Build || q.Sdist == nil {
		return q.Requirements, nil
	}
	requires, err := r.buildRequires(ctx, q)
	if err != nil {
		return nil, err
	}
	return slices.Concat(q.Requirements, requires), nil
}

// oneRequirement tells whether uv will read line as one requirement, and not
// as an option of its own.
func oneRequirement(line string) error {
	if strings.ContainsAny(line, "\r\n") {
		return errors.New("a requirement of several lines")
	}
	if strings.Contains(line, "${") {
		return errors.New("a requirement with a variable") // which uv would fill in, with a password even
	}
	_, err := pep.ParseRequirement(line)
	return err
}

// questionError is a defect of what is asked.
func questionError(q runtimes.Question, hint string, err error) error {
	if q.Build {
		return &runtimes.InputError{Problem: "what the build of " + q.Name + " needs cannot be resolved", Hint: hint, Err: err}
	}
	return &runtimes.InputError{File: q.Name, Problem: "cannot be resolved", Hint: hint, Err: err}
}

// workPrefix begins the names of folders where runs have their files.
const workPrefix = "work-"

// lockPoll is how often a lock that somebody else holds is tried again.
const lockPoll = 50 * time.Millisecond

// lock makes its caller the folder's only user, among all processes, clears
// what a killed one left there, and makes a folder for the run's files. Its
// name is new each time: the uv of a killed process may still run and write to
// the folder that it knows.
func (r *Resolver) lock(ctx context.Context) (work string, unlock func(), err error) {
	if err := os.MkdirAll(r.Folder, 0o777); err != nil {
		return "", nil, err
	}
	lock := flock.New(filepath.Join(r.Folder, "lock"))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		if ctx.Err() != nil {
			return "", nil, ctx.Err()
		}
		return "", nil, fmt.Errorf("locking %s: %w", lock.Path(), err)
	}
	unlock = func() {
		r.clear()
		_ = lock.Unlock()
	}
	r.clear()
	work, err = os.MkdirTemp(r.Folder, workPrefix+"*")
	if err != nil {
		unlock()
		return "", nil, err
	}
	return work, unlock, nil
}

// clear removes the files of all runs. What stays is cleared by the next one.
func (r *Resolver) clear() {
	files, err := os.ReadDir(r.Folder)
	if err != nil {
		return
	}
	for _, file := range files {
		if strings.HasPrefix(file.Name(), workPrefix) {
			_ = os.RemoveAll(filepath.Join(r.Folder, file.Name()))
		}
	}
}
