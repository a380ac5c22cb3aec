package buildkit

import (
	"io"

	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
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
