package npmrc

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// A Place is the address of a registry, or of a tarball, with the login of its
// server.
type Place struct {
	Address  string
	Registry bool
	Login    runtimes.Login // with its password
}

// simple is what every package manager reads as it stands: npm expands "${", and
// its comments begin with ";" or "#".
var simple = regexp.MustCompile(`^[A-Za-z0-9._~+/=@|:!*,-]+$`)

// check refuses a login that some package manager reads as another one.
func (p Place) check() error {
	word := p.Login.User
	if p.Login.Bearer {
		word = p.Login.Password
	}
	if simple.MatchString(word) && (p.Login.Bearer || !strings.Contains(word, ":")) {
		return nil
	}
	return &runtimes.InputError{
		Problem: fmt.Sprintf("the user or token that %s has for %s cannot be given to a container", p.Login.From, p.Login.Host),
		Hint:    "it may hold letters, digits and a few signs (._~+/=@|!*,-); or use --engine direct",
	}
}

// keys are the names of p's registry in configuration files: its own, which
// yarn and bun look for, and that of all of its server, where tarballs may be.
func (p Place) keys() []string {
	u, err := url.Parse(p.Address)
	if err != nil || u.Host == "" {
		return nil
	}
	server := "//" + u.Host + "/"
	if at := "//" + u.Host + strings.TrimRight(u.EscapedPath(), "/") + "/"; p.Registry && at != server {
		return []string{at, server}
	}
	return []string{server}
}

// AddToNpmrc adds logins to an .npmrc.
func AddToNpmrc(file []byte, places []Place) ([]byte, error) {
	text := bytes.NewBuffer(bytes.Clone(file))
	written := map[string]bool{}
	for _, p := range places {
		if err := p.check(); err != nil {
			return nil, err
		}
		for _, key := range p.keys() {
			switch {
			case written[key]:
			case p.Login.Bearer:
				fmt.Fprintf(text, "%s:_authToken=%s\n", key, p.Login.Password)
			default:
				fmt.Fprintf(text, "%s:username=%s\n%[1]s:_password=%[3]s\n", key, p.Login.User, base64.StdEncoding.EncodeToString([]byte(p.Login.Password)))
			}
			written[key] = true
		}
	}
	return text.Bytes(), nil
}

// AddToYarnrc adds logins to a .yarnrc.yml, which must have no npmRegistries.
func AddToYarnrc(file []byte, places []Place) ([]byte, error) {
	config := map[string]any{}
	if err := yaml.Unmarshal(file, &config); err != nil {
		return nil, fmt.Errorf("add logins to .yarnrc.yml: %w", err)
	}
	registries := map[string]any{}
	for _, p := range places {
		if err := p.check(); err != nil {
			return nil, err
		}
		for _, key := range p.keys() {
			key = strings.TrimSuffix(key, "/")
			if registries[key] != nil {
				continue
			}
			login := map[string]any{"npmAlwaysAuth": true}
			if p.Login.Bearer {
				login["npmAuthToken"] = p.Login.Password
			} else {
				login["npmAuthIdent"] = base64.StdEncoding.EncodeToString([]byte(p.Login.User + ":" + p.Login.Password))
			}
			registries[key] = login
		}
	}
	config["npmRegistries"] = registries
	return yaml.Marshal(config)
}
