package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// defaultCacheSize is what the local cache is trimmed to, in bytes, where
// nobody says otherwise.
const defaultCacheSize = 10e9

const cacheSizeVariable = "LAYERBUILD_CACHE_SIZE"

// cacheLimit is what the local cache is trimmed to, in bytes or
// [builder.NoLimit], and who says so: the flag wins, then the environment, then
// the configuration.
func (s *selection) cacheLimit(config *builder.Config) (limit int64, from string, err error) {
	switch variable := os.Getenv(cacheSizeVariable); {
	case s.cacheSize != "":
		limit, err = parseSize("--cache-size", s.cacheSize)
		return limit, "--cache-size", err
	case variable != "":
		limit, err = parseSize(cacheSizeVariable, variable)
		return limit, cacheSizeVariable, err
	case config.Cache.MaxSize != 0:
		return config.Cache.MaxSize, builder.ConfigName, nil
	}
	return defaultCacheSize, "the default", nil
}

// tidy trims the local cache after a build, whatever became of that.
func tidy(ctx context.Context, b *builder.Builder, limit int64) {
	if err := b.Cache.Tidy(ctx, limit); err != nil && ctx.Err() == nil {
		b.Report(builder.Event{Kind: builder.Warned, Text: fmt.Sprintf("the cache could not be trimmed: %v", err)})
	}
}

// parseSize reads a size that somebody has given.
func parseSize(who, text string) (int64, error) {
	n, err := builder.ParseSize(text)
	var wrong *runtimes.InputError
	if errors.As(err, &wrong) {
		return 0, &runtimes.InputError{Problem: who + ": " + wrong.Problem, Hint: wrong.Hint}
	}
	return n, err
}

// limitText shows a limit.
func limitText(limit int64) string {
	if limit == builder.NoLimit {
		return "no limit"
	}
	return size(limit)
}

// parseAge reads "30d", "2w" or what Go takes for a duration, "12h".
func parseAge(who, text string) (time.Duration, error) {
	wrong := &runtimes.InputError{Problem: fmt.Sprintf("%s: %q is no time", who, text), Hint: "for example 30d, 2w or 12h"}
	for suffix, days := range map[string]int{"d": 1, "w": 7} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			n, err := strconv.ParseUint(number, 10, 16)
			if err != nil || n == 0 {
				return 0, wrong
			}
			return time.Duration(n) * time.Duration(days) * 24 * time.Hour, nil
		}
	}
	age, err := time.ParseDuration(text)
	if err != nil || age <= 0 {
		return 0, wrong
	}
	return age, nil
}

// ago says roughly how long ago something was.
func ago(t, now time.Time) string {
	switch age := now.Sub(t); {
	case t.IsZero():
		return "never"
	case age < 2*time.Minute:
		return "just now"
	case age < 2*time.Hour:
		return fmt.Sprintf("%d minutes ago", age/time.Minute)
	case age < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", age/time.Hour)
	default:
		return fmt.Sprintf("%d days ago", age/(24*time.Hour))
	}
}
