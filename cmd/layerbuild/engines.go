package main

import (
	"cmp"
	"context"
	"os"
	"runtime"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python"
)

// systemBuildKit is where a buildkitd listens that nobody configured.
const systemBuildKit = "/run/buildkit/buildkitd.sock"

// connect gives a builder its plugins and engines.
func (s *selection) connect(b *builder.Builder) error {
	configured, err := findIndexes(b.Config)
	if err != nil {
		return err
	}
	caBundle, err := findCABundle(b.Config, configured.Certificates)
	if err != nil {
		return err
	}
	client, err := direct.NewClient(caBundle, configured.Logins)
	if err != nil {
		return &runtimes.InputError{File: caBundle, Problem: "cannot be used as a CA bundle", Err: err}
	}
	b.Runtimes = []runtimes.Runtime{python.Runtime{}}
	b.Index = &direct.Index{Client: client}
	b.Indexes = configured.Indexes
	b.Direct = &direct.Engine{Downloads: downloads{b.Cache}, Client: client, Jobs: s.jobs}
	if address := s.builderAddress(b.Config); address != "" {
		tls := b.Config.Builder.TLS
		b.Containers = container{&buildkit.Engine{
			Address:  address,
			TLS:      buildkit.TLS{CACert: tls.CA, Cert: tls.Cert, Key: tls.Key, ServerName: tls.ServerName},
			CABundle: caBundle,
			Logins:   configured.Logins,
			NoCache:  s.noCache,
		}}
	}
	return nil
}

// container is the BuildKit engine as the builder wants to see it.
type container struct{ *buildkit.Engine }

func (c container) Ping(ctx context.Context) error {
	_, err := c.Engine.Ping(ctx)
	return err
}

// builderAddress is where BuildKit is, or "": the flag wins, then the
// environment, then the configuration, then the system's own.
func (s *selection) builderAddress(config *builder.Config) string {
	address := cmp.Or(s.builder, os.Getenv("BUILDKIT_HOST"), config.Builder.Address)
	if address == "" && runtime.GOOS == "linux" {
		if _, err := os.Stat(systemBuildKit); err == nil {
			return "unix://" + systemBuildKit
		}
	}
	return address
}
