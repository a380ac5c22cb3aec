package buildkit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/client/llb"

	"github.com/layerbuild/layerbuild/builder/jvm"
	"github.com/layerbuild/layerbuild/runtimes"
)

const (
	trustStoreID   = "layerbuild-truststore"
	trustStorePath = "/run/secrets/layerbuild-truststore.jks"

	javaOptionsID = "layerbuild-java-options"
)

// addJava puts what the steps' Java is told into secrets: a trust store, which
// holds what a CA bundle does for other tools, and options, which name it and
// the proxies.
func (e *Engine) addJava(steps []runtimes.Step, secrets map[string][]byte) error {
	if !slices.ContainsFunc(steps, func(s runtimes.Step) bool { return len(s.JavaOptions) > 0 }) {
		return nil
	}
	file := ""
	if e.CABundle != "" {
		store, err := jvm.TrustStore(e.CABundle)
		if err != nil {
			return err
		}
		if len(store) > maxSecret {
			return &runtimes.InputError{
				File:    e.CABundle,
				Problem: fmt.Sprintf("with the system's authorities the trust store for Java has %d bytes; BuildKit passes on at most %d", len(store), maxSecret),
				Hint:    "leave out the authorities that the package indexes do not need",
			}
		}
		secrets[trustStoreID] = store
		file = trustStorePath
	}
	options, err := jvm.Options(file, jvm.ProxiesFromEnvironment())
	if err != nil {
		return err
	}
	secrets[javaOptionsID] = []byte(strings.Join(options, " "))
	return nil
}

// javaOptions hand a step what [Engine.addJava] made. As secrets they are in no
// cache key, and a proxy's password is in no history.
func javaOptions(step runtimes.Step, o graphOptions) []llb.RunOption {
	var opts []llb.RunOption
	if len(step.JavaOptions) == 0 {
		return nil
	}
	if o.trustStore {
		opts = append(opts, llb.AddSecret(trustStorePath, llb.SecretID(trustStoreID), llb.SecretFileOpt(0, 0, 0o444)))
	}
	if o.javaOptions {
		for _, key := range step.JavaOptions {
			opts = append(opts, llb.AddSecretWithDest(javaOptionsID, nil, llb.SecretAsEnvName(key)))
		}
	}
	return opts
}
