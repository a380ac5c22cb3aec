package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// The variables that hold the private key, or name its file. Like all that
// belongs to the machine they win over the configuration. One that is empty, as
// CI makes it where a run may not have the secret, is none.
const (
	keyVariable     = "LAYERBUILD_CACHE_KEY"
	keyFileVariable = "LAYERBUILD_CACHE_KEY_FILE"
)

// signPushed has the cache sign what it sends to others, if it sends anything. It
// warns where nobody will take it who trusts those that this configuration trusts.
func signPushed(ctx context.Context, b *builder.Builder) error {
	if !b.Cache.Pushes() {
		return nil
	}
	keys, err := signingKeys(ctx, b.Config)
	if err != nil {
		return err
	}
	b.Cache.SignWith(keys)
	trusted := b.Config.Cache.Trust
	isTrusted := func(k cache.PrivateKey) bool { return slices.Contains(trusted, k.Public()) }
	if len(trusted) == 0 || slices.ContainsFunc(keys, isTrusted) {
		return nil
	}
	what := "nothing signs what is pushed"
	if len(keys) > 0 {
		what = "what is pushed is signed by " + keys[0].Public().String()
	}
	b.Report(builder.Event{Kind: builder.Warned, Text: what + ", and trust takes only what its own keys have signed"})
	return nil
}

// signingKeys are the keys that sign what is pushed, nil where nobody named any.
func signingKeys(ctx context.Context, config *builder.Config) ([]cache.PrivateKey, error) {
	source, file, line := config.Cache.Sign, config.File, config.Cache.SignLine
	if os.Getenv(keyVariable) != "" {
		source, file, line = builder.PasswordSource{Env: keyVariable}, "", 0
	} else if named := os.Getenv(keyFileVariable); named != "" {
		abs, err := filepath.Abs(named)
		if err != nil {
			return nil, err
		}
		source, file, line = builder.PasswordSource{File: abs}, "", 0
	}
	if source.Env == "" && source.File == "" && source.Command == nil {
		return nil, nil
	}
	return fetchKeys(ctx, config, source, file, line)
}

// fetchKeys gets the private keys that a source has. Its errors show nothing of
// them, and are [*runtimes.InputError]s but where ctx ended.
func fetchKeys(ctx context.Context, config *builder.Config, source builder.PasswordSource, file string, line int) ([]cache.PrivateKey, error) {
	const what = "the key that signs the cache's entries"
	text, err := fetchSource(ctx, config, source, "private key")
	if err != nil {
		return nil, located(err, file, line, what)
	}
	keys, err := cache.ParsePrivateKeys(text)
	if err != nil {
		return nil, located(&runtimes.InputError{Problem: sourceName(config, source) + " " + err.Error(),
			Hint: "a private key is one line that layerbuild cache key new has written"}, file, line, what)
	}
	return keys, nil
}

// shownKeys are those of the file in args, or those that sign.
func (s *selection) shownKeys(ctx context.Context, args []string) ([]cache.PrivateKey, error) {
	if len(args) > 0 {
		file, err := filepath.Abs(args[0])
		if err != nil {
			return nil, err
		}
		return fetchKeys(ctx, &builder.Config{}, builder.PasswordSource{File: file}, "", 0)
	}
	config, err := s.cacheConfig()
	if err != nil {
		return nil, err
	}
	keys, err := signingKeys(ctx, config)
	if err == nil && keys == nil {
		err = &runtimes.InputError{Problem: "no key signs the cache's entries",
			Hint: "name one with " + keyVariable + ", " + keyFileVariable + " or sign in " + builder.ConfigName + ", or its file: layerbuild cache key show FILE"}
	}
	return keys, err
}
