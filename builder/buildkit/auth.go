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
	e := &runtimes.LoginError{Host: ImageHost(image), Status: http.StatusUnauthorized, Of: runtimes.OfImages}
	if m[1] == "403" {
		e.Status = http.StatusForbidden
	}
	e.From = ImageLogin(e.Host)
	return fmt.Errorf("pull image %s: %w", image, e)
}

// ImageLogin is the file that names Docker's login for a registry, "" where there
// is none.
func ImageLogin(host string) string {
	key := host
	if key == dockerHub {
		key = "https://index.docker.io/v1/"
	}
	l, err := config.LoadDefaultConfigFile(io.Discard).GetAuthConfig(key)
	if err != nil || l.Username == "" && l.IdentityToken == "" && l.RegistryToken == "" {
		return ""
	}
	return filepath.Join(config.Dir(), config.ConfigFileName)
}

const dockerHub = "docker.io"

// ImageHost is the registry that an image's name means.
func ImageHost(image string) string {
	host, _, ok := strings.Cut(image, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return dockerHub
	}
	return host
}
