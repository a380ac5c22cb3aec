package python

import (
	_ "embed"
	"io"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// buildScript is the driver that fetches and builds sources in the container.
//
//go:embed build.py
var buildScript []byte

// Where sources are built in the container.
const (
	buildFolder   = workFolder + "/build"
	sourcesFolder = workFolder + "/sources"
)

// buildJob is what buildScript is told.
type buildJob struct {
	UV      string        `json:"uv"`
	Python  string        `json:"python"`
	Cache   string        `json:"cache"`
	Folder  string        `json:"folder"`
	Wheels  string        `json:"wheels"`
	Sources []buildSource `json:"sources"`
}

type buildSource struct {
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	File     string   `json:"file"`
	SHA256   string   `json:"sha256"`
	Archive  string   `json:"archive"`
	Folder   string   `json:"folder"`
	Requires []string `json:"requires"`
}

// buildSteps build what r's packages lack wheels of: one step fetches it all,
// and one for each package builds it. Only the first has logins and the network
// in mind, and only the others run the packages' code.
func buildSteps(t runtimes.Target, r runtimes.Recipe) []runtimes.Step {
	built := r.Built()
	if len(built) == 0 {
		return nil
	}
	script, jobFile := workFolder+"/build.py", workFolder+"/build.json"
	job := buildJob{
		UV: uvFolder + "/bin/uv", Python: t.Runtime.Interpreter, Cache: uvCache,
		Folder: buildFolder, Wheels: wheelsFolder,
	}
	inputs := []runtimes.InlineFile{{Path: script, Data: buildScript}}
	for _, p := range built {
		source := buildSource{
			Name: p.Name, Version: versionOf(p), File: p.File.Name, SHA256: p.File.SHA256,
			Folder: p.Build.Folder, Requires: []string{},
		}
		if p.File.Local != nil {
			source.Archive = sourcesFolder + "/" + p.Name + path.Ext(p.File.Name)
			if p.Build.Folder != "" {
				source.Archive = sourcesFolder + "/" + p.Name + ".tar"
			}
			inputs = append(inputs, containerInput(source.Archive, p.File))
		}
		for _, pin := range p.Build.Requires {
			source.Requires = append(source.Requires, pin.Requirement+" --hash=sha256:"+strings.Join(pin.SHA256, " --hash=sha256:"))
		}
		job.Sources = append(job.Sources, source)
	}
	run := []string{t.Runtime.Interpreter, "-I", "-B", script}
	steps := []runtimes.Step{{
		Name:     "get " + count(len(built), "source", "sources") + " and what building needs",
		Args:     append(run[:len(run):len(run)], "fetch", jobFile, whereaboutsFile),
		Env:      stepEnv(uvEnv...),
		Inputs:   append(inputs, jsonInput(jobFile, job), whereaboutsOf(r)),
		Caches:   []runtimes.CacheMount{{ID: "layerbuild-uv", Path: uvCache}},
		CABundle: []string{"SSL_CERT_FILE"},
		Netrc:    []string{"NETRC"},
	}}
	for _, p := range built {
		steps = append(steps, runtimes.Step{
			Name: strings.TrimSpace("build " + p.Name + " " + versionOf(p)),
			Args: append(run[:len(run):len(run)], "build", jobFile, p.Name),
			Env:  stepEnv(append(versionEnv(p), buildEnv...)...),
		})
	}
	return steps
}

// versionEnv tells the version to tools that would ask version control for it:
// that is not brought along.
func versionEnv(p runtimes.Package) []string {
	if p.Build.Version == "" {
		return nil
	}
	return []string{"PDM_BUILD_SCM_VERSION=" + p.Build.Version, "SETUPTOOLS_SCM_PRETEND_VERSION=" + p.Build.Version}
}

// versionOf is a package's version as far as it is known, for people.
func versionOf(p runtimes.Package) string {
	if p.Version == localVersion {
		return ""
	}
	return p.Version
}

// containerInput brings a file of the project into the container.
func containerInput(path string, f runtimes.File) runtimes.InlineFile {
	in := runtimes.InlineFile{Path: path}
	if r, err := f.Local.Open(); err == nil { // it is in memory, see localFile
		in.Data, _ = io.ReadAll(r)
		_ = r.Close()
	}
	return in
}

// buildEnv makes builds come out equal: no time but one, no order by chance,
// and no debugging information, which holds folders.
var buildEnv = []string{
	"CFLAGS=-g0",
	"CXXFLAGS=-g0",
	"LC_ALL=C.UTF-8",
	"PYTHONHASHSEED=0",
	"SOURCE_DATE_EPOCH=315532800",
	"UV_NO_CONFIG=1",
	"UV_OFFLINE=1",
	"UV_PYTHON_DOWNLOADS=never",
}
