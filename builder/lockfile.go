package builder

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/layerbuild/layerbuild/runtimes"
)

// lockFile is layerbuild.lock in memory, shared by all targets of a run.
type lockFile struct {
	path string
	mu   sync.Mutex
	pins runtimes.Pins
	sum  string // hash of pins, "" where nobody asked since they changed

	// renewal is set for [Builder.Lock]: pins then begin empty, so that only
	// what is asked for comes to be in them, and are not written here.
	renewal *renewal

	// noBuilds is set where builds are not of interest: nothing is resolved for
	// them.
	noBuilds bool
}

func openLockFile(root string) (*lockFile, error) {
	l := &lockFile{path: filepath.Join(root, LockName)}
	var err error
	l.pins, l.sum, err = readPins(l.path)
	return l, err
}

func (l *lockFile) current() runtimes.Pins {
	l.mu.Lock()
	defer l.mu.Unlock()
	return clonePins(l.pins)
}

// digest tells one content of the file from another.
func (l *lockFile) digest() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sum == "" {
		data, _ := formatPins(l.pins) // a hash of nothing only makes fewer memos hold
		l.sum = hexSum(data)
	}
	return l.sum
}

// holds tells whether a hash stands in the file.
func (l *lockFile) holds(hash string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	data, err := formatPins(l.pins)
	return err == nil && hash != "" && bytes.Contains(data, []byte(hash))
}

func clonePins(p runtimes.Pins) runtimes.Pins {
	return runtimes.Pins{
		Images: maps.Clone(p.Images), Tools: maps.Clone(p.Tools),
		Requirements: maps.Clone(p.Requirements), Builds: maps.Clone(p.Builds),
	}
}

// change has f bring the pins up to date, and writes them where that changed
// them. Another process may have written meanwhile, so they are read again.
func (l *lockFile) change(f func(earlier, pins runtimes.Pins) (changed bool, err error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.renewal != nil {
		_, err := f(l.renewal.earlier, l.pins)
		return err
	}
	pins, sum, err := readPins(l.path)
	if err != nil {
		return err
	}
	changed, err := f(pins, pins)
	if err != nil {
		return err
	}
	if changed {
		if err := writePins(l.path, pins); err != nil {
			return fmt.Errorf("write %s: %w", LockName, err)
		}
		sum = ""
	}
	l.pins, l.sum = pins, sum
	return nil
}

// pin finds out what a recipe needs and layerbuild.lock lacks.
func (l *lockFile) pin(ctx context.Context, needs []runtimes.Need, b *Builder) error {
	return l.change(func(earlier, pins runtimes.Pins) (changed bool, err error) {
		for _, need := range needs {
			added, err := l.pinOne(ctx, need, earlier, pins, b)
			if err != nil {
				return false, err
			}
			changed = changed || added
		}
		return changed, nil
	})
}

func (l *lockFile) pinOne(ctx context.Context, need runtimes.Need, earlier, pins runtimes.Pins, b *Builder) (added bool, err error) {
	if need.Image != "" && pins.Images[need.Image] == "" {
		if digest := l.renewal.keepImage(need.Image, earlier); digest != "" {
			pins.Images[need.Image] = digest
			return true, nil
		}
		if err := l.renewal.refuse(need.Image, "its digest is not in it"); err != nil {
			return false, err
		}
		digest, err := b.Containers.ResolveImage(ctx, need.Image)
		if err != nil {
			return false, fmt.Errorf("resolve image %s: %w", need.Image, err)
		}
		pins.Images[need.Image] = digest
		return true, nil
	}
	// Whatever version is locked is used: only `layerbuild lock --upgrade tools`
	// moves it.
	if _, ok := pins.Tools[need.Tool]; need.Tool != "" && !ok {
		if tool, ok := l.renewal.keepTool(need.Tool, earlier); ok {
			pins.Tools[need.Tool] = tool
			return true, nil
		}
		if err := l.renewal.refuse(need.Tool, "its hashes are not in it"); err != nil {
			return false, err
		}
		files, err := b.toolFiles(ctx, need)
		if err != nil {
			return false, fmt.Errorf("resolve %s %s: %w", need.Tool, need.Version, err)
		}
		pins.Tools[need.Tool] = runtimes.Tool{Version: need.Version, Files: files}
		return true, nil
	}
	return false, nil
}

// answer has questions resolved that layerbuild.lock does not answer.
func (l *lockFile) answer(ctx context.Context, questions []runtimes.Question, r *run) error {
	return l.change(func(earlier, pins runtimes.Pins) (changed bool, err error) {
		for _, q := range questions {
			to, from := pins.Requirements, earlier.Requirements
			if q.Build {
				to, from = pins.Builds, earlier.Builds
			}
			if q.AnsweredBy(to[q.Name]) {
				continue // meanwhile, by another target or process
			}
			before := from[q.Name]
			upgrade := l.renewal.upgrades(before)
			exact := l.renewal == nil || len(before.Places) == len(q.Places)
			if q.AnsweredBy(before) && exact && len(upgrade) == 0 {
				to[q.Name] = before
				continue
			}
			if q.AnsweredBy(before) && !exact {
				q.Why = fmt.Sprintf("is resolved for %s, and no layer is for all of them any more", strings.Join(before.Places, ", "))
			}
			if err := l.renewal.refuse(q.Name, q.Why); err != nil {
				return false, err
			}
			if l.renewal == nil && before.Input == q.Digest() {
				q.Places = r.withPlaces(q.Places, before.Places) // which other commands are for
			}
			if q.Build && l.noBuilds {
				to[q.Name] = q.Answer(nil)
				continue
			}
			r.note(TargetID{}, "resolving "+subject(q))
			if _, err := l.pinOne(ctx, q.Tool, earlier, pins, r.Builder); err != nil {
				return false, err
			}
			resolver, ok := r.Resolvers[q.Ecosystem]
			if !ok {
				return false, fmt.Errorf("no resolver of %q is known", q.Ecosystem)
			}
			packages, err := resolver.Resolve(ctx, q, pins.Tools[q.Tool.Tool], before.Packages, upgrade)
			if err != nil {
				return false, err
			}
			to[q.Name] = q.Answer(packages)
			changed = true
		}
		return changed, nil
	})
}

// withPlaces adds those of a resolution to a question's.
func (r *run) withPlaces(places []runtimes.Place, more []string) []runtimes.Place {
	all := slices.Clone(places)
	for _, text := range more {
		if p, ok := runtimes.ParsePlace(text, r.Config.Lookup); ok && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// resolveOpen resolves what an input leaves open, or says why that may not be.
func (r *run) resolveOpen(ctx context.Context, questions []runtimes.Question) error {
	if r.lock.renewal == nil && (r.opts.Locked || r.readOnly) {
		return openError(questions, r.opts.Locked)
	}
	if r.lock.renewal == nil {
		defer r.exclusively(ctx, r.lock.path)()
	}
	return r.lock.answer(ctx, questions, r)
}

// subject names what is resolved, for people.
func subject(q runtimes.Question) string {
	if q.Build {
		return "what building " + q.Name + " needs"
	}
	return q.Name
}

func openError(questions []runtimes.Question, locked bool) error {
	hint := "run: layerbuild lock, and commit " + LockName
	if locked {
		hint += " (--locked, which CI=true implies, forbids to resolve)"
	}
	var errs []error
	for _, q := range questions {
		err := &runtimes.InputError{File: q.Name, Problem: q.Why, Hint: hint}
		if q.Build {
			err.File, err.Problem = LockName, q.Name+": "+err.Problem
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// toolWheel matches the wheels of a tool that Lambda's images, or the machines
// that layerbuild runs on, can run.
var toolWheel = regexp.MustCompile(`(manylinux|musllinux)[0-9_.a-z]*_(x86_64|aarch64)\.|macosx_[0-9_]+_(x86_64|arm64)\.|win_amd64\.`)

// toolFiles asks the index for the files of a tool: wheels for several
// machines, or the one tarball of an npm package.
func (b *Builder) toolFiles(ctx context.Context, need runtimes.Need) ([]runtimes.File, error) {
	q := runtimes.FileRequest{Ecosystem: cmp.Or(need.Ecosystem, "pypi"), Name: cmp.Or(need.Package, need.Tool), Version: need.Version}
	q.Indexes = b.Indexes["python"]
	if q.Ecosystem == "npm" {
		q.Indexes = b.Indexes["nodejs"]
	}
	all, err := b.Index.Files(ctx, q)
	if err != nil {
		return nil, err
	}
	var files []runtimes.File
	for _, f := range all {
		if q.Ecosystem != "pypi" || toolWheel.MatchString(f.Name) {
			files = append(files, runtimes.File{Name: f.Name, SHA256: f.SHA256, Integrity: f.Integrity})
		}
	}
	if len(files) == 0 {
		return nil, errors.New("the package index has no file of it for Linux: name an index that has it, with UV_INDEX_URL or PIP_INDEX_URL")
	}
	slices.SortFunc(files, func(a, b runtimes.File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}
