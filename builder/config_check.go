package builder

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/agext/levenshtein"

	"github.com/layerbuild/layerbuild/runtimes"
)

// nameCharacters are those that Lambda allows in a layer's name.
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// indexName is the index of all layers in the output folder, without ".json".
const indexName = "layers"

// ParseRuntimes finds runtimes by Lambda's identifiers, each once, among own and
// those of the table. Its error is a [*runtimes.InputError] that says which
// there are.
func ParseRuntimes(names []string, own []runtimes.Info) ([]runtimes.Info, error) {
	var all []runtimes.Info
	for _, name := range names {
		info, err := lookupRuntime(own, name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, info) {
			all = append(all, info)
		}
	}
	return all, nil
}

// ParseArches finds architectures by Lambda's words, each once. Its error is a
// [*runtimes.InputError] that says which there are.
func ParseArches(names []string) ([]runtimes.Arch, error) {
	var all []runtimes.Arch
	for _, name := range names {
		arch, err := lookupArch(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, arch) {
			all = append(all, arch)
		}
	}
	return all, nil
}

// lookupRuntime finds a runtime; its error names no file.
func lookupRuntime(own []runtimes.Info, name string) (runtimes.Info, *runtimes.InputError) {
	var known, served []string
	families := make(map[string][]string)
	for _, info := range slices.Concat(own, runtimes.Table()) {
		if info.Name == name {
			return info, nil
		}
		known = append(known, info.Name)
		families[info.Family] = append(families[info.Family], info.Name)
		if info.Served() {
			served = append(served, info.Name)
		}
	}
	// In a name such as python3.8 only the number differs: that is a wish, and
	// no slip that a neighbour would mend.
	family := name
	if i := strings.IndexFunc(name, func(r rune) bool { return !unicode.IsLetter(r) }); i >= 0 {
		family = name[:i]
	}
	allowed := "allowed are " + strings.Join(served, ", ")
	if own := families[family]; own != nil {
		allowed = "allowed are " + strings.Join(own, ", ")
	}
	err := &runtimes.InputError{Problem: fmt.Sprintf("unknown runtime %q", short(name)), Hint: allowed}
	for _, k := range known {
		if letters(k) == letters(name) {
			err.Hint = fmt.Sprintf("did you mean %q? %s", k, allowed)
			return runtimes.Info{}, err
		}
	}
	if near := Nearest(name, known); near != "" && families[family] == nil {
		err.Hint = fmt.Sprintf("did you mean %q? %s", near, allowed)
	}
	return runtimes.Info{}, err
}

// settle decides whether a layer holds plain files, and refuses runtimes for
// which no packages can be installed. Its error names no file.
func (l *Layer) settle() *runtimes.InputError {
	if !slices.ContainsFunc(l.Runtimes, func(r runtimes.Info) bool { return r.Family != "provided" }) {
		l.Plain = l.Plain || len(l.Runtimes) > 0
	}
	if l.Plain {
		if len(l.Own.Copy) == 0 {
			l.Universal, l.Own = true, runtimes.OwnImage{} // the same files for all
		}
		return nil
	}
	for _, r := range l.Runtimes {
		switch {
		case !r.Served() && r.Family == "provided":
			return &runtimes.InputError{Problem: fmt.Sprintf("runtime %q: no packages can be installed for it", r.Name),
				Hint: "a layer of own files needs plain: true"}
		case !r.Served():
			return &runtimes.InputError{Problem: fmt.Sprintf("runtime %q: layerbuild has no plugin for %s yet", r.Name, r.Family),
				Hint: "a layer of own files needs plain: true; packages can be installed for " + strings.Join(servedFamilies(), ", ")}
		case r.Family != l.Runtimes[0].Family:
			return &runtimes.InputError{Problem: fmt.Sprintf("runtimes %q and %q cannot share a lock file", l.Runtimes[0].Name, r.Name),
				Hint: "make a layer for each language; a layer of own files needs plain: true"}
		}
	}
	return nil
}

func servedFamilies() []string {
	var all []string
	for _, info := range runtimes.Table() {
		if info.Served() && !slices.Contains(all, info.Family) {
			all = append(all, info.Family)
		}
	}
	return all
}

// letters reduces a name to its lower-case letters and digits: people write
// python313 and Python 3.13.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// otherArches maps the words of container tools to Lambda's.
var otherArches = map[string]runtimes.Arch{
	"amd64": runtimes.X86_64, "x64": runtimes.X86_64, "x86-64": runtimes.X86_64,
	"aarch64": runtimes.ARM64, "arm": runtimes.ARM64,
}

// lookupArch finds an architecture; its error names no file.
func lookupArch(name string) (runtimes.Arch, *runtimes.InputError) {
	var known []string
	for _, arch := range runtimes.Arches() {
		if string(arch) == name {
			return arch, nil
		}
		known = append(known, string(arch))
	}
	err := &runtimes.InputError{Problem: fmt.Sprintf("unknown architecture %q", short(name)), Hint: hint(name, known)}
	if arch, ok := otherArches[strings.ToLower(name)]; ok {
		err.Hint = fmt.Sprintf("Lambda calls it %s; allowed are %s", arch, strings.Join(known, ", "))
	}
	return "", err
}

// hint says which of the known words was probably meant, and which there are.
func hint(word string, known []string) string {
	allowed := "allowed are " + strings.Join(known, ", ")
	if near := Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q? %s", near, allowed)
	}
	return allowed
}

// Nearest returns the one of the known words that was probably meant by a
// word that is none of them, or "".
func Nearest(word string, known []string) string {
	if len(word) > maxName {
		return ""
	}
	word = strings.ToLower(word)
	best, bound := "", (len([]rune(word))+1)/3+1
	for _, k := range known {
		if distance := mistakes(word, strings.ToLower(k)); distance < bound && word != "" {
			best, bound = k, distance
		}
	}
	if best != "" || len(word) < 3 {
		return best
	}
	for _, k := range known {
		lower := strings.ToLower(k)
		if strings.HasPrefix(lower, word) || len(k) > 2 && strings.HasPrefix(word, lower) {
			return k
		}
	}
	return ""
}

// mistakes counts how often one mistyped to write a word for another: two
// letters in the wrong order are one mistake.
func mistakes(word, meant string) int {
	for i := 0; i+1 < len(word) && len(word) == len(meant); i++ {
		if word[:i]+word[i+1:i+2]+word[i:i+1]+word[i+2:] == meant && word != meant {
			return 1
		}
	}
	return levenshtein.Distance(word, meant, nil)
}

// checkName reports a layer's name that Lambda would refuse.
func (v value) checkName(name string) {
	switch {
	case name == "" || strings.ContainsFunc(name, notInName):
		v.addf("letters, digits, - and _ are allowed", "%q is no name that Lambda accepts", short(name))
	case len(name) > maxName:
		v.addf("", "the name of %s has %d characters, Lambda allows %d", v.name, len(name), maxName)
	}
}

func notInName(r rune) bool { return !strings.ContainsRune(nameCharacters, r) }

// checkFileNames reports layers whose files would overwrite each other, on a
// file system that does not tell upper from lower case.
func (d *decoder) checkFileNames(layers []Layer) {
	taken := make(map[string]Layer)
	for _, l := range layers {
		for _, name := range l.fileNames() {
			lower := strings.ToLower(name)
			if lower == indexName {
				d.addf(l.Line, "choose another name", "the manifest of layer %s would be %s.json, the name of the index of all layers", l.Name, name)
			}
			if first, ok := taken[lower]; ok {
				if first.Line == l.Line { // both of a pattern
					d.addf(l.Line, "write one out under another name", "layers %s (%s) and %s (%s) would both write %s.zip",
						first.Name, first.Path, l.Name, l.Path, lower)
					break
				}
				d.addf(l.Line, "choose another name", "layers %s and %s would both write %s.zip, the first on line %d",
					first.Name, l.Name, lower, first.Line)
				break
			}
			taken[lower] = l
		}
	}
}

// fileNames lists the names of all the layer's files, once each.
func (l Layer) fileNames() []string {
	if l.Universal {
		return []string{l.Name}
	}
	var all []string
	for _, r := range l.Runtimes {
		for _, arch := range l.Architectures {
			all = append(all, l.FileName(r, arch))
		}
	}
	return all
}

// checkPath reports what no path may have.
func (v value) checkPath(s string) bool {
	switch {
	case strings.ContainsFunc(s, unicode.IsControl):
		v.addf("", "%s holds a control character", v.name)
	case s == "~" || strings.HasPrefix(s, "~/"):
		v.addf("write the folder out, or a path from the folder of the file", "%s begins with ~, which is not expanded", v.name)
	case strings.Contains(s, `\`):
		v.addf("write / between folders", `%s holds a \`, v.name)
	default:
		return true
	}
	return false
}

// projectPath reads a path that lies in the project.
func (v value) projectPath() string {
	s, ok := v.str()
	if !ok || !v.checkPath(s) {
		return ""
	}
	clean := path.Clean(s)
	if path.IsAbs(clean) || !filepath.IsLocal(filepath.FromSlash(clean)) {
		v.addf("give a path from the folder of the file, without a leading /", "%s leads out of the project: %s", v.name, short(s))
		return ""
	}
	return clean
}

// layerPath reads a path that lies below the layer's root.
func (v value) layerPath() string {
	s, ok := v.str()
	if !ok || !v.checkPath(s) {
		return ""
	}
	clean := path.Clean(s)
	if path.IsAbs(clean) || !filepath.IsLocal(filepath.FromSlash(clean)) || clean == "." {
		v.addf("give a path below /opt, such as python/common", "%s is no place in the layer: %s", v.name, short(s))
		return ""
	}
	return clean
}

// fileName reads the name of a file in the layer's folder.
func (v value) fileName() string {
	s, ok := v.str()
	if !ok || !v.checkPath(s) {
		return ""
	}
	if strings.Contains(s, "/") || s == "." || s == ".." {
		v.addf("name a file in the layer's path, such as requirements.txt", "%s must be a file's name, not a path: %s", v.name, short(s))
		return ""
	}
	return s
}
