package python

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// chooser picks the files that a target installs. Both lock formats go through
// it, so equal files give equal packages.
type chooser struct {
	target runtimes.Target
	env    pep.Environment
	tags   pep.TagList
}

func newChooser(t runtimes.Target) *chooser {
	return &chooser{target: t, env: baseEnvironment(t), tags: pep.Tags(t)}
}

// baseEnvironment is the environment in which markers of packages are
// evaluated: the target's, with no extra asked for.
func baseEnvironment(t runtimes.Target) pep.Environment {
	env := pep.EnvironmentFor(t)
	env.Extras, env.DependencyGroups = nil, nil
	return env
}

// admits tells whether a requires-python admits the environment's Python. A
// lower bound within the runtime's own series is met: which patch release
// Lambda has is not known here, only that it is a late one.
func admits(wants pep.Specifiers, env pep.Environment) (bool, error) {
	for _, text := range []string{env.PythonFullVersion, env.PythonVersion + ".99"} {
		version, err := pep.ParseVersion(text)
		if err != nil {
			return false, err
		}
		if wants.Contains(version) {
			return true, nil
		}
	}
	return false, nil
}

// candidate is a wheel of a package.
type candidate struct {
	file  runtimes.File
	wheel pep.Wheel
	rank  int
}

// choose returns the package with the wheel that fits the target best, or with
// the reason why none does. Of the wheels that fit, the one with the best tag
// wins, then the highest build, then the first by name.
func (c *chooser) choose(p lockedPackage) runtimes.Package {
	chosen := runtimes.Package{Name: p.name, Version: p.version}
	if p.project != nil {
		chosen.File, chosen.Build = p.project.tree.file(), &runtimes.Build{Folder: p.project.tree.folder, Version: p.project.scmVersion()}
		chosen.Missing = "a local project"
		return chosen
	}
	if p.sourceOnly {
		return c.fromSource(p, "--no-binary asks for a build from source")
	}
	var best *candidate
	for _, f := range p.files {
		if !c.promising(f.Name) {
			continue
		}
		wheel, ok := wheelOf(f, p.name)
		if !ok {
			continue
		}
		w := candidate{file: f, wheel: wheel}
		rank, fits := c.tags.Rank(wheel)
		if !fits || !c.admitted(f) {
			continue
		}
		if w.rank = rank; best == nil || w.betterThan(best) {
			best = &w
		}
	}
	if best == nil {
		return c.fromSource(p, c.missing(p))
	}
	chosen.Version = best.wheel.Version.String()
	chosen.File = best.file
	chosen.File.RequiresPython = "" // it has done its part, and only an index tells it
	return chosen
}

// fromSource returns the package as it is built from its source archive, where
// there is one; why says why no wheel is installed.
func (c *chooser) fromSource(p lockedPackage, why string) runtimes.Package {
	chosen := runtimes.Package{Name: p.name, Version: p.version, Missing: why}
	if p.wheelOnly {
		return chosen
	}
	if f, ok := c.sdist(p); ok {
		f.RequiresPython = ""
		chosen.File, chosen.Build = f, &runtimes.Build{}
	}
	return chosen
}

// promising tells at a glance whether a file may fit: most wheels of a lock
// file are for other platforms, and parsing their names is what choosing costs.
func (c *chooser) promising(name string) bool {
	platform := name[strings.LastIndexByte(name, '-')+1:]
	return strings.Contains(platform, "any") || strings.Contains(platform, "linux") && strings.Contains(platform, archName(c.target.Arch))
}

// wheelOf reads a wheel's name. What is not a wheel, or not the package's, is
// no candidate.
func wheelOf(f runtimes.File, name string) (pep.Wheel, bool) {
	if !strings.HasSuffix(f.Name, ".whl") {
		return pep.Wheel{}, false
	}
	w, err := pep.ParseWheel(f.Name)
	return w, err == nil && w.Name == name
}

func (w *candidate) betterThan(other *candidate) bool {
	return cmp.Or(
		cmp.Compare(w.rank, other.rank),
		other.wheel.Build.Compare(w.wheel.Build),
		strings.Compare(w.file.Name, other.file.Name),
	) < 0
}

// admitted tells whether what the index says of a file admits the target. What
// cannot be read is no reason to refuse: pip does the same.
func (c *chooser) admitted(f runtimes.File) bool {
	if f.RequiresPython == "" {
		return true
	}
	wants, err := pep.ParseSpecifiers(f.RequiresPython)
	if err != nil {
		return true
	}
	ok, err := admits(wants, c.env)
	return ok || err != nil
}

// osName is the operating system of a runtime, for people.
func osName(info runtimes.Info) string {
	switch info.OS {
	case "al2":
		return "Amazon Linux 2"
	case "al2023":
		return "Amazon Linux 2023"
	}
	return info.OS
}

// place names a target for people: "python3.11 (Amazon Linux 2)".
func place(info runtimes.Info) string {
	return fmt.Sprintf("%s (%s)", info.Name, osName(info))
}
