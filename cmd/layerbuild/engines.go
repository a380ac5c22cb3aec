package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/builder/git"
	"github.com/layerbuild/layerbuild/builder/maven"
	"github.com/layerbuild/layerbuild/builder/modules"
	"github.com/layerbuild/layerbuild/builder/resolver"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java"
	"github.com/layerbuild/layerbuild/runtimes/node"
	"github.com/layerbuild/layerbuild/runtimes/python"
)

// connect gives a builder its plugins and engines. What they leave running
// ends with the function it returns; what they keep on disk is in cacheDir.
func (s *selection) connect(ctx context.Context, b *builder.Builder, cacheDir string) (func() error, error) {
	configured, err := findIndexes(ctx, b.Config)
	if err != nil {
		return nil, err
	}
	registries, err := findRegistries(b.Config)
	if err != nil {
		return nil, err
	}
	caBundle, err := findCABundle(b.Config, configured.Certificates, registries.Certificates)
	if err != nil {
		return nil, err
	}
	ofMaven, err := findMaven(b.Config)
	if err != nil {
		return nil, err
	}
	logins := slices.Concat(configured.Logins, registries.Logins, ofMaven.logins)
	client, err := direct.NewClient(caBundle, logins)
	if err != nil {
		return nil, err
	}
	b.Runtimes = []runtimes.Runtime{python.Runtime{}, node.Runtime{}, java.Runtime{}}
	b.Index = &origins{
		packages:     direct.Index{Client: client},
		repositories: git.Repositories{Store: keptFiles{b.Cache}, Values: b.Cache, CABundle: caBundle},
	}
	b.Indexes = map[string][]string{"python": configured.Indexes, "nodejs": registries.Registries, "java": ofMaven.settings.Indexes()}
	engine := &direct.Engine{Downloads: downloads{b.Cache}, Client: client, Jobs: s.jobs}
	b.Direct = engine
	b.Resolvers = map[string]builder.Resolver{
		"pypi": &resolver.Resolver{
			Engine: engine, Folder: filepath.Join(cacheDir, "resolver"), Logins: configured.Logins, CABundle: caBundle,
		},
	}
	if err := s.connectRemotes(ctx, b, caBundle, logins); err != nil {
		return nil, err
	}
	containers := s.containers(b.Config, cacheDir, caBundle, logins)
	b.Containers = container{containers}
	b.Resolvers["maven"] = javaResolver{
		poms: &maven.Resolver{
			Containers: b.Containers, Folder: filepath.Join(cacheDir, "maven"), CABundle: caBundle,
			Settings: ofMaven.settings, Project: ofMaven.project, Logins: logins,
		},
		modules: &modules.Resolver{Repositories: engine, Jobs: s.jobs},
	}
	return containers.Close, nil
}

// containers is the engine for containers that flags and configuration name.
func (s *selection) containers(config *builder.Config, cacheDir, caBundle string, logins []runtimes.Login) *buildkit.Engine {
	tls := config.Builder.TLS
	at := func(address, from string) *buildkit.Engine {
		return &buildkit.Engine{
			Address:      address,
			AddressFrom:  from,
			DaemonFolder: filepath.Join(cacheDir, "buildkitd"),
			TLS:          buildkit.TLS{CACert: tls.CA, Cert: tls.Cert, Key: tls.Key, ServerName: tls.ServerName},
			CABundle:     caBundle,
			Logins:       logins,
			NPM:          direct.DefaultRegistry(),
			HostNetwork:  config.Builder.Network == "host",
			NoCache:      s.noCache,
		}
	}
	engine := at(s.builderAddress(config))
	engine.ByArch = make(map[runtimes.Arch]*buildkit.Engine)
	for arch, address := range config.Builder.ByArch {
		engine.ByArch[arch] = at(address, builder.ConfigName+", for "+string(arch))
	}
	return engine
}

// origins answers for package indexes and for Git repositories.
type origins struct {
	packages     direct.Index
	repositories git.Repositories
}

func (x *origins) Files(ctx context.Context, q runtimes.FileRequest) ([]runtimes.File, error) {
	if q.Ecosystem == "git" {
		return x.repositories.Files(ctx, q)
	}
	return x.packages.Files(ctx, q)
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
