package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/runtimes"
)

// Containers is what builds have for running containers.
type Containers struct {
	Engine *buildkit.Engine
	Asked  string                   // the engine that options and configuration ask for: "auto", "buildkit" or "direct"
	Runs   map[runtimes.Arch]string // what of the configuration needs a container of an architecture
	Arches []runtimes.Arch          // those of the configuration, or all
	Images []Image                  // those that builds would use
}

// startLimit is enough for a daemon that layerbuild starts itself, and for what
// that asks.
const startLimit = 40*time.Second + imageLimit

// Check says which engine would be used, why, and for which platforms containers
// can run.
func (c Containers) Check() Check {
	return Check{Subject: "engine", Limit: startLimit, Look: c.look}
}

func (c Containers) look(ctx context.Context) []Finding {
	if c.Asked == "direct" && len(c.Runs) == 0 {
		return one("engine", OK, "direct, as asked for: no container", "")
	}
	worker, err := c.Engine.Ping(ctx)
	if err != nil {
		return append([]Finding{c.without(err)}, c.others(ctx)...)
	}
	f := Finding{Subject: "engine", Status: OK, Text: fmt.Sprintf("buildkit %s at %s", worker.Version, worker.Place)}
	if c.Asked == "direct" {
		f.Text += " for what must run, else direct, as asked for"
	}
	all := []Finding{f}
	for _, arch := range c.Arches {
		if c.Engine.ByArch[arch] == nil {
			all = append(all, c.platform(ctx, arch, worker))
		}
	}
	all = append(all, c.others(ctx)...)
	return append(all, c.images(ctx)...)
}

// without says what it means that no BuildKit answers.
func (c Containers) without(err error) Finding {
	f := Finding{Subject: "engine", Err: err, Status: OK, Text: "direct: " + err.Error()}
	switch {
	case c.needed() != "":
		f.Status, f.Text = Fail, err.Error()+", and "+c.needed()
	case c.Engine.Address != "":
		f.Status = Warn
		f.Fix = "start BuildKit there, or correct " + c.Engine.AddressFrom
	default:
		f.Err = nil
		f.Text += "; looked at " + strings.Join(buildkit.Usual(), ", ")
		return f
	}
	if c.Engine.Address == "" {
		f.Text += "; looked at " + strings.Join(buildkit.Usual(), ", ")
	}
	return f
}

// others looks at the builders of single architectures.
func (c Containers) others(ctx context.Context) []Finding {
	var all []Finding
	for _, arch := range c.Arches {
		other := c.Engine.ByArch[arch]
		if other == nil {
			continue
		}
		worker, err := other.Ping(ctx)
		if err == nil {
			all = append(all, c.platform(ctx, arch, worker))
			continue
		}
		f := Finding{Subject: "platform", Status: Warn, Text: fmt.Sprintf("%s: %v", arch, err), Err: err,
			Fix: "start BuildKit there, or correct " + other.AddressFrom}
		if c.Runs[arch] != "" {
			f.Status = Fail
		}
		all = append(all, f)
	}
	return all
}

// platform says how containers for an architecture run.
func (c Containers) platform(ctx context.Context, arch runtimes.Arch, worker buildkit.Worker) Finding {
	f := Finding{Subject: "platform", Status: OK}
	emulated, err := c.Engine.Emulates(ctx, arch)
	at := "by " + worker.Place
	switch {
	case err != nil:
		f.Status, f.Text, f.Err = Warn, fmt.Sprintf("%s: nothing runs for it %s, which has %s; prebuilt packages need none", arch, at, strings.Join(worker.Platforms, ", ")), err
		if why := c.Runs[arch]; why != "" {
			f.Status, f.Text = Fail, fmt.Sprintf("%s: nothing runs for it %s, and %s", arch, at, why)
		}
		f.Fix = fmt.Sprintf("name a builder of that architecture (builder: architectures: {%s: …}), or emulate it (Debian: qemu-user-static and binfmt-support)", arch)
	case emulated:
		f.Text = fmt.Sprintf("%s: emulated %s; what is built from source takes many times as long", arch, at)
	default:
		f.Text = fmt.Sprintf("%s: native, %s", arch, at)
	}
	return f
}

// needed is why no build does without a BuildKit that is for every architecture,
// or "".
func (c Containers) needed() string {
	if c.Asked == "buildkit" {
		return "it is the engine that is asked for"
	}
	for _, arch := range c.Arches {
		if c.Engine.ByArch[arch] == nil && c.Runs[arch] != "" {
			return c.Runs[arch]
		}
	}
	return ""
}
