package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/oci"
	"github.com/layerbuild/layerbuild/cache/s3"
	"github.com/layerbuild/layerbuild/cache/share"
	"github.com/layerbuild/layerbuild/cache/web"
	"github.com/layerbuild/layerbuild/runtimes"
)

// The variables that name remotes, for CI; and what says that there is to be none.
const (
	cacheFromVariable = "LAYERBUILD_CACHE_FROM"
	cacheToVariable   = "LAYERBUILD_CACHE_TO"
	noRemote          = "none"
)

// remote is a cache that machines share, as the user named it.
type remote struct {
	url      *url.URL // without a login
	user     *url.Userinfo
	from     string // who named it
	token    func() (string, error)
	pull     bool
	push     bool
	required bool
}

// connectRemotes gives the builder's cache its remotes.
func (s *selection) connectRemotes(ctx context.Context, b *builder.Builder, caBundle string, logins []runtimes.Login) error {
	all, err := s.remotes(ctx, b.Config, caBundle, logins)
	if err != nil || len(all) == 0 {
		return err
	}
	b.Cache.Connect(all, cache.DefaultLimits(), func(text string) {
		b.Report(builder.Event{Kind: builder.Warned, Text: text})
	})
	return nil
}

// remotes makes the remotes that the user named.
func (s *selection) remotes(ctx context.Context, config *builder.Config, caBundle string, logins []runtimes.Login) ([]cache.Remote, error) {
	named, err := s.findRemotes(ctx, config)
	if err != nil || len(named) == 0 {
		return nil, err
	}
	roots, err := direct.Roots(caBundle)
	if err != nil {
		return nil, err
	}
	var all []cache.Remote
	for _, r := range named {
		backend, err := r.backend(roots, logins)
		if err != nil {
			return nil, &runtimes.InputError{Problem: r.from, Err: err, Hint: addressExamples}
		}
		all = append(all, cache.Remote{Name: backend.String(), Backend: backend, Pull: r.pull, Push: r.push, Required: r.required})
	}
	return all, nil
}

// findRemotes lists the remotes: those of the configuration, then those of the
// flags, or else of the variables.
func (s *selection) findRemotes(ctx context.Context, config *builder.Config) ([]remote, error) {
	from, fromWho := s.cacheFrom, "--cache-from"
	if len(from) == 0 {
		from, fromWho = strings.Fields(os.Getenv(cacheFromVariable)), cacheFromVariable
	}
	to, toWho := s.cacheTo, "--cache-to"
	if len(to) == 0 {
		to, toWho = strings.Fields(os.Getenv(cacheToVariable)), cacheToVariable
	}
	all, err := configuredRemotes(ctx, config)
	if err != nil {
		return nil, err
	}
	if slices.Contains(from, noRemote) {
		for i := range all {
			all[i].pull = false
		}
	}
	if slices.Contains(to, noRemote) {
		for i := range all {
			all[i].push = false
		}
	}
	for _, list := range []struct {
		addresses []string
		who       string
		use       func(*remote)
	}{
		{from, fromWho, func(r *remote) { r.pull = true }},
		{to, toWho, func(r *remote) { r.push = true }},
	} {
		for _, address := range list.addresses {
			if address == noRemote {
				continue
			}
			r, err := parseRemote(address, list.who)
			if err != nil {
				return nil, err
			}
			at := slices.IndexFunc(all, func(have remote) bool { return have.url.String() == r.url.String() })
			if at < 0 {
				at, all = len(all), append(all, r)
			}
			all[at].user = cmp.Or(all[at].user, r.user)
			list.use(&all[at])
		}
	}
	return slices.DeleteFunc(all, func(r remote) bool { return !r.pull && !r.push }), nil
}

// configuredRemotes are those of the configuration.
func configuredRemotes(ctx context.Context, config *builder.Config) ([]remote, error) {
	var all []remote
	for _, c := range config.Cache.Remotes {
		r, err := parseRemote(c.URL, fmt.Sprintf("%s, line %d", config.File, c.Line))
		if err != nil {
			return nil, err
		}
		r.pull, r.required = true, c.Required
		switch c.Push {
		case builder.PushAlways:
			r.push = true
		case builder.PushAuto:
			r.push = onTrustedBranch(os.Getenv)
		}
		if c.Token.Env != "" || c.Token.File != "" || c.Token.Command != nil {
			secret := builder.Secret{Server: r.url.Host, Line: c.Line, Password: c.Token}
			r.token = sync.OnceValues(func() (string, error) { return fetchSecret(ctx, config, secret) })
		}
		all = append(all, r)
	}
	return all, nil
}

const addressExamples = "for example https://cache.example/layers, s3://bucket/prefix, oci://registry.example/layers or file:///mnt/layers"

// parseRemote reads an address and takes the login off. Its errors do not show
// the address, for a part that cannot be read may be a password.
func parseRemote(address, who string) (remote, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return remote{}, &runtimes.InputError{Problem: who + ": this is no address of a cache",
			Hint: addressExamples}
	}
	r := remote{url: u, user: u.User, from: who}
	u.User = nil
	return r, nil
}

// namedBackend is a backend whose address can be shown.
type namedBackend interface {
	cache.Backend
	fmt.Stringer
}

// backend makes what a remote's address stands for: the one list of the kinds
// that there are.
func (r remote) backend(roots *x509.CertPool, logins []runtimes.Login) (namedBackend, error) {
	shown := *r.url
	shown.RawQuery, shown.Fragment = "", "" // where a token may stand
	switch r.url.Scheme {
	case "http", "https":
		if err := web.CheckAddress(r.url); err != nil {
			return nil, fmt.Errorf("%s: %w", &shown, err)
		}
		return web.New(r.url, r.login(logins), roots), nil
	case "file":
		dir, err := shareFolder(r.url)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", &shown, err)
		}
		return share.New(dir), nil
	case "s3":
		at, err := s3.ParseLocation(r.withLogin())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", &shown, err)
		}
		return s3.New(at, roots), nil
	case "oci":
		at, err := oci.ParseLocation(r.withLogin())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", &shown, err)
		}
		return oci.New(at, roots), nil
	}
	return nil, fmt.Errorf("%s: there are caches at https, http, file, s3 and oci addresses, and none at %s", &shown, r.url.Scheme)
}

// withLogin is the address as it was given, for those who refuse a login in it.
func (r remote) withLogin() *url.URL {
	u := *r.url
	u.User = r.user
	return &u
}

// shareFolder is the folder of a file address.
func shareFolder(u *url.URL) (string, error) {
	dir := filepath.FromSlash(u.Path)
	if runtime.GOOS == "windows" {
		dir = strings.TrimPrefix(dir, `\`)
	}
	if u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || u.Fragment != "" || !filepath.IsAbs(dir) {
		return "", errors.New("not of the form file:///folder")
	}
	return dir, nil
}

// login says who is to be told what: the configuration's token wins, then what
// stands in the address, then the logins for its server that secrets, .netrc and
// the rest give.
func (r remote) login(logins []runtimes.Login) web.Login {
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	return func(context.Context) (string, error) {
		if r.token != nil {
			token, err := r.token()
			return "Bearer " + token, err
		}
		if r.user != nil {
			password, _ := r.user.Password()
			return basic(r.user.Username(), password), nil
		}
		l, known := runtimes.FindLogin(logins, r.url)
		if !known {
			return "", nil
		}
		l, err := l.Fetch()
		switch {
		case err != nil:
			return "", err
		case l.Bearer:
			return "Bearer " + l.Password, nil
		}
		return basic(l.User, l.Password), nil
	}
}
