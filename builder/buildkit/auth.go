package buildkit

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"

	"github.com/layerbuild/layerbuild/runtimes"
)

// registryLogins gives the daemon the logins of image registries that Docker
// keeps, in its config.json or by the credential helpers that it names. The
// daemon asks for them with the session, where a registry demands one: they
// are in no graph and in no cache.
func registryLogins() session.Attachable {
	return authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(io.Discard)),
	})
}

// registryRefused is how containerd, which BuildKit asks registries with, says
// that one wants a login or refuses it: by the registry's own answer, that of the
// server which gives tokens, or since there is none to ask.
var registryRefused = regexp.MustCompile(`\b(401|403) (?:Unauthorized|Forbidden)\b|insufficient_scope|no basic auth credentials|authorization failed`)

// refusedImage says that a registry wants another login for an image than Docker
// has, nil where that is not what the error says.
func refusedImage(text, image string) error {
	m := registryRefused.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	e := &runtimes.LoginError{Host: imageHost(image), Status: http.StatusUnauthorized, Of: runtimes.OfImages}
	if m[1] == "403" {
		e.Status = http.StatusForbidden
	}
	file := config.LoadDefaultConfigFile(io.Discard)
	key := e.Host
	if key == dockerHub {
		key = "https://index.docker.io/v1/"
	}
	if l, err := file.GetAuthConfig(key); err == nil && (l.Username != "" || l.IdentityToken != "" || l.RegistryToken != "") {
		e.From = filepath.Join(config.Dir(), config.ConfigFileName)
	}
	return fmt.Errorf("pull image %s: %w", image, e)
}

const dockerHub = "docker.io"

// imageHost is the registry that an image's name means.
func imageHost(image string) string {
	host, _, ok := strings.Cut(image, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return dockerHub
	}
	return host
}
