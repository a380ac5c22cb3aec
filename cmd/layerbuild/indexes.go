package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java"
	"github.com/layerbuild/layerbuild/runtimes/java/settings"
	"github.com/layerbuild/layerbuild/runtimes/node/npmrc"
	"github.com/layerbuild/layerbuild/runtimes/python/indexes"
)

// findIndexes finds the package indexes that the user configured for pip and
// uv, with their logins, and those that the project's secrets give.
func findIndexes(ctx context.Context, config *builder.Config) (indexes.Configured, error) {
	m := indexes.ThisMachine(config.Root, layerFolders(config))
	m.Logins = secretLogins(ctx, config)
	return indexes.Find(m)
}

// findRegistries finds the registries that the user configured for npm and
// yarn.
func findRegistries(config *builder.Config) (npmrc.Configured, error) {
	return npmrc.Find(npmrc.ThisMachine(config.Root, layerFolders(config), direct.DefaultRegistry()))
}

// layerFolders lists the folders of the layers, each once.
func layerFolders(config *builder.Config) []string {
	var layers []string
	for _, l := range config.Layers {
		folder := filepath.Join(config.Root, filepath.FromSlash(l.Path))
		if !slices.Contains(layers, folder) {
			layers = append(layers, folder)
		}
	}
	return layers
}

// mavenConfigured is what the user configured for Maven.
type mavenConfigured struct {
	settings settings.Settings
	project  []settings.Repository // those that the project's poms name
	logins   []runtimes.Login      // of all of them
}

// findMaven finds the repositories that the user configured for Maven, and the
// logins for them and for those that the project names.
func findMaven(config *builder.Config) (mavenConfigured, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return mavenConfigured{}, nil // nobody's settings
	}
	var m mavenConfigured
	if m.settings, err = settings.Read(home, os.LookupEnv); err != nil || !m.settings.HasServers() {
		return m, err
	}
	for _, l := range config.Layers {
		for _, r := range java.Repositories(os.DirFS(config.Root), runtimes.Target{Path: l.Path, LockFile: l.LockFile}) {
			m.project = append(m.project, settings.Repository{ID: r.ID, URL: r.Address})
		}
	}
	m.logins, err = m.settings.Logins(m.project)
	return m, err
}

// caVariables name the file with the certificate authorities for the tools
// that a network behind a TLS proxy is set up for, the most general first.
var caVariables = []string{"SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}

// findCABundle is the file with the certificate authorities that the user's
// network needs, or "": the configuration wins, then the variables, then what
// pip and npm are configured with.
func findCABundle(config *builder.Config, tools ...string) (string, error) {
	if file := config.CABundle; file != "" {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return "", &runtimes.InputError{File: config.File, Problem: "caBundle: there is no file " + file,
				Hint: "put the file there, or correct caBundle, which is taken from the folder of " + filepath.Base(config.File)}
		}
		return file, nil
	}
	var candidates []string
	for _, name := range caVariables {
		candidates = append(candidates, os.Getenv(name))
	}
	for _, file := range append(candidates, tools...) {
		// A file that is not there is passed over, as other tools do; a folder,
		// which some take, cannot be handed on.
		if info, err := os.Stat(cmp.Or(file, "\x00")); err == nil && !info.IsDir() {
			return file, nil
		}
	}
	return "", nil
}
