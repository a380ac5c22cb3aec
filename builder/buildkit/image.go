package buildkit

import (
	"context"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"

	"github.com/layerbuild/layerbuild/runtimes"
)

// ResolveImage returns the digest, "sha256:…", that ref's tag has now: that of
// the index where the image is for several platforms. The daemon asks the
// registry, so that its mirrors and its way through the network apply.
func (e *Engine) ResolveImage(ctx context.Context, ref string) (string, error) {
	if strings.Contains(ref, "@") {
		return "", fmt.Errorf("resolve image %s: it has a digest already", ref)
	}
	return e.askImage(ctx, ref)
}

// AskImage tells whether the registry would give ref, by its tag or its digest.
// Its layers are not asked for.
func (e *Engine) AskImage(ctx context.Context, ref string) error {
	_, err := e.askImage(ctx, ref)
	return err
}

func (e *Engine) askImage(ctx context.Context, ref string) (string, error) {
	c, err := e.dial(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := c.workers(ctx); err != nil {
		return "", err
	}

	var digest string
	resolve := func(ctx context.Context, g gateway.Client) (*gateway.Result, error) {
		// "pull" asks the registry even where the daemon knows the tag from
		// before. BuildKit gives no digest without one platform's
		// configuration; the digest is the index's all the same.
		_, d, _, err := sourceresolver.NewImageMetaResolver(g).ResolveImageConfig(ctx, ref, sourceresolver.Opt{
			ImageOpt: &sourceresolver.ResolveImageOpt{ResolveMode: "pull"},
		})
		if err != nil {
			return nil, err
		}
		digest = d.String()
		return gateway.NewResult(), nil
	}
	_, err = c.Build(ctx, client.SolveOpt{Session: []session.Attachable{registryLogins()}}, "", resolve, nil)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", c.resolveError(ctx, err, ref)
	}
	return digest, nil
}

// resolveError says why ref could not be resolved. The error has no vertex, so
// the daemon is asked whether it was it that went away.
func (c connection) resolveError(ctx context.Context, err error, ref string) error {
	tag := ref[strings.LastIndexAny(ref, ":/")+1:]
	if unknownImage(err.Error(), tag) {
		return &runtimes.InputError{Problem: "the registry has no such image", Hint: "check the image's name and tag"}
	}
	if strings.Contains(err.Error(), noPlatform) {
		return &runtimes.InputError{
			Problem: "image " + ref + " is not for the daemon's platform",
			Err:     plain(err),
			Hint:    "use a tag that is for several platforms, or another daemon",
		}
	}
	if lostDaemon(err) {
		if _, lost := c.workers(ctx); lost != nil {
			return lost
		}
	}
	if refused := refusedImage(err.Error(), ref); refused != nil {
		return refused
	}
	return &runtimes.NetworkError{URL: ref, Err: plain(err)}
}
