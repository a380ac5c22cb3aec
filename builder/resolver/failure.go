package resolver

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// failure is an uv that did not succeed.
type failure struct {
	text string // what it said, without secrets
	exit *exec.ExitError
}

func (f *failure) Error() string { return "uv: " + f.exit.Error() }

var wheelsRequired = regexp.MustCompile("Wheels are required for `([^`]+)`")

// withoutWheels are the packages, normalised, for whose lack of wheels uv
// found no solution.
func (f *failure) withoutWheels() []string {
	var names []string
	for _, m := range wheelsRequired.FindAllStringSubmatch(f.text, -1) {
		names = append(names, pep.NormaliseName(m[1]))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var (
	refusedStatus = regexp.MustCompile(`\b(401) Unauthorized|\b(403) Forbidden|\b(407) Proxy Authentication Required`)
	fetchFailed   = regexp.MustCompile(`(?i)Failed to fetch|error sending request|Request failed|Failed to download|HTTP status|connection reset|timed out`)
	noPython      = regexp.MustCompile(`No interpreter found|Failed to inspect Python interpreter`)
	unknownIssuer = regexp.MustCompile(`(?i)UnknownIssuer|unable to get local issuer|self[- ]signed certificate`)
	wrongTime     = regexp.MustCompile(`certificate expired|certificate not valid yet`)
	address       = regexp.MustCompile("https?://[^\\s`()<>\"']+")
)

// explain turns uv's words into an error of a kind that the user is told what
// to do about.
func (c *compilation) explain(f *failure) error {
	text := explanation(f.text)
	where, _ := url.Parse(strings.TrimRight(address.FindString(f.text), ".,;:"))
	switch {
	case where != nil && where.Host != "" && refusedStatus.MatchString(f.text):
		return c.refused(where, refusedStatus.FindString(f.text)[:3])
	case fetchFailed.MatchString(f.text):
		network := &runtimes.NetworkError{URL: "what " + c.question.Name + " needs", Err: errors.New(text)}
		if where != nil && where.Host != "" {
			network.URL = where.String()
			network.Err = errors.New(lastCause(text))
		}
		if unknownIssuer.MatchString(f.text) {
			network.Err = x509.UnknownAuthorityError{}
		}
		if wrongTime.MatchString(f.text) {
			network.Err = x509.CertificateInvalidError{Reason: x509.Expired, Detail: lastCause(text)}
		}
		return network
	case noPython.MatchString(f.text):
		return &runtimes.InputError{
			Problem: "resolving needs a Python on this machine, and uv finds none that it can use",
			Hint:    "install Python 3, of any version from 3.8 on, so that python3 is on PATH; it runs none of the packages",
		}
	}
	hint := "loosen or change what is asked for"
	if names := f.withoutWheels(); len(names) > 0 {
		hint = "name a version of " + strings.Join(names, " and of ") + " that fits, as in \"" + names[0] + "==1.0\""
	}
	return questionError(c.question, hint, errors.New(text))
}

func (c *compilation) refused(where *url.URL, status string) error {
	code, _ := strconv.Atoi(status)
	if code == http.StatusProxyAuthRequired {
		return &runtimes.LoginError{Host: "the proxy", Status: code}
	}
	return runtimes.Refused(c.logins, where, code)
}

// maxLines bounds what is shown of uv's explanation.
const maxLines = 40

// explanation is what uv said but for its own headings, and for hints on
// options that nobody can give it here.
func explanation(text string) string {
	text = strings.TrimPrefix(strings.TrimSpace(text), "error: ")
	text = strings.TrimPrefix(text, "No solution found when resolving dependencies\n  cause: ")
	var kept []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		option := strings.HasPrefix(line, "hint:") && strings.Contains(line, "`--")
		if line != "" && !option && !strings.HasPrefix(line, "warning:") {
			kept = append(kept, line)
		}
	}
	if len(kept) > maxLines {
		kept = append(kept[:maxLines], "…")
	}
	return strings.Join(kept, "\n")
}

// lastCause is the innermost of uv's reasons.
func lastCause(text string) string {
	last := ""
	for line := range strings.Lines(text) {
		if cause, ok := strings.CutPrefix(strings.TrimSpace(line), "cause: "); ok {
			last = cause
		}
	}
	if last == "" {
		return text
	}
	return last
}

// redact takes out of uv's words what may be a secret: the user and the query
// of an address, and every password that uv was given.
func (c *compilation) redact(text string) string {
	text = address.ReplaceAllStringFunc(text, func(a string) string {
		u, err := url.Parse(a)
		if err != nil {
			return "(an address that cannot be read)"
		}
		u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
		return u.String()
	})
	for _, login := range c.logins {
		if login.Password != "" {
			text = strings.ReplaceAll(text, login.Password, "***")
		}
	}
	return text
}
