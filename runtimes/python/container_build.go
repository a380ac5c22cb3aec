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

// builtWheels are the wheels that r's packages lack.
func builtWheels(t runtimes.Target, r runtimes.Recipe, uv runtimes.Tool, image string) []runtimes.Part {
	var parts []runtimes.Part
	for _, p := range r.Built() {
		one := r
		one.Packages = []runtimes.Package{p}
		one.Container = &runtimes.Container{
			Image:  image,
			Arch:   t.Arch,
			Tools:  map[string]string{uvName: uv.Version},
			Steps:  append([]runtimes.Step{bringUV(t, one, uv)}, buildSteps(t, one, p)...),
			Output: wheelsFolder,
		}
		parts = append(parts, runtimes.Part{Name: title(p), Recipe: one, Path: wheelsFolder})
	}
	return parts
}

// buildSteps build a package's wheel: one step fetches all that it takes, and
// one builds it. Only the first has logins and the network in mind, and only
// the other runs the package's code.
func buildSteps(t runtimes.Target, r runtimes.Recipe, p runtimes.Package) []runtimes.Step {
	script, jobFile := workFolder+"/build.py", workFolder+"/build.json"
	inputs := []runtimes.InlineFile{{Path: script, Data: buildScript}}
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
	job := buildJob{
		UV: uvFolder + "/bin/uv", Python: t.Runtime.Interpreter, Cache: uvCache,
		Folder: buildFolder, Wheels: wheelsFolder, Sources: []buildSource{source},
	}
	run := []string{t.Runtime.Interpreter, "-I", "-B", script}
	return []runtimes.Step{{
		Name:     "get " + title(p) + " and what building it needs",
		Args:     append(run[:len(run):len(run)], "fetch", jobFile, whereaboutsFile),
		Env:      stepEnv(uvEnv...),
		Inputs:   append(inputs, jsonInput(jobFile, job), whereaboutsOf(r)),
		Caches:   []runtimes.CacheMount{{ID: "layerbuild-uv", Path: uvCache}},
		CABundle: []string{"SSL_CERT_FILE"},
		Netrc:    []string{"NETRC"},
	}, {
		Name: "build " + title(p),
		Args: append(run[:len(run):len(run)], "build", jobFile, p.Name),
		Env:  stepEnv(append(versionEnv(p), buildEnv...)...),
	}}
}

// title names a package for people, with its version where that is known.
func title(p runtimes.Package) string { return strings.TrimSpace(p.Name + " " + versionOf(p)) }

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
