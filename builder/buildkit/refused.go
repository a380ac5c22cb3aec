package buildkit

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// refusedLogin adds to a cause of [networkCause], where it is a server that
// wants another login, whose registry that is and which package it was asked
// for. Its result is nil where nobody was refused and cause is nil.
func refusedLogin(cause error, lines []string, r runtimes.Recipe, logins []runtimes.Login) error {
	if cause == nil {
		return yarnRefused(lines, r, logins)
	}
	var login *runtimes.LoginError
	if !errors.As(cause, &login) || login.Status == http.StatusProxyAuthRequired {
		return cause
	}
	return refusedPackage(lines, r, runtimes.RefusedBy(r.Runtime, cause))
}

// refusedPackage adds to the error of a server that refused a login which of r's
// packages was asked for, and where, as far as the last lines of its step tell.
func refusedPackage(lines []string, r runtimes.Recipe, refused error) error {
	text := strings.Join(lines, "\n")
	if m := lineMaven.FindStringSubmatch(text); m != nil {
		return &runtimes.NetworkError{URL: m[1] + " from " + redact(m[2]), Err: refused}
	}
	for _, address := range lineURL.FindAllString(text, -1) {
		u, err := url.Parse(strings.TrimRight(address, ".,:;"))
		if err != nil {
			continue
		}
		for _, p := range r.Packages {
			if strings.Contains(u.Path+"/", "/"+p.Name+"/") {
				u.RawQuery, u.Fragment = "", ""
				return &runtimes.NetworkError{URL: p.Name + " " + p.Version + " from " + redact(u.String()), Err: refused}
			}
		}
	}
	return refused
}

// lineYarn is how yarn 2 and later say that a registry answered 401, without
// where that is.
var lineYarn = regexp.MustCompile(`YN0041: .* (\S+)@npm:(\S+): Invalid authentication`)

// yarnRefused reads it. It is nil where no registry is configured for the
// package.
func yarnRefused(lines []string, r runtimes.Recipe, logins []runtimes.Login) error {
	m := lineYarn.FindStringSubmatch(strings.Join(lines, "\n"))
	if m == nil {
		return nil
	}
	scope, _, _ := strings.Cut(m[1], "/")
	for _, key := range []string{scope + ":registry=", "registry="} {
		for _, line := range r.Indexes {
			address, ok := strings.CutPrefix(line, key)
			u, err := url.Parse(address)
			if !ok || err != nil {
				continue
			}
			refused := runtimes.RefusedBy(r.Runtime, runtimes.Refused(logins, u, http.StatusUnauthorized))
			return &runtimes.NetworkError{URL: m[1] + " " + m[2] + " from " + redact(address), Err: refused}
		}
	}
	return nil
}
