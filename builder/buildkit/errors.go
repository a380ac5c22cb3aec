package buildkit

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"github.com/layerbuild/layerbuild/runtimes"
)

// BuildKit's errors are texts: what failed is told by the vertex, and what
// happened by what it says.

// solveError says what a failed solve means.
func (e *Engine) solveError(err error, r runtimes.Recipe, f failure) error {
	switch {
	case f.image:
		return imageError(err, r.Container.Image)
	case f.step:
		if mismatch := packageMismatch(f.lines, r.Packages); mismatch != nil {
			return mismatch
		}
		return &runtimes.InstallError{Step: f.name, Lines: f.lines, Err: stepCause(err)}
	case lostDaemon(err):
		return e.unreachable(dialCause(err))
	}
	return redacted(err)
}

// lostDaemon tells whether the connection broke. An error that names a vertex
// came through the connection, whatever its code.
func lostDaemon(err error) bool {
	var v *errdefs.VertexError
	return grpcerrors.Code(err) == codes.Unavailable && !errors.As(err, &v)
}

// dialCause takes gRPC's wrapping off a dial error.
func dialCause(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || grpcerrors.Code(err) == codes.DeadlineExceeded {
		return errors.New("no answer within " + answerTime.String())
	}
	text := err.Error()
	for _, noise := range []string{"failed to list workers: ", "failed to solve: ", "Unavailable: ", "connection error: ", "transport: "} {
		text = strings.ReplaceAll(text, noise, "")
	}
	if inner, ok := strings.CutPrefix(text, `desc = "`); ok {
		text = strings.TrimSuffix(inner, `"`)
	}
	return errors.New(redact(text))
}

// What BuildKit says where a registry has no such image, and where it sent
// another content than was asked for.
var (
	imageUnknown  = regexp.MustCompile(`: not found$|manifest unknown|MANIFEST_UNKNOWN`)
	imageMismatch = regexp.MustCompile(`unexpected commit digest (sha256:[0-9a-f]{64}), expected (sha256:[0-9a-f]{64})`)
)

// imageError says why image, which is pinned by digest, could not be had.
func imageError(err error, image string) error {
	name, want, _ := strings.Cut(image, "@sha256:")
	text := err.Error()
	if m := imageMismatch.FindStringSubmatch(text); m != nil {
		return &runtimes.DigestError{
			What: "image " + name,
			Want: strings.TrimPrefix(m[2], "sha256:"),
			Got:  strings.TrimPrefix(m[1], "sha256:"),
		}
	}
	if imageUnknown.MatchString(text) {
		return &runtimes.DigestError{What: "image " + name, Want: want}
	}
	return &runtimes.NetworkError{URL: image, Err: redacted(err)}
}

// stepCause cuts the command, which BuildKit repeats in full, off the error of
// a step: "exit code: 1".
func stepCause(err error) error {
	text := err.Error()
	if _, after, ok := strings.Cut(text, "did not complete successfully: "); ok {
		text = after
	}
	return errors.New(redact(text))
}

// redacted hides credentials in err's text, and the error itself: its chain
// would still show them.
func redacted(err error) error { return errors.New(redact(err.Error())) }
