package node

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// scriptsRunner runs install scripts in the container.
//
//go:embed run_scripts.cjs
var scriptsRunner []byte

// scriptsJob is what scriptsRunner is told. Packages are "name@version".
type scriptsJob struct {
	Root     string            `json:"root"`
	Work     string            `json:"work,omitempty"`
	Packages []string          `json:"packages,omitempty"`
	Part     string            `json:"part,omitempty"`    // of which only the result is wanted
	Result   string            `json:"result,omitempty"`  // the folder for that
	Results  map[string]string `json:"results,omitempty"` // folders with such results, by package
}

// allowScripts marks the packages whose install scripts are run, of those that
// have some. The notes name those that are not, and what would run them.
func allowScripts(t runtimes.Target, packages []runtimes.Package) (notes []string) {
	var refused, used []string
	for i := range packages {
		p := &packages[i]
		if !p.File.Scripts {
			continue
		}
		if slices.Contains(t.AllowScripts, p.Name) {
			p.Scripts = true
			used = append(used, p.Name)
			continue
		}
		if !slices.Contains(refused, p.Name) {
			refused = append(refused, p.Name)
		}
	}
	if len(refused) > 0 {
		notes = append(notes, fmt.Sprintf("install scripts are not run: those of %s; packages that need theirs are listed: allowScripts: [%s]",
			strings.Join(refused, ", "), quotedList(refused)))
	}
	for _, name := range t.AllowScripts {
		if slices.Contains(used, name) {
			continue
		}
		why := "is not in the layer"
		if slices.ContainsFunc(packages, func(p runtimes.Package) bool { return p.Name == name }) {
			why = "has no install script"
		}
		notes = append(notes, fmt.Sprintf("allowScripts names %s, which %s", name, why))
	}
	return notes
}

// quotedList lists names as YAML wants them in a list.
func quotedList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		if quoted[i] = name; strings.HasPrefix(name, "@") {
			quoted[i] = `"` + name + `"`
		}
	}
	return strings.Join(quoted, ", ")
}

// runsScripts tells whether some package's scripts are run.
func runsScripts(packages []runtimes.Package) bool {
	return slices.ContainsFunc(packages, func(p runtimes.Package) bool { return p.Scripts })
}

// scriptsStep runs the scripts of the marked packages, after all are installed.
// The result is the whole tree, or where part names a package, what it is then.
// The step has no logins, and where the network needs a proxy or authorities of its
// own it is not told of them: it runs the packages' code.
func scriptsStep(t runtimes.Target, packages []runtimes.Package, part string) runtimes.Step {
	job := scriptsJob{Root: outputFolder + "/node_modules", Work: workFolder + "/scripts"}
	if part != "" {
		job.Part, job.Result = part, resultFolder
	}
	for _, p := range packages {
		if p.Scripts {
			job.Packages = append(job.Packages, scriptName(p))
		}
	}
	slices.Sort(job.Packages)
	script, jobFile := workFolder+"/run_scripts.cjs", workFolder+"/scripts.json"
	data, _ := json.MarshalIndent(job, "", "\t") // strings cannot fail to marshal
	return runtimes.Step{
		Name: "run the install scripts of " + strings.Join(job.Packages, ", "),
		Args: []string{t.Runtime.Interpreter, script, jobFile},
		Env: stepEnv(
			"npm_config_nodedir=/var/lang", // its headers, which node-gyp would download
			"SOURCE_DATE_EPOCH=315532800",
			"CFLAGS=-g0", "CXXFLAGS=-g0",
			"LC_ALL=C.UTF-8",
		),
		Inputs: []runtimes.InlineFile{{Path: script, Data: scriptsRunner}, {Path: jobFile, Data: data}},
	}
}

// isLeftoverIn tells whether a file of the tree is a leftover of a package whose
// scripts were run, or one that such a compilation left in the package of the
// headers that it used.
func isLeftoverIn(name string, scripted bool) bool {
	for rest := name; ; {
		_, after, ok := strings.Cut(rest, "node_modules/")
		if !ok {
			return false
		}
		rest = after
		parts := strings.SplitN(after, "/", 3)
		below := strings.TrimPrefix(after, parts[0]+"/")
		if strings.HasPrefix(after, "@") && len(parts) == 3 {
			below = parts[2]
		}
		if scripted && isLeftover(below) || below == "nothing.o" || strings.HasSuffix(below, ".target.mk") || strings.HasSuffix(below, ".Makefile") {
			return true
		}
	}
}

// isLeftover tells whether a file, by its path below its package's folder, is
// what node-gyp or node-pre-gyp left of a compilation beside its result. Such
// files hold paths and times, or lead out of the layer.
func isLeftover(below string) bool {
	top, rest, _ := strings.Cut(below, "/")
	for _, suffix := range []string{".target.mk", ".Makefile"} {
		if strings.HasSuffix(below, suffix) {
			return true // also in the folder of what the package compiles with
		}
	}
	switch {
	case strings.HasPrefix(top, "build-tmp-"):
		return true
	case top != "build":
		return false
	}
	for _, part := range strings.Split(rest, "/") {
		if part == ".deps" || part == "obj" || part == "obj.target" || part == "node_gyp_bins" {
			return true
		}
	}
	name := path.Base(rest)
	return name == "Makefile" || name == "config.gypi" || slices.Contains([]string{".a", ".d", ".mk", ".o", ".stamp", ".ar-file-list"}, path.Ext(name))
}
