package builder

import (
	"context"
	"io"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// Engine follows a recipe and writes the installed tree to w as a tar.
type Engine interface {
	Install(ctx context.Context, r runtimes.Recipe, w io.Writer, p runtimes.Progress) error
}

// ContainerEngine is an engine that runs container images.
type ContainerEngine interface {
	Engine
	// Ping says where the engine is and who named it. It returns a
	// [*runtimes.UnreachableError] where nobody answers.
	Ping(ctx context.Context) (place string, err error)
	// Emulates tells whether steps that must run on an architecture would be
	// emulated, or gives an error where they cannot run at all.
	Emulates(ctx context.Context, arch runtimes.Arch) (bool, error)
	// Accepts says why a recipe cannot be installed in a container.
	Accepts(r runtimes.Recipe) error
	// ResolveImage returns the index digest, "sha256:…", of an image tag.
	ResolveImage(ctx context.Context, ref string) (string, error)
	// Probe runs a command with a layer, and writes to w, as a tar, the folder
	// that it leaves.
	Probe(ctx context.Context, p runtimes.Probe, w io.Writer, progress runtimes.Progress) error
}

// Index knows the files of packages: the ecosystem's package index.
type Index interface {
	Files(ctx context.Context, q runtimes.FileRequest) ([]runtimes.File, error)
}

// Resolver answers questions with a tool that layerbuild.lock pins. It runs
// nothing of a project or a package.
type Resolver interface {
	// Resolve returns an answer, sorted. Versions in earlier stay where they
	// fit, but for the packages in upgrade; "*" stands for all.
	Resolve(ctx context.Context, q runtimes.Question, tool runtimes.Tool, earlier []runtimes.Pinned, upgrade []string) ([]runtimes.Pinned, error)
}

// Builder builds the layers of one configuration.
type Builder struct {
	Config     *Config
	Cache      *cache.Cache // with its remotes
	Runtimes   []runtimes.Runtime
	Index      Index
	Resolvers  map[string]Resolver // by the ecosystem of their questions
	Indexes    map[string][]string // package indexes configured outside the lock files, by language
	Containers ContainerEngine     // nil where no address is known
	Direct     Engine
	Report     func(Event) // must be safe for concurrent use
}
