package check

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Misplaced is the id of the check on where packages lie.
const Misplaced = "misplaced"

var placeRules = []Rule{
	{Misplaced, Error, "packages that lie where the runtime does not look", "Lambda unpacks a layer to /opt and adds only certain folders of it to the runtime's search path: python/ and python/lib/pythonX.Y/site-packages, nodejs/node_modules and nodejs/nodeX/node_modules, java/lib. A zip of the folder around these, or of a folder's content without them, fails with \"No module named\" or \"Cannot find module\".",
		"pack from the folder that holds python/, nodejs/ or java/, for the version that the function uses"},
}

// Places are the folders of a tree in which packages lie.
type Places struct {
	// Found are those that some version of a runtime searches.
	Found []string `json:"found,omitempty"`
	// Elsewhere has, by language, the first one that none does.
	Elsewhere map[string]string `json:"elsewhere,omitempty"`
	// Nested is a folder below python/ that has packages where none lies where
	// Python searches.
	Nested string `json:"nested,omitempty"`
}

// searched matches the places that runtimes search, at the top or in the folder
// that somebody has packed with them.
var searched = regexp.MustCompile(`^((?:[^/]+/)??)(python/lib/python[0-9.]+/site-packages|python|nodejs/node[0-9]+/node_modules|nodejs/node_modules|java/lib)/`)

// packed matches where packages lie before they are put into a layer.
var packed = []struct {
	language string
	where    *regexp.Regexp
}{
	{"python", regexp.MustCompile(`^((?:.+/)?site-packages|[^/]+\.dist-info)/`)},
	{"python", regexp.MustCompile(`^([^/]+)/__init__\.py$`)},
	{"nodejs", regexp.MustCompile(`^((?:[^/]+/)?node_modules)/`)},
}

// placesOf looks for packages. A layer with an extension or a bootstrap says
// itself what is searched.
func placesOf(t runtimes.Tree) Places {
	if _, ok := t["bootstrap"]; ok || slices.ContainsFunc(t.Paths(), func(name string) bool { return strings.HasPrefix(name, "extensions/") }) {
		return Places{}
	}
	p := Places{Elsewhere: make(map[string]string)}
	found := make(map[string]bool)
	for _, name := range t.Paths() {
		language, at, right := place(name)
		switch {
		case at == "":
		case right:
			found[at] = true
		case p.Elsewhere[language] == "":
			p.Elsewhere[language] = at
		}
	}
	p.Found = slices.Sorted(maps.Keys(found))
	p.Nested = nested(t)
	return p
}

var (
	// topModule matches what Python imports, or lists as installed, in a folder
	// that it searches.
	topModule = regexp.MustCompile(`^python/(?:lib/python[0-9.]+/site-packages/)?(?:[^/]+\.(?:py|pyc|so)|[^/]+/__init__\.pyc?|[^/]+\.dist-info/.+)$`)
	// installed matches the metadata of a package anywhere else.
	installed = regexp.MustCompile(`^(python/.+)/[^/]+\.dist-info/(?:METADATA|RECORD|WHEEL)$`)
)

// nested looks for packages in a folder below python/ that is none which Python
// searches, such as python/site-packages. Packages that another one has within
// itself are none such.
func nested(t runtimes.Tree) (at string) {
	for _, name := range t.Paths() {
		if topModule.MatchString(name) {
			return ""
		}
		if m := installed.FindStringSubmatch(name); m != nil && at == "" {
			at = m[1]
		}
	}
	return at
}

// place is the folder of a language's packages that a file lies in, and whether
// some runtime searches it; at is "" where there is none.
func place(name string) (language, at string, right bool) {
	if m := searched.FindStringSubmatch(name); m != nil {
		language, _, _ := strings.Cut(m[2], "/")
		return language, m[1] + m[2], m[1] == ""
	}
	for _, p := range packed {
		if m := p.where.FindStringSubmatch(name); m != nil {
			return p.language, m[1], false
		}
	}
	return "", "", false
}

// misplacedFindings are packages of a target's language where it has none in
// the places that it searches.
func misplacedFindings(p Places, t Target) []Finding {
	var right []string
	switch t.Runtime.Family {
	case "python":
		right = []string{"python", "python/lib/python" + t.Runtime.Version + "/site-packages"}
	case "nodejs":
		right = []string{"nodejs/node_modules", "nodejs/node" + t.Runtime.Version + "/node_modules"}
	case "java":
		right = []string{"java/lib"}
	default:
		return nil
	}
	other := p.Elsewhere[t.Runtime.Family]
	if t.Runtime.Family == "python" && p.Nested != "" {
		return []Finding{{ID: Misplaced, Path: p.Nested, Problem: misplaced(t, right)}}
	}
	for _, at := range p.Found {
		if slices.Contains(right, at) {
			return nil
		}
		if strings.HasPrefix(at, t.Runtime.Family+"/") && other == "" {
			other = at
		}
	}
	if other == "" {
		return nil
	}
	return []Finding{{ID: Misplaced, Path: other, Problem: misplaced(t, right)}}
}

func misplaced(t Target, right []string) string {
	return "is no folder that " + t.Runtime.Name + " searches: it looks in " + strings.Join(right, " and ")
}
