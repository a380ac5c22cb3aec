package buildkit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"github.com/layerbuild/layerbuild/runtimes"
)

// BuildKit's errors are texts: what failed is told by the vertex, and what
// happened by what it says.

// solveError says what a failed solve means.
func (p *place) solveError(err error, r runtimes.Recipe, f failure, logins []runtimes.Login) error {
	switch {
	case strings.Contains(err.Error(), hostNetwork+" is not allowed"):
		return &runtimes.InputError{
			Problem: "the daemon does not allow steps in its host's network",
			Hint:    "start buildkitd with --allow-insecure-entitlement " + hostNetwork + ", or leave out network: host",
		}
	case f.image:
		return imageError(err, r.Container.Image)
	case f.step:
		if mismatch := packageMismatch(f.lines, r.Packages); mismatch != nil {
			return mismatch
		}
		if cause := refusedLogin(networkCause(f.lines, logins), f.lines, r, logins); cause != nil {
			return &runtimes.InstallError{Step: f.name, Lines: f.lines, Err: cause}
		}
		return &runtimes.InstallError{Step: f.name, Lines: f.lines, Err: lostFile(f.lines, r, stepCause(err))}
	case lostDaemon(err):
		return p.unreachable(fmt.Errorf("the connection was lost: %w", dialCause(err)))
	}
	return plain(err)
}

// lostDaemon tells whether the connection broke. An error that names a vertex
// came through the connection, whatever its code.
func lostDaemon(err error) bool {
	var v *errdefs.VertexError
	return grpcerrors.Code(err) == codes.Unavailable && !errors.As(err, &v)
}

// noise is what BuildKit and gRPC put before the part of an error that says
// something to a user.
var noise = strings.NewReplacer(
	"failed to list workers: ", "",
	"failed to solve: ", "",
	"failed to load cache key: ", "",
	"failed to receive status: ", "",
	"rpc error: code = Unavailable desc = ", "",
	"Unavailable: ", "",
	"connection error: ", "",
	"Error while dialing: ", "",
	"transport: ", "",
)

// plain is err without noise and credentials; its chain, which still shows
// them, is cut off.
func plain(err error) error { return errors.New(redact(noise.Replace(err.Error()))) }

// dialCause says why the daemon does not answer.
func dialCause(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || grpcerrors.Code(err) == codes.DeadlineExceeded {
		return errors.New("no answer within " + answerTime.String())
	}
	text := plain(err).Error()
	if quoted, ok := strings.CutPrefix(text, "desc = "); ok {
		if inner, err := strconv.Unquote(quoted); err == nil {
			text = strings.TrimSpace(inner)
		}
	}
	return errors.New(text)
}

// What BuildKit says of an image that has no manifest for a platform, and of
// one whose content is not what was asked for.
const noPlatform = "no match for platform in manifest"

var imageMismatch = regexp.MustCompile(`unexpected commit digest (sha256:[0-9a-f]{64}), expected (sha256:[0-9a-f]{64})`)

// unknownImage tells whether a registry answered that it has nothing by that
// tag or digest.
func unknownImage(text, tagOrDigest string) bool {
	return strings.HasSuffix(text, tagOrDigest+": not found") ||
		strings.Contains(text, "MANIFEST_UNKNOWN") || strings.Contains(text, "manifest unknown")
}

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
	if unknownImage(text, want) {
		return &runtimes.DigestError{What: "image " + name, Want: want}
	}
	if strings.Contains(text, noPlatform) {
		return &runtimes.InputError{
			Problem: "image " + image + " is not for the daemon's platform",
			Err:     plain(err),
			Hint:    "pin the image's index, which is for several platforms, or use another daemon",
		}
	}
	if refused := refusedImage(text, name); refused != nil {
		return refused
	}
	return &runtimes.NetworkError{URL: image, Err: plain(err)}
}

// oldStepError is how BuildKit before v0.10, Docker 20.10's too, says it.
var oldStepError = regexp.MustCompile(`(?s)executor failed running \[.*\]: (.*)`)

// stepCause cuts the command, which BuildKit repeats in full, off the error of
// a step: "exit code: 1".
func stepCause(err error) error {
	if _, cause, ok := strings.Cut(err.Error(), "did not complete successfully: "); ok {
		return errors.New(redact(cause))
	}
	if m := oldStepError.FindStringSubmatch(err.Error()); m != nil {
		return errors.New(redact(m[1]))
	}
	return plain(err)
}
