// Package maven asks Maven what the poms of a project come to, and hashes the
// files that it fetched for that.
//
//   - Maven runs in a container, in the build image of the layer's runtime, or,
//     where no BuildKit answers, on this machine, if it is installed there.
//   - It starts with an empty local repository each time: neither what an
//     earlier run left, nor what somebody installed on this machine, is an
//     answer.
//   - It gets the poms as package java writes them, of which no plugin runs but
//     those that extend Maven itself, and a settings.xml with the user's mirrors.
package maven

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
	"github.com/layerbuild/layerbuild/runtimes/java/settings"
)

// Containers run steps.
type Containers interface {
	// Ping returns a [*runtimes.UnreachableError] where nobody answers.
	Ping(ctx context.Context) (place string, err error)
	ResolveImage(ctx context.Context, ref string) (string, error)
	Install(ctx context.Context, r runtimes.Recipe, w io.Writer, p runtimes.Progress) error
}

// Resolver answers questions of the ecosystem "maven".
type Resolver struct {
	Containers Containers
	Folder     string                // for the files of runs on this machine
	Settings   settings.Settings     // the user's: mirrors, and repositories beside those of projects
	Project    []settings.Repository // those that projects name, which may need logins
	Logins     []runtimes.Login      // of all of them
	CABundle   string                // a PEM file, or "" for what Java trusts
}

// Resolve answers q. Versions in earlier are kept where the project leaves them
// open and they still fit, but for the modules in upgrade ("*": all).
func (r *Resolver) Resolve(ctx context.Context, q runtimes.Question, _ runtimes.Tool, earlier []runtimes.Pinned, upgrade []string) ([]runtimes.Pinned, error) {
	inputs, err := java.Hold(q.Inputs, earlier, upgrade)
	if err != nil {
		return nil, err
	}
	start := r.inContainer
	if _, err := r.Containers.Ping(ctx); err != nil {
		var nowhere *runtimes.UnreachableError
		if !errors.As(err, &nowhere) {
			return nil, err
		}
		if start, err = r.onMachine(nowhere); err != nil {
			return nil, err
		}
	}
	places := make(map[file][]string)
	for _, v := range variantsOf(q) {
		run := run{logins: r.Logins, question: q, inputs: inputs, job: java.JobOf(q), variant: v}
		out, err := start(ctx, run)
		if err != nil {
			return nil, run.explain(err)
		}
		files, err := run.read(out)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			places[f] = append(places[f], v.places...)
		}
	}
	return answer(q, places, earlier, upgrade)
}

// run is one run of Maven.
type run struct {
	logins   []runtimes.Login
	question runtimes.Question
	inputs   []runtimes.InlineFile
	job      java.Job
	variant  variant
}

// variant is a kind of machine that Maven is to think it is on.
type variant struct {
	place  runtimes.Place
	places []string // all of those for which it speaks
}

// variantsOf are the kinds of machines for which Maven may give different
// answers. There is one, unless a pom asks for the machine or for Java's
// version.
func variantsOf(q runtimes.Question) []variant {
	var machine, version bool
	for _, in := range q.Inputs {
		text := string(in.Data)
		machine = machine || strings.Contains(text, "${os.") || strings.Contains(text, "<os>")
		version = version || strings.Contains(text, "${java.") || strings.Contains(text, "<jdk>")
	}
	var all []variant
	for _, p := range q.Places {
		i := slices.IndexFunc(all, func(v variant) bool {
			return (!machine || v.place.Arch == p.Arch) && (!version || v.place.Runtime.Version == p.Runtime.Version)
		})
		if i < 0 {
			all = append(all, variant{place: p})
			i = len(all) - 1
		}
		all[i].places = append(all[i].places, p.String())
	}
	return all
}

// file is one that Maven fetched.
type file struct {
	coordinate coordinate.Coordinate
	sha256     string
}

// answer writes what was found into the form of layerbuild.lock. A release
// that is not what it was is refused, unless it is to be upgraded.
func answer(q runtimes.Question, places map[file][]string, earlier []runtimes.Pinned, upgrade []string) ([]runtimes.Pinned, error) {
	before := make(map[string]string)
	for _, p := range earlier {
		text, _, _ := strings.Cut(p.Requirement, " ; ")
		if len(p.SHA256) == 1 {
			before[text] = p.SHA256[0]
		}
	}
	var packages []runtimes.Pinned
	for f, at := range places {
		c := f.coordinate
		moves := slices.Contains(upgrade, "*") || slices.Contains(upgrade, c.Module())
		if want := before[c.String()]; want != "" && want != f.sha256 && !moves {
			return nil, &runtimes.DigestError{What: c.String(), Want: want, Got: f.sha256}
		}
		if slices.Sort(at); len(at) == len(q.Places) {
			at = nil
		}
		packages = append(packages, runtimes.Pinned{Requirement: java.Requirement(c, at), SHA256: []string{f.sha256}})
	}
	slices.SortFunc(packages, func(a, b runtimes.Pinned) int { return strings.Compare(a.Requirement, b.Requirement) })
	if i := twice(packages); i >= 0 {
		return nil, fmt.Errorf("%s: Maven gave two files of %s", q.Name, packages[i].Requirement)
	}
	return packages, nil
}

// twice is the index of a requirement that the next one repeats, or -1.
func twice(packages []runtimes.Pinned) int {
	for i := range packages[:max(len(packages)-1, 0)] {
		if packages[i].Requirement == packages[i+1].Requirement {
			return i
		}
	}
	return -1
}
