package node

import (
	_ "embed"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Where the steps find what they need.
const (
	npmrcFile = workFolder + "/npmrc"
	// whereaboutsFile has the addresses of tarballs, by name and version.
	whereaboutsFile = workFolder + "/whereabouts.json"
	npmCache        = workFolder + "/cache/npm"
	npmLogs         = workFolder + "/logs"
)

// npmCacheMount is npm's cache. Where a registry answers "Vary: Authorization",
// npm writes into it what it sent.
var npmCacheMount = runtimes.CacheMount{ID: "layerbuild-npm", Path: npmCache, KeepsLogins: true}

// installScript is the driver that runs a package manager in the container.
//
//go:embed install.mjs
var installScript []byte

// driverStep is a step in which the driver copies the written project to the
// output folder, runs a command there, and removes everything but node_modules.
// The files of the project are named below it.
func driverStep(t runtimes.Target, name string, files []runtimes.InlineFile, command ...string) runtimes.Step {
	script := workFolder + "/install.mjs"
	inputs := []runtimes.InlineFile{{Path: script, Data: installScript}}
	for _, f := range files {
		f.Path = path.Join(projectFolder, f.Path)
		inputs = append(inputs, f)
	}
	return runtimes.Step{
		Name:     name,
		Args:     append([]string{t.Runtime.Interpreter, script, projectFolder, outputFolder}, command...),
		Env:      stepEnv(),
		Inputs:   append(inputs, npmrcOf(t)),
		CABundle: []string{"NODE_EXTRA_CA_CERTS"},
	}
}

// stepEnv is the environment of a step, more and what every step needs. The
// image's own is not applied.
func stepEnv(more ...string) []string {
	env := append([]string{
		"HOME=/tmp",
		"LANG=C.UTF-8",
		"LD_LIBRARY_PATH=/var/lang/lib",
		"NO_COLOR=1",
		"NO_UPDATE_NOTIFIER=1",
		"PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin",
		"npm_config_cache=" + npmCache,
		"npm_config_fetch_timeout=120000",
		"npm_config_globalconfig=/dev/null",
		"npm_config_logs_dir=" + npmLogs,
		"npm_config_progress=false",
		"npm_config_update_notifier=false",
		"npm_config_userconfig=" + npmrcFile,
	}, more...)
	slices.Sort(env)
	return env
}

// npmrcOf says where packages may be fetched from, with the logins for that, and
// nothing else.
func npmrcOf(t runtimes.Target) runtimes.InlineFile {
	var lines strings.Builder
	for _, line := range t.Indexes {
		lines.WriteString(line + "\n")
	}
	return runtimes.InlineFile{Path: npmrcFile, Data: []byte(lines.String()), Whereabouts: true, Logins: runtimes.Npmrc}
}
