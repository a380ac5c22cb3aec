package propose

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// choice is what runtimes a layer gets, and why.
type choice struct {
	runtimes []string
	why      string
	warning  string   // what stands in the way of building at once
	parts    []string // folders of the project whose packages the layer has
}

// choose finds a layer's runtimes: those that the user named for the language,
// else the newest that the project's files allow and that everything is locked
// with a prebuilt file for. Where there is none, it is that which lacks least.
func (p Project) choose(language Language, l Layer, found runtimes.Detected) (choice, error) {
	if named := p.named(language.Name()); len(named) > 0 {
		t, err := p.try(language, l, named...)
		return choice{names(named), "", t.warning, t.parts}, err
	}
	candidates, why := p.candidates(language.Name(), found.Versions)
	var best *choice
	least := 0
	var first error
	for i, info := range candidates {
		t, err := p.try(language, l, info)
		if err != nil {
			first = errors.Join(first, err)
			continue
		}
		if best != nil && t.lacks >= least {
			continue
		}
		c := choice{[]string{info.Name}, why, t.warning, t.parts}
		switch {
		case i == 0:
		case t.unknown, t.lacks > 0:
			c.why += ", but for newer ones that lack more"
		default:
			c.why += ", with everything prebuilt"
		}
		if p.retired(info) {
			c.why += fmt.Sprintf("; Lambda retired it on %s", info.Deprecated)
		}
		if best, least = &c, t.lacks; least == 0 {
			break
		}
	}
	if best != nil {
		return *best, nil
	}
	return choice{}, firstOf(first)
}

// newestOfAll is the reason for a runtime where the project says nothing.
const newestOfAll = "Lambda's newest"

// named are the runtimes of a language that the user named.
func (p Project) named(language string) []runtimes.Info {
	var all []runtimes.Info
	for _, name := range p.Runtimes {
		if info, ok := runtimes.Lookup(name); ok && info.Family == language {
			all = append(all, info)
		}
	}
	return all
}

// candidates are the runtimes that a language's versions leave, the best first,
// and why the first of them is that. What the project says least bindingly is
// passed over where nothing is left otherwise.
func (p Project) candidates(language string, facts []runtimes.VersionFact) ([]runtimes.Info, string) {
	all := p.ranked(language)
	for n := len(facts); n > 0; n-- {
		left := slices.DeleteFunc(slices.Clone(all), func(info runtimes.Info) bool {
			return slices.ContainsFunc(facts[:n], func(f runtimes.VersionFact) bool { return !f.Allows(info.Version) })
		})
		if len(left) > 0 {
			return left, facts[0].Says
		}
	}
	if len(facts) > 0 {
		return all, "Lambda has none " + strings.TrimPrefix(facts[0].Says, "newest ")
	}
	return slices.DeleteFunc(all, p.retired), newestOfAll
}

// ranked are all runtimes of a language: newest first, those that Lambda has
// retired at the end. Of the systems that Lambda has a version of Java for, the
// one that functions mostly have comes first.
func (p Project) ranked(language string) []runtimes.Info {
	all := slices.DeleteFunc(runtimes.Table(), func(i runtimes.Info) bool { return i.Family != language })
	slices.SortStableFunc(all, func(a, b runtimes.Info) int {
		switch {
		case p.retired(a) != p.retired(b):
			if p.retired(a) {
				return 1
			}
			return -1
		case a.Version == b.Version: // java17, java17.al2023; java8.al2, java8.al2023
			return cmp.Compare(len(a.Name), len(b.Name))
		}
		return 0
	})
	return all
}

// retired tells whether a runtime's time is over.
func (p Project) retired(i runtimes.Info) bool {
	return i.Deprecated != "" && i.Deprecated <= p.Today
}

// trial is what came of reading a lock file for a runtime.
type trial struct {
	warning string
	lacks   int  // how many packages have no prebuilt file that another runtime may have
	unknown bool // a network was not asked
	parts   []string
}

// unusable is what a runtime lacks for which the lock file cannot be used at all.
const unusable = math.MaxInt

// try reads the layer's lock file for runtimes. Where that takes a network and
// none may be asked, nothing is known and nothing is wrong.
func (p Project) try(language Language, l Layer, infos ...runtimes.Info) (trial, error) {
	var t trial
	for _, info := range infos {
		for _, arch := range l.Arches {
			target := runtimes.Target{Runtime: info, Arch: runtimes.Arch(arch), Path: l.Path}
			recipe, err := p.read(language, target)
			if toAsk(err) {
				var known bool
				if recipe, known, err = p.ask(target); err != nil {
					t.warning, t.lacks = err.Error(), unusable
					continue
				}
				if !known {
					t.unknown = true
					continue
				}
			}
			if err != nil {
				return t, err
			}
			t.judge(recipe, info, arch)
		}
	}
	return t, nil
}

// read has a recipe made. What builds need does not matter to it: it is taken to
// be nothing.
func (p Project) read(language Language, t runtimes.Target) (runtimes.Recipe, error) {
	recipe, err := language.Recipe(p.FS, t)
	if unresolved := (*runtimes.Unresolved)(nil); errors.As(err, &unresolved) && unresolved.Questions[0].Build {
		t.Pins.Builds = make(map[string]runtimes.Resolution)
		for _, q := range unresolved.Questions {
			t.Pins.Builds[q.Name] = q.Answer(nil)
		}
		return language.Recipe(p.FS, t)
	}
	return recipe, err
}

// toAsk tells whether a network must be asked before more is known.
func toAsk(err error) bool {
	incomplete, unresolved := (*runtimes.Incomplete)(nil), (*runtimes.Unresolved)(nil)
	return errors.As(err, &incomplete) || errors.As(err, &unresolved)
}

// ask has a recipe made with a network's help. Its error says why there is none
// for the target.
func (p Project) ask(t runtimes.Target) (recipe runtimes.Recipe, known bool, err error) {
	if p.Ask == nil {
		return recipe, false, nil
	}
	recipe, err = p.Ask(t)
	if input := (*runtimes.InputError)(nil); errors.As(err, &input) {
		without := *input
		without.File = "" // which the layer names
		return recipe, true, errors.New(firstLine(without.Error()))
	}
	return recipe, err == nil, nil
}

// judge sees what stands in the way of a recipe. What of the project itself is
// built is so for every runtime.
func (t *trial) judge(recipe runtimes.Recipe, info runtimes.Info, arch string) {
	t.parts = append(t.parts, partsOf(recipe)...)
	missing, built := recipe.Missing(), recipe.Built()
	if t.lacks != unusable {
		t.lacks += len(missing)
		for _, pkg := range built {
			if pkg.Build.Folder == "" {
				t.lacks++
			}
		}
	}
	switch {
	case len(missing) > 0:
		t.warning = fmt.Sprintf("nothing of %s fits %s on %s", packageNames(missing), info.Name, arch)
	case t.lacks == unusable:
	case len(built) > 0:
		t.warning = packageNames(built) + " must be built in a container"
	case recipe.Managed:
		t.warning = "installed in a container, by the manager that wrote it"
	}
}

// partsOf are the folders of the project that a recipe takes packages from.
func partsOf(r runtimes.Recipe) []string {
	var parts []string
	for _, pkg := range r.Packages {
		if pkg.File.Local != nil {
			parts = append(parts, path.Clean(pkg.File.Local.Path))
		}
		if pkg.Build != nil && pkg.Build.Folder != "" {
			parts = append(parts, path.Clean(pkg.Build.Folder))
		}
	}
	return parts
}

// firstLine is the beginning of a text that may be an essay.
func firstLine(text string) string {
	const most = 160
	line, _, _ := strings.Cut(text, "\n")
	if runes := []rune(line); len(runes) > most {
		line = string(runes[:most]) + "…"
	}
	return line
}

// packageNames names a few packages.
func packageNames(packages []runtimes.Package) string {
	var all []string
	for _, pkg := range packages {
		all = append(all, pkg.Name)
	}
	if len(all) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:3], ", "), len(all)-3)
	}
	return strings.Join(all, ", ")
}

func names(infos []runtimes.Info) []string {
	var all []string
	for _, info := range infos {
		all = append(all, info.Name)
	}
	return all
}

// firstOf is the first of joined errors: that of the best runtime.
func firstOf(err error) error {
	for {
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			return err
		}
		err = joined.Unwrap()[0]
	}
}
