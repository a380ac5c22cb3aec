package buildkit

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/settings"
	"github.com/layerbuild/layerbuild/runtimes/node/npmrc"
)

// address is that of an index: Node.js has lines of an .npmrc.
func address(index string) string {
	if key, value, ok := strings.Cut(index, "registry="); ok && (key == "" || strings.HasPrefix(key, "@")) {
		return value
	}
	return index
}

// placesOf are the servers that r's steps may ask and that have a login, the
// registries first.
func (e *Engine) placesOf(r runtimes.Recipe, logins []runtimes.Login) []npmrc.Place {
	var places []npmrc.Place
	add := func(address string, registry bool) {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return // whoever asks there says what is wrong
		}
		if l, ok := runtimes.FindLogin(logins, u); ok {
			places = append(places, npmrc.Place{Address: address, Registry: registry, Login: l})
		}
	}
	for _, index := range r.Indexes {
		add(address(index), true)
	}
	add(e.NPM, true)
	for _, p := range r.Packages {
		add(p.File.URL, false)
	}
	return places
}

// loginFiles are the files of steps that hold logins, by their paths.
func (e *Engine) loginFiles(r runtimes.Recipe, logins []runtimes.Login) (map[string][]byte, error) {
	files := make(map[string][]byte)
	if r.Container == nil {
		return files, nil
	}
	for _, step := range r.Container.Steps {
		for _, in := range step.Inputs {
			data, err := e.withLogins(r, in, logins)
			if err != nil {
				return nil, err
			}
			if data == nil {
				continue
			}
			if len(data) > maxSecret {
				return nil, fmt.Errorf("%s has %d bytes with its logins; BuildKit passes on at most %d", in.Path, len(data), maxSecret)
			}
			files[in.Path] = data
		}
	}
	return files, nil
}

// withLogins is the content of a file with the logins that it needs, nil where
// that is none.
func (e *Engine) withLogins(r runtimes.Recipe, in runtimes.InlineFile, logins []runtimes.Login) ([]byte, error) {
	if in.Logins == runtimes.NoLogins {
		return nil, nil
	}
	if in.Logins == runtimes.MavenSettings {
		return settings.AddServers(in.Data, logins, func(password string) string { return password })
	}
	places := e.placesOf(r, logins)
	if len(places) == 0 {
		return nil, nil
	}
	switch in.Logins {
	case runtimes.Npmrc:
		return npmrc.AddToNpmrc(in.Data, places)
	case runtimes.YarnrcYML:
		return npmrc.AddToYarnrc(in.Data, places)
	}
	return nil, fmt.Errorf("%s: no form of logins is called %q", in.Path, in.Logins)
}

// loginFileID is the secret of a file that holds logins.
func loginFileID(path string) string { return "layerbuild-logins" + strings.ReplaceAll(path, "/", "-") }
