package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// An Error says what the registry answered, and what can be done about it.
type Error struct {
	Status int    // of HTTP
	Reason string // the registry's own codes, such as DENIED, or HTTP's words
	Advice string // "" where there is none
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%d %s", e.Status, e.Reason)
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// HTTPStatusCode tells what may be tried again from what may not.
func (e *Error) HTTPStatusCode() int { return e.Status }

// explain turns what went wrong into an error that says with what, and what to do.
// Whose error it is says who knows the remote's name.
func (b *Backend) explain(ctx context.Context, op, name string, err error) error {
	var answer *errcode.ErrorResponse
	var address *url.Error
	switch {
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		err = ctx.Err() // however it showed
	case errors.Is(err, errdef.ErrNotFound):
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		err = &Error{http.StatusUnauthorized, "no login", b.adviseLogin()}
	case errors.As(err, &answer):
		err = b.answered(answer)
	case errors.As(err, &address):
		err = address.Err // the address may be signed, where blobs lie elsewhere
	default:
		err = redacted{err}
	}
	return fmt.Errorf("%s %s: %w", op, name, err)
}

func (b *Backend) adviseLogin() string {
	return fmt.Sprintf("docker login %s, or a credential helper in docker's config.json", b.at.Registry)
}

// answered explains an answer that is not the one hoped for.
func (b *Backend) answered(answer *errcode.ErrorResponse) error {
	e := &Error{Status: answer.StatusCode, Reason: http.StatusText(answer.StatusCode)}
	var codes []string
	for _, inner := range answer.Errors {
		codes = append(codes, inner.Code)
	}
	if len(codes) > 0 {
		e.Reason = strings.Join(codes, ", ")
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		e.Advice = "the login is wrong or has expired: " + b.adviseLogin()
	case http.StatusForbidden:
		e.Advice = fmt.Sprintf("the login lacks the right to read repository %s, or to push to it", b.at.Repository)
	case http.StatusNotFound: // of what is put: what is missing otherwise is no error
		e.Advice = fmt.Sprintf("create repository %s first, if the registry does not do it by itself", b.at.Repository)
	case http.StatusRequestEntityTooLarge:
		e.Advice = "the registry, or a proxy before it, takes no blob that large"
	}
	return e
}

// redacted shows addresses without their queries: a signed one is a login.
type redacted struct{ err error }

var query = regexp.MustCompile(`\?[^\s"]+`)

func (r redacted) Error() string { return query.ReplaceAllString(r.err.Error(), "?…") }

func (r redacted) Unwrap() error { return r.err }
