package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python"
)

// connect gives a builder its plugins and engines. What they leave running
// ends with the function it returns; what they keep on disk is in cacheDir.
func (s *selection) connect(b *builder.Builder, cacheDir string) (func() error, error) {
	caBundle, err := findCABundle(b.Config)
	if err != nil {
		return nil, err
	}
	client, err := direct.NewClient(caBundle)
	if err != nil {
		return nil, &runtimes.InputError{File: caBundle, Problem: "cannot be used as a CA bundle", Err: err}
	}
	b.Runtimes = []runtimes.Runtime{python.Runtime{}}
	b.Index = &direct.Index{Client: client}
	b.Indexes = indexes()
	b.Direct = &direct.Engine{Downloads: downloads{b.Cache}, Client: client, Jobs: s.jobs}
	address, from := s.builderAddress(b.Config)
	tls := b.Config.Builder.TLS
	containers := &buildkit.Engine{
		Address:      address,
		AddressFrom:  from,
		DaemonFolder: filepath.Join(cacheDir, "buildkitd"),
		TLS:          buildkit.TLS{CACert: tls.CA, Cert: tls.Cert, Key: tls.Key, ServerName: tls.ServerName},
		CABundle:     caBundle,
		HostNetwork:  b.Config.Builder.Network == "host",
		NoCache:      s.noCache,
	}
	b.Containers = container{containers}
	return containers.Close, nil
}

// container is the BuildKit engine as the builder wants to see it.
type container struct{ *buildkit.Engine }

func (c container) Ping(ctx context.Context) (string, error) {
	worker, err := c.Engine.Ping(ctx)
	return worker.Place, err
}

// builderAddress is where BuildKit is, and who says so: the flag wins, then
// the environment, then the configuration. Where nobody does, the engine looks
// for it once it is needed.
func (s *selection) builderAddress(config *builder.Config) (address, from string) {
	switch variable := os.Getenv("BUILDKIT_HOST"); {
	case s.builder != "":
		return s.builder, "--builder"
	case variable != "":
		return variable, "BUILDKIT_HOST"
	case config.Builder.Address != "":
		return config.Builder.Address, builder.ConfigName
	}
	return "", ""
}

// findCABundle is the file with the certificate authorities that the user's
// network needs, or "": the configuration wins, then the variable that most
// tools obey.
func findCABundle(config *builder.Config) (string, error) {
	file := cmp.Or(config.CABundle, os.Getenv("SSL_CERT_FILE"))
	if file == "" {
		return "", nil
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if config.CABundle == "" {
			return "", nil // what other tools ignore, too
		}
		return "", &runtimes.InputError{File: config.File, Problem: "caBundle: there is no file " + file}
	}
	return file, nil
}

// indexes are the package indexes that the user's environment names for pip
// and uv, the preferred one first. None means: those that the lock file
// names, else the ecosystem's own.
func indexes() []string {
	first := cmp.Or(os.Getenv("UV_DEFAULT_INDEX"), os.Getenv("UV_INDEX_URL"), os.Getenv("PIP_INDEX_URL"))
	if first == "" {
		return nil
	}
	all := []string{first}
	for _, variable := range []string{"UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"} {
		for _, address := range strings.Fields(os.Getenv(variable)) {
			// uv's form may name the index: name=address.
			if name, rest, ok := strings.Cut(address, "="); ok && !strings.Contains(name, "/") {
				address = rest
			}
			all = append(all, address)
		}
	}
	return all
}
