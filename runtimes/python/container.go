package python

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// uvName and uvVersion name the build tool that installs wheels. Its files'
// hashes are pins.
const (
	uvName    = "uv"
	uvVersion = "0.13.9"
)

// Where things are in the container.
const (
	workFolder   = "/layerbuild"
	uvFolder     = workFolder + "/uv"
	outputFolder = "/layer"
	uvCache      = workFolder + "/cache/uv"
	pipCache     = workFolder + "/cache/pip"
	wheelsFolder = workFolder + "/wheels"

	whereaboutsFile = workFolder + "/whereabouts.json"
)

// installScript is the driver that runs uv in the container.
//
//go:embed install.py
var installScript []byte

// getUVScript is the driver that brings uv with pip.
//
//go:embed get_uv.py
var getUVScript []byte

// compileScript is the driver that compiles the packages to bytecode.
//
//go:embed compile.py
var compileScript []byte

// installJob is what installScript is told.
type installJob struct {
	UV            string           `json:"uv"`
	Python        string           `json:"python"`
	PythonVersion string           `json:"pythonVersion"`
	Platform      string           `json:"platform"`
	Prefix        string           `json:"prefix"`
	Cache         string           `json:"cache"`
	Wheels        string           `json:"wheels"`
	Packages      []installPackage `json:"packages"`
}

type installPackage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256,omitempty"` // "" for what was built
	File    string `json:"file,omitempty"`   // of the wheels folder, where it comes from the project
}

// whereabouts tell the scripts where to fetch from.
type whereabouts struct {
	Indexes  []string          `json:"indexes"`
	Mirrored bool              `json:"mirrored"`
	URLs     map[string]string `json:"urls"` // by package
}

// container says how r's wheels are installed in a container, or which pins
// that still needs. The installed tree has a Python installation's form below
// the output folder: lib/pythonX.Y/site-packages, bin, and what wheels add.
//
// The container runs natively for whatever machine has it: uv is told the
// target, and installs its wheels without running them. Each wheel that must be
// built is a part, of a container of the target's own architecture.
func container(t runtimes.Target, r runtimes.Recipe) ([]runtimes.Need, *runtimes.Container) {
	var needs []runtimes.Need
	image := pinnedImage(t, t.Image(false), &needs)
	imageToBuild := image
	if len(r.Built()) > 0 && t.Image(true) != t.Image(false) {
		imageToBuild = pinnedImage(t, t.Image(true), &needs)
	}
	uv := t.Pins.Tools[uvName]
	if len(uv.Files) == 0 {
		needs = append(needs, uvNeed())
	}
	if len(needs) > 0 {
		return needs, nil
	}
	steps := []runtimes.Step{bringUV(t, r, uv), installWheels(t, r)}
	if r.Bytecode {
		steps = append(steps, compileModules(t, r))
	}
	return nil, &runtimes.Container{
		Image:  image,
		Tools:  map[string]string{uvName: uv.Version},
		Parts:  builtWheels(t, r, uv, imageToBuild),
		Steps:  steps,
		Output: outputFolder,
	}
}

// pinnedImage returns an image with its digest, or adds that to what is needed.
func pinnedImage(t runtimes.Target, image string, needs *[]runtimes.Need) string {
	pinned := t.Pinned(image)
	if pinned == "" {
		*needs = append(*needs, runtimes.Need{Image: image})
	}
	return pinned
}

// uvNeed is the tool, in the version that a new layerbuild.lock gets. One that
// has another stays with it.
func uvNeed() runtimes.Need { return runtimes.Need{Tool: uvName, Version: uvVersion} }

// bringUV installs the pinned uv with the image's pip, which picks the file
// for the machine it runs on.
func bringUV(t runtimes.Target, r runtimes.Recipe, uv runtimes.Tool) runtimes.Step {
	line := uvName + "==" + uv.Version
	hashes := make([]string, 0, len(uv.Files))
	for _, f := range uv.Files {
		hashes = append(hashes, " --hash=sha256:"+f.SHA256)
	}
	slices.Sort(hashes)
	requirements, indexes := workFolder+"/uv.txt", workFolder+"/uv-indexes.txt"

	script := workFolder + "/get_uv.py"
	return runtimes.Step{
		Name: "get uv " + uv.Version,
		Args: []string{
			t.Runtime.Interpreter, "-I", "-B", script, "install",
			"--no-deps", "--require-hashes", "--only-binary", ":all:",
			"--target", uvFolder,
			"--requirement", requirements,
			"--requirement", indexes,
			"--progress-bar", "off",
		},
		Env: stepEnv("PIP_CACHE_DIR=" + pipCache),
		Inputs: []runtimes.InlineFile{
			{Path: script, Data: getUVScript},
			{Path: requirements, Data: []byte(line + strings.Join(hashes, "") + "\n")},
			{Path: indexes, Data: []byte(toolIndexLines(t, r)), Whereabouts: true},
		},
		// Where a server says that its answers vary with the login, pip writes
		// the login beside the answer.
		Caches:   []runtimes.CacheMount{{ID: "layerbuild-pip", Path: pipCache, KeepsLogins: true}},
		CABundle: []string{"PIP_CERT"},
		Netrc:    []string{"NETRC"},
	}
}

// toolIndexLines says where pip finds uv, in lines of a requirements file:
// where the user said that packages are, else in pip's own index, or in one
// that the lock file names.
func toolIndexLines(t runtimes.Target, r runtimes.Recipe) string {
	own := len(t.Indexes) == 0 || slices.Contains(t.Indexes, "")
	indexes := t.Indexes
	if own {
		indexes = r.Indexes // the user's extra ones are among them
	}
	var lines strings.Builder
	for _, index := range indexes {
		option := "--extra-index-url"
		if !own && lines.Len() == 0 {
			option = "--index-url"
		}
		if index != "" { // which is pip's own already
			lines.WriteString(option + " " + index + "\n")
		}
	}
	return lines.String()
}

// installWheels installs r's packages with the uv that [bringUV] brought.
func installWheels(t runtimes.Target, r runtimes.Recipe) runtimes.Step {
	job := installJob{
		UV:            uvFolder + "/bin/uv",
		Python:        t.Runtime.Interpreter,
		PythonVersion: t.Runtime.Version,
		Platform:      uvPlatform(t.Arch),
		Prefix:        outputFolder,
		Cache:         uvCache,
		Wheels:        wheelsFolder,
		Packages:      []installPackage{},
	}
	script, jobFile := workFolder+"/install.py", workFolder+"/install.json"
	inputs := []runtimes.InlineFile{{Path: script, Data: installScript}}
	for _, p := range r.Packages {
		install := installPackage{Name: p.Name, Version: p.Version}
		if p.Build == nil {
			install.SHA256 = p.File.SHA256
			if p.File.Local != nil {
				install.File = p.File.Name
				inputs = append(inputs, containerInput(wheelsFolder+"/"+p.File.Name, p.File))
			}
		}
		job.Packages = append(job.Packages, install)
	}
	return runtimes.Step{
		Name:     fmt.Sprintf("install %d packages", len(r.Packages)),
		Args:     []string{t.Runtime.Interpreter, "-I", "-B", script, jobFile, whereaboutsFile},
		Env:      stepEnv(uvEnv...),
		Inputs:   append(inputs, jsonInput(jobFile, job), whereaboutsOf(r)),
		Caches:   []runtimes.CacheMount{{ID: "layerbuild-uv", Path: uvCache}},
		CABundle: []string{"SSL_CERT_FILE"},
		Netrc:    []string{"NETRC"},
	}
}

// uvEnv is what uv is told by variables, where it uses the network.
var uvEnv = []string{
	"UV_HTTP_TIMEOUT=120",
	"UV_NO_CONFIG=1",
	"UV_NO_PROGRESS=1",
	"UV_PYTHON_DOWNLOADS=never",
}

func jsonInput(path string, v any) runtimes.InlineFile {
	data, _ := json.MarshalIndent(v, "", "\t") // strings cannot fail to marshal
	return runtimes.InlineFile{Path: path, Data: data}
}

// whereaboutsOf tells the scripts where r's files may be fetched from.
func whereaboutsOf(r runtimes.Recipe) runtimes.InlineFile {
	w := whereabouts{Indexes: append([]string{}, r.Indexes...), Mirrored: r.Mirrored, URLs: map[string]string{}}
	for _, p := range r.Packages {
		if p.File.URL != "" {
			w.URLs[p.Name] = p.File.URL
		}
	}
	in := jsonInput(whereaboutsFile, w)
	in.Whereabouts = true
	return in
}

// compileModules compiles what [installWheels] installed. It runs natively, too:
// a version of Python has one bytecode for all machines.
func compileModules(t runtimes.Target, r runtimes.Recipe) runtimes.Step {
	script, site := workFolder+"/compile.py", "/python"+t.Runtime.Version+"/site-packages"
	return runtimes.Step{
		Name: "compile to bytecode",
		// Not -I, under which PYTHONHASHSEED would mean nothing.
		Args: []string{
			t.Runtime.Interpreter, "-s", "-S", "-B", script,
			"/opt/" + r.Prefix, outputFolder + "/lib" + site, outputFolder + "/lib64" + site,
		},
		Env:    stepEnv("PYTHONHASHSEED=0"),
		Inputs: []runtimes.InlineFile{{Path: script, Data: compileScript}},
	}
}

// uvPlatform is the widest platform that uv knows for arch. Which wheel fits
// is decided before, from the runtime's own C library; uv, which does not know
// every manylinux level, is only not to refuse it.
func uvPlatform(arch runtimes.Arch) string {
	if arch == runtimes.ARM64 {
		return "aarch64-manylinux_2_40"
	}
	return "x86_64-manylinux_2_40"
}

// stepEnv is the environment of a step, more and what every step needs. The
// image's own is not applied; Lambda's Python finds its shared library through
// LD_LIBRARY_PATH.
func stepEnv(more ...string) []string {
	env := append([]string{
		"HOME=/tmp",
		"LANG=C.UTF-8",
		"LD_LIBRARY_PATH=/var/lang/lib",
		"NO_COLOR=1",
		"PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin",
		"PIP_CONFIG_FILE=/dev/null",
		"PIP_DEFAULT_TIMEOUT=120",
		"PIP_DISABLE_PIP_VERSION_CHECK=1",
		"PIP_NO_INPUT=1",
		"PIP_ROOT_USER_ACTION=ignore",
		"PYTHONDONTWRITEBYTECODE=1",
		"PYTHONUNBUFFERED=1",
	}, more...)
	slices.Sort(env)
	return env
}
