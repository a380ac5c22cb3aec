package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

var errNoRegion = errors.New("no region is known: add ?region=… to the address, or set AWS_REGION")

// credentialsError: the chain of credentials gave none. It is no failure of the
// network, though a question to a machine that does not exist may be what it ended
// with, and the SDK has tried that again by itself.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string {
	return fmt.Sprintf("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role with web identity: %v", e.err)
}

// An Error says what the server answered, and what can be done about it.
type Error struct {
	Status int    // of HTTP
	Code   string // S3's own word for it, such as AccessDenied
	Advice string // "" where there is none
	err    error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%d %s", e.Status, e.Code)
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// Unwrap gives the SDK's own error, which holds the id of the request.
func (e *Error) Unwrap() error { return e.err }

// HTTPStatusCode tells what may be tried again from what may not.
func (e *Error) HTTPStatusCode() int { return e.Status }

// statusOf is the status of a server's answer, or 0.
func statusOf(err error) int {
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.Response == nil || answer.Response.Response == nil {
		return 0
	}
	return answer.HTTPStatusCode()
}

// explain turns what went wrong into an error that says with what, and what to do.
// Whose error it is says who knows the remote's name.
func (b *Backend) explain(ctx context.Context, op, name string, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = ctx.Err() // however it showed
	}
	var answer *smithyhttp.ResponseError
	var send *smithyhttp.RequestSendError
	var address *url.Error
	switch {
	case errors.As(err, &send) && errors.As(send, &address):
		err = address.Err // the rest says "StatusCode: 0"
	case statusOf(err) != 0 && errors.As(err, &answer):
		err = b.answered(answer)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return fmt.Errorf("%s %s: %w", op, name, err)
}

// answered explains an answer that is not the one hoped for.
func (b *Backend) answered(answer *smithyhttp.ResponseError) error {
	e := &Error{Status: answer.HTTPStatusCode(), Code: "UnknownError", err: answer}
	var api smithy.APIError
	if errors.As(answer, &api) {
		e.Code = api.ErrorCode()
	}
	region := answer.Response.Header.Get("X-Amz-Bucket-Region")
	switch {
	case e.Code == "NoSuchBucket":
		e.Advice = fmt.Sprintf("create bucket %s, or see whether name, region and endpoint are right", b.at.Bucket)
	case e.Status == http.StatusNotFound:
		return fs.ErrNotExist // a HEAD's answer has no code
	case e.Code == "InvalidAccessKeyId", e.Code == "SignatureDoesNotMatch", e.Code == "ExpiredToken", e.Code == "InvalidToken":
		e.Advice = "the credentials are wrong or have expired: renew them where they come from, " + b.source
	case e.Status == http.StatusMovedPermanently, e.Code == "AuthorizationHeaderMalformed":
		e.Advice = "the bucket is in another region: name it with ?region=… or AWS_REGION"
		if region != "" {
			e.Advice = fmt.Sprintf("the bucket is in another region: name it with ?region=%s or AWS_REGION", region)
		}
	case e.Status == http.StatusForbidden:
		e.Advice = "allow s3:GetObject and s3:ListBucket (without which S3 does not say that an object is missing), and s3:PutObject to push"
	}
	return e
}
