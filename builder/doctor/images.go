package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/runtimes"
)

// Image is an image in which a layer of the configuration would be built.
type Image struct {
	Ref  string
	Arch runtimes.Arch
}

// imageLimit is how long the registries of images have to answer. The daemon asks
// some of them several times.
const imageLimit = 20 * time.Second

// askedImage is what a registry said of an image.
type askedImage struct {
	ref  string
	err  error
	took time.Duration
}

// images asks for each image whether a build would get it: the daemon asks the
// registry, with the logins that Docker has here. Nothing is pulled.
func (c Containers) images(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, imageLimit)
	defer cancel()
	var asked []*askedImage
	var wg sync.WaitGroup
	seen := make(map[string]bool)
	for _, image := range c.Images {
		engine := c.Engine
		if other := c.Engine.ByArch[image.Arch]; other != nil {
			engine = other
		}
		key := engine.Address + " " + image.Ref
		if seen[key] {
			continue
		}
		seen[key] = true
		a := &askedImage{ref: image.Ref}
		asked = append(asked, a)
		wg.Go(func() {
			begin := time.Now()
			a.err = engine.AskImage(ctx, image.Ref)
			a.took = time.Since(begin)
		})
	}
	wg.Wait()
	return byRegistry(ctx, asked)
}

// byRegistry is a finding for each registry: the first image that it does not
// give, or that it gives all.
func byRegistry(ctx context.Context, asked []*askedImage) []Finding {
	var all []Finding
	at := make(map[string]int)
	for _, a := range asked {
		if unreachable := (*runtimes.UnreachableError)(nil); errors.As(a.err, &unreachable) {
			continue // it has been said of the builder
		}
		host := buildkit.ImageHost(a.ref)
		f := imageFinding(ctx, host, a)
		i, ok := at[host]
		if !ok {
			at[host] = len(all)
			all = append(all, f)
		} else if all[i].Status == OK && f.Status != OK {
			all[i] = f
		}
	}
	return all
}

func imageFinding(ctx context.Context, host string, a *askedImage) Finding {
	f := Finding{Subject: "image registry", Status: Fail, Err: a.err}
	var login *runtimes.LoginError
	var input *runtimes.InputError
	switch {
	case a.err == nil:
		f.Status, f.Text = OK, fmt.Sprintf("%s answers (%d ms)", host, a.took.Milliseconds())
		if file := buildkit.ImageLogin(host); file != "" {
			f.Text += " and takes the login of " + file
		}
	case errors.As(a.err, &login):
		f.Text = login.Error()
	case errors.As(a.err, &input):
		f.Text = fmt.Sprintf("%s: %s: %s", host, a.ref, strings.TrimPrefix(input.Error(), "image "+a.ref+" "))
	default:
		err := a.err
		if network := (*runtimes.NetworkError)(nil); errors.As(err, &network) {
			err = network.Err
		}
		f.Text = fmt.Sprintf("%s does not answer BuildKit: %v", host, bare(ctx, err))
		f.Fix = "see whether the name is right, and whether the machine of BuildKit reaches that registry: mirrors and proxies for images are set up there"
	}
	return f
}
