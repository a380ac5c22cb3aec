package modules

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// Repositories fetches from Maven repositories, as package direct does.
type Repositories interface {
	Document(ctx context.Context, repository, path string, limit int64) ([]byte, error)
	Has(ctx context.Context, repository, path string) (bool, error)
	Keep(ctx context.Context, repository, path string) (direct.Sums, error)
}

// Resolver answers questions of the ecosystem "maven" whose requirements are
// exact: the coordinates of a lock. What it answers is
//
//   - "group:artifact:version[:classifier][@extension]" for each file, with the
//     name that it has in the repository where that does not follow;
//   - "group:artifact:version@pom" or "…@module" for each module that
//     contributes none, with the hash of the metadata that says so.
type Resolver struct {
	Repositories Repositories
	Jobs         int // modules asked for at once; 0: as many as suit
}

const (
	defaultJobs = 8
	maxDocument = 16 << 20 // of a POM or of module metadata
	maxMoves    = 5        // from one module to the next
)

// Resolve answers q. The hashes in earlier are kept where they still fit, but
// for the modules in upgrade ("*": all): an exact version never moves.
func (r *Resolver) Resolve(ctx context.Context, q runtimes.Question, _ runtimes.Tool, earlier []runtimes.Pinned, upgrade []string) ([]runtimes.Pinned, error) {
	if q.Ecosystem != "maven" {
		return nil, fmt.Errorf("no resolver of %q is known", q.Ecosystem)
	}
	l, err := r.newLookup(q, earlier, upgrade)
	if err != nil {
		return nil, err
	}
	answers := make([][]runtimes.Pinned, len(l.wanted))
	errs := make([]error, len(l.wanted))
	var g errgroup.Group
	g.SetLimit(defaultJobs)
	if r.Jobs > 0 {
		g.SetLimit(r.Jobs)
	}
	for i, c := range l.wanted {
		g.Go(func() error {
			answers[i], errs[i] = l.module(ctx, c)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs, all of them
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return sorted(slices.Concat(answers...)), nil
}

// sorted is the answer's order, each file once.
func sorted(pinned []runtimes.Pinned) []runtimes.Pinned {
	slices.SortFunc(pinned, func(a, b runtimes.Pinned) int { return strings.Compare(a.Requirement, b.Requirement) })
	return slices.CompactFunc(pinned, func(a, b runtimes.Pinned) bool { return a.Requirement == b.Requirement })
}

// lookup is one question on its way.
type lookup struct {
	*Resolver
	question runtimes.Question
	wanted   []coordinate.Coordinate
	releases map[string]bool     // wanted modules, "group:artifact"
	java     int                 // the oldest Java version of the places
	sums     map[string][]string // "group:artifact:version/file" → "sha256:…", those that it may have
	earlier  map[string]runtimes.Pinned
}

func (r *Resolver) newLookup(q runtimes.Question, earlier []runtimes.Pinned, upgrade []string) (*lookup, error) {
	l := &lookup{
		Resolver: r, question: q, java: oldestJava(q.Places),
		releases: make(map[string]bool), sums: make(map[string][]string), earlier: make(map[string]runtimes.Pinned),
	}
	for _, text := range q.Requirements {
		c, err := coordinate.Parse(text)
		if err != nil {
			return nil, &runtimes.InputError{File: q.Name, Problem: "cannot be resolved", Err: err}
		}
		l.wanted = append(l.wanted, c)
		l.releases[c.Module()] = true
	}
	for _, text := range q.Constraints {
		sum, err := coordinate.ParseChecksum(text)
		if err != nil {
			return nil, &runtimes.InputError{File: q.Name, Problem: "cannot be resolved", Err: err}
		}
		file := sum.Release.String() + "/" + sum.File
		l.sums[file] = append(l.sums[file], sum.Algorithm+":"+sum.Sum)
	}
	for _, p := range earlier {
		c, err := coordinate.Parse(p.Requirement)
		moves := slices.Contains(upgrade, "*") || slices.Contains(upgrade, c.Module())
		if err == nil && len(p.SHA256) == 1 && !moves {
			l.earlier[p.Requirement] = p
		}
	}
	return l, nil
}

// oldestJava is the oldest Java version that the places have: what runs there
// runs at all of them.
func oldestJava(places []runtimes.Place) int {
	oldest := 0
	for _, p := range places {
		var n int
		if _, err := fmt.Sscanf(p.Runtime.Version, "%d", &n); err == nil && (oldest == 0 || n < oldest) {
			oldest = n
		}
	}
	return oldest
}

// module answers for one requirement.
func (l *lookup) module(ctx context.Context, c coordinate.Coordinate) ([]runtimes.Pinned, error) {
	var all []runtimes.Pinned
	for range maxMoves {
		m, err := l.find(ctx, c.Release())
		if err != nil {
			return nil, err
		}
		if c.Classifier != "" || c.Extension != "" {
			return m.named(ctx, c)
		}
		answer, moved, err := m.contributes(ctx)
		all = append(all, answer...)
		if err != nil || moved == nil || l.releases[moved.Module()] {
			return all, err
		}
		c = *moved // the lock lacks it
	}
	return nil, fmt.Errorf("%s leads from one module to the next, more than %d times", c, maxMoves)
}

// found is a module in the repository that has it.
type found struct {
	*lookup
	release    coordinate.Coordinate
	repository string
	pom        pom
	pomSum     string
}

// find looks for the module's POM. The first repository that has it answers
// for all of the module's files.
func (l *lookup) find(ctx context.Context, release coordinate.Coordinate) (*found, error) {
	repositories := l.question.Indexes
	if len(repositories) == 0 {
		repositories = []string{""}
	}
	var missed []string
	var last error
	for _, repository := range repositories {
		m := &found{lookup: l, release: release, repository: repository}
		data, sum, err := m.document(ctx, "pom")
		if errors.Is(err, fs.ErrNotExist) {
			missed, last = append(missed, m.place()), err
			continue
		}
		if err != nil {
			return nil, err
		}
		m.pomSum = sum
		if m.pom, err = parsePOM(release, data); err != nil {
			return nil, m.problem(err)
		}
		return m, nil
	}
	return nil, &runtimes.InputError{
		File: l.question.Name, Problem: fmt.Sprintf("%s is in none of the repositories: %s", release, strings.Join(missed, ", ")), Err: last,
		Hint: "it may be in a private repository, or be withdrawn: add the repository that has it, or lock another version",
	}
}

// place names the repository for people.
func (m *found) place() string {
	if m.repository == "" {
		return "the default one"
	}
	return m.repository
}

// problem is a defect of the module, with its name.
func (m *found) problem(err error) error {
	var missed *noVariant
	hint := "lock another version of it"
	if errors.As(err, &missed) && missed.needs > 0 {
		hint = "lock an older version of it, or build for a newer runtime only"
	}
	return &runtimes.InputError{File: m.question.Name, Problem: m.release.String(), Err: err, Hint: hint}
}

// document fetches metadata of the module and holds it against its checksums.
func (m *found) document(ctx context.Context, extension string) (data []byte, sum string, err error) {
	c := m.release
	c.Extension = extension
	path, err := c.Path(c.FileName())
	if err != nil {
		return nil, "", err
	}
	data, err = m.Repositories.Document(ctx, m.repository, path, maxDocument)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", m.release, runtimes.RefusedBy("java", err))
	}
	sums := sumsOf(data)
	return data, sums.SHA256, m.verify(c.FileName(), sums)
}
