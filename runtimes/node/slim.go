package node

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// slimClasses are the classes of files that no runtime needs, in the order in
// which a file is looked at.
var slimClasses = []struct {
	name string
	is   func(f slimFile) bool
}{
	{"otherPlatforms", slimFile.isOtherPlatform},
	{"tests", slimFile.isTest},
	{"maps", slimFile.isMap},
	{"types", slimFile.isType},
	{"docs", slimFile.isDoc},
}

// slimmer leaves out the classes of files that the user named.
type slimmer struct {
	classes []string
	cpu     string
	saved   map[string]int64
	files   map[string]int
}

func newSlimmer(r runtimes.Recipe) *slimmer {
	return &slimmer{classes: r.Slim, cpu: targetCPU(r.Target.Arch), saved: map[string]int64{}, files: map[string]int{}}
}

// drops tells whether a file is left out, and counts what that saves.
func (s *slimmer) drops(name string, f runtimes.TreeFile) bool {
	if len(s.classes) == 0 {
		return false
	}
	folder := packageFolder(name)
	below, ok := strings.CutPrefix(name, folder+"/")
	if !ok {
		return false
	}
	file := slimFile{folders: strings.Split(path.Dir(below), "/"), base: path.Base(below), cpu: s.cpu}
	for _, class := range slimClasses {
		if slices.Contains(s.classes, class.name) && class.is(file) {
			s.saved[class.name] += f.Size
			s.files[class.name]++
			return true
		}
	}
	return false
}

// notes say what each class saved.
func (s *slimmer) notes() []string {
	var notes []string
	for _, class := range s.classes {
		notes = append(notes, fmt.Sprintf("slim: %s left out %d files, %d bytes", class, s.files[class], s.saved[class]))
	}
	return notes
}

// slimFile is a file of a package.
type slimFile struct {
	folders []string // below the package's own; ["."] for that one
	base    string
	cpu     string // the target's
}

// isKept tells whether a file stays, whatever its class: code, and what says
// whose it is and on which terms.
func (f slimFile) isKept() bool {
	lower := strings.ToLower(f.base)
	if lower == "package.json" || slices.ContainsFunc([]string{"license", "licence", "copying", "notice"}, func(p string) bool { return strings.HasPrefix(lower, p) }) {
		return true
	}
	return slices.Contains([]string{".js", ".cjs", ".mjs", ".node", ".wasm", ".json"}, path.Ext(lower))
}

// hasFolder tells whether one of the file's folders has one of these names.
func (f slimFile) hasFolder(names ...string) bool {
	return slices.ContainsFunc(f.folders, func(folder string) bool { return slices.Contains(names, folder) })
}

// isTest: what lies in a folder for tests, code included; but nothing that says
// on which terms the package is given.
func (f slimFile) isTest() bool {
	lower := strings.ToLower(f.base)
	if strings.HasPrefix(lower, "license") || strings.HasPrefix(lower, "licence") || lower == "package.json" {
		return false
	}
	return f.hasFolder("test", "tests", "__tests__", "__mocks__")
}

func (f slimFile) isMap() bool {
	return slices.ContainsFunc([]string{".js.map", ".cjs.map", ".mjs.map", ".ts.map", ".mts.map", ".cts.map", ".css.map"},
		func(suffix string) bool { return strings.HasSuffix(f.base, suffix) })
}

func (f slimFile) isType() bool {
	return slices.ContainsFunc([]string{".d.ts", ".d.mts", ".d.cts", ".js.flow", ".tsbuildinfo"},
		func(suffix string) bool { return strings.HasSuffix(f.base, suffix) })
}

// isDoc: texts for people, and whatever else lies in a folder of them.
func (f slimFile) isDoc() bool {
	if f.isKept() {
		return false
	}
	switch ext := strings.ToLower(path.Ext(f.base)); ext {
	case ".md", ".markdown", ".mkd", ".rst":
		return true
	case ".ts", ".mts", ".cts", ".map":
		return false // classes of their own, or code of a runtime that reads it
	}
	lower := strings.ToLower(f.base)
	return lower == "readme" || lower == "changelog" || lower == "changes" || lower == "authors" || lower == "history" ||
		f.hasFolder("docs", "doc", "example", "examples", ".github")
}

// cpuWords are the architectures in the names of prebuilt files, in Node.js's
// words and others'.
var cpuWords = map[string]string{
	"x64": "x64", "x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64", "armv8": "arm64",
	"ia32": "ia32", "x86": "ia32", "arm": "arm", "armv6": "arm", "armv7": "arm", "armhf": "arm", "ppc64": "ppc64", "ppc64le": "ppc64",
	"s390x": "s390x", "riscv64": "riscv64", "loong64": "loong64", "mips64el": "mips64el",
}

var osWords = []string{"darwin", "win32", "windows", "macos", "freebsd", "openbsd", "netbsd", "android", "sunos", "aix", "linux", "linuxmusl", "alpine", "openharmony"}

// isOtherPlatform: what was prebuilt for another operating system, architecture
// or C library, where the folder's name or the file's says so: in prebuilds/,
// and in the folders of node-pre-gyp and its like ("napi-v6-linux-musl-x64").
func (f slimFile) isOtherPlatform() bool {
	for i, folder := range f.folders {
		if i > 0 && f.folders[i-1] == "prebuilds" || path.Ext(f.base) == ".node" {
			if foreign, _ := f.foreign(folder); foreign {
				return true
			}
		}
	}
	if !f.hasFolder("prebuilds") || path.Ext(f.base) != ".node" {
		return false
	}
	// prebuilds/linux-x64/name.musl.node, name.armv7.node
	foreign, _ := f.foreign(strings.TrimSuffix(f.base, ".node"))
	return foreign
}

// foreign tells whether a name is of another platform than the target's. One
// that names no platform is not.
func (f slimFile) foreign(name string) (foreign, named bool) {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("-.+", r) })
	for _, word := range words {
		switch {
		case strings.HasPrefix(word, "musl"): // and musleabihf
			return true, true
		case slices.Contains(osWords, word):
			named = true
			if word != targetOS {
				return true, true
			}
		}
	}
	for _, word := range words {
		cpu, ok := cpuWords[word]
		if ok && cpu != f.cpu && (named || f.hasFolder("prebuilds")) {
			return true, true
		}
	}
	return false, named
}
