package node

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The registry packages of yarn 1, and of yarn 2 and later.
const (
	yarn1Package = "yarn"
	berryPackage = "@yarnpkg/cli-dist"
)

// yarn1Default is the yarn that installs where the project names none.
const yarn1Default = "1.22.22"

// stepHome is the home folder of a step, see [stepEnv].
const stepHome = "/tmp"

// yarnScript is the driver that runs yarn in the container.
//
//go:embed yarn_install.js
var yarnScript []byte

// yarnSet is the set that the written project installs with a yarn.
func yarnSet(t runtimes.Target, w *yarnWritten, m manager, whereabouts runtimes.InlineFile, cache string) *set {
	w.job.Project, w.job.Output, w.job.Cache = projectFolder, outputFolder, workFolder+"/cache/"+cache
	script, jobFile := workFolder+"/yarn_install.js", workFolder+"/yarn_install.json"
	job, _ := json.MarshalIndent(w.job, "", "\t") // strings cannot fail to marshal
	inputs := append(w.finished(),
		runtimes.InlineFile{Path: script, Data: yarnScript},
		runtimes.InlineFile{Path: jobFile, Data: job},
		whereabouts, npmrcOf(t))
	packages := w.graph.packages()
	return &set{
		packages: packages,
		requires: w.graph.requires(),
		notes:    append(w.notes(), allowScripts(t, packages)...),
		managed:  true,
		needs:    []runtimes.Need{m.need()},
		tools:    map[string]string{m.name: m.version},
		steps: func(t runtimes.Target) []runtimes.Step {
			return []runtimes.Step{
				m.bring(t),
				{
					Name:     fmt.Sprintf("install %d packages with yarn %s", len(packages), m.version),
					Args:     []string{t.Runtime.Interpreter, script, m.folder() + "/bin/yarn.js", jobFile, whereabouts.Path},
					Env:      stepEnv(),
					Inputs:   inputs,
					Caches:   []runtimes.CacheMount{{ID: "layerbuild-" + cache, Path: w.job.Cache}},
					CABundle: []string{"NODE_EXTRA_CA_CERTS"},
				},
			}
		},
	}
}

// notes say what a lock file leaves to be trusted.
func (w *yarnWritten) notes() []string {
	var weak []string
	for _, n := range w.graph.nodes {
		if n.weak {
			weak = append(weak, n.name)
		}
	}
	if len(weak) == 0 {
		return nil
	}
	slices.Sort(weak)
	return []string{"yarn.lock locks these by SHA-1 only; their SHA-512 is the registry's, for the file with that SHA-1: " + few(slices.Compact(weak))}
}
