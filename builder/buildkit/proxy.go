package buildkit

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/moby/buildkit/client/llb"
)

// proxyFromEnvironment returns nil where the environment names no proxy.
// BuildKit keeps proxies out of its cache keys.
func proxyFromEnvironment() *llb.ProxyEnv {
	get := func(name string) string { return cmp.Or(os.Getenv(name), os.Getenv(strings.ToLower(name))) }
	p := llb.ProxyEnv{HTTPProxy: get("HTTP_PROXY"), HTTPSProxy: get("HTTPS_PROXY"), NoProxy: get("NO_PROXY")}
	if p.HTTPProxy == "" && p.HTTPSProxy == "" {
		return nil
	}
	return &p
}

// holdsLogin tells whether a proxy's address has a user or password. Such a
// proxy is a secret: the daemon keeps those of graphs in its history.
func holdsLogin(p *llb.ProxyEnv) bool {
	return p != nil && (strings.Contains(p.HTTPProxy, "@") || strings.Contains(p.HTTPSProxy, "@"))
}

// proxySecrets puts the variables that BuildKit would set for p into secrets,
// by their IDs, and returns the IDs by variable.
func proxySecrets(p *llb.ProxyEnv, secrets map[string][]byte) map[string]string {
	variables := make(map[string]string)
	for name, value := range map[string]string{
		"HTTP_PROXY": p.HTTPProxy, "HTTPS_PROXY": p.HTTPSProxy, "NO_PROXY": p.NoProxy,
	} {
		if value == "" {
			continue
		}
		id := "layerbuild-" + name
		secrets[id] = []byte(value)
		variables[name], variables[strings.ToLower(name)] = id, id
	}
	return variables
}

// secretEnv sets variables from secrets.
func secretEnv(variables map[string]string) []llb.RunOption {
	var opts []llb.RunOption
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		opts = append(opts, llb.AddSecretWithDest(variables[name], nil, llb.SecretAsEnvName(name)))
	}
	return opts
}
