package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/cache"
)

// cacheStats is what cache stats prints as JSON.
type cacheStats struct {
	cache.Usage
	Limit     *int64        `json:"limit"` // bytes; null: none
	LimitFrom string        `json:"limitFrom"`
	Remotes   []cacheRemote `json:"remotes"`

	Trust []cache.PublicKey `json:"trust"` // none: whoever can write to a remote can replace a layer
}

// cacheRemote is a cache that machines share, as it is configured.
type cacheRemote struct {
	URL      string `json:"url"` // without a login
	Pull     bool   `json:"pull"`
	Push     bool   `json:"push"`
	Required bool   `json:"required"`
}

// hashesOnly is what has to be known of remotes where nobody in particular is
// trusted.
const hashesOnly = "hashes catch corruption, not an attacker: whoever can write to a remote can replace a layer (see trust in doc/cache.md)"

func newCacheStats(ui *ui) *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show what the cache holds, and its limit",
		Long: `Stats shows the local cache's folder, its size and limit, what it holds, and the
remotes that builds ask. Nothing is asked and nothing is hashed.`,
		Example: "  layerbuild cache stats\n  layerbuild cache stats --json",
		Args:    noArgs,

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sel.withCache(func(c *cache.Cache, config *builder.Config) error {
				stats, err := sel.cacheStats(cmd.Context(), c, config)
				if err != nil {
					return err
				}
				if sel.json {
					return ui.printJSON(stats)
				}
				return writeStats(ui.stdout, stats, time.Now())
			})
		},
	}
	sel.addCacheFlags(cmd)
	return cmd
}

func (s *selection) cacheStats(ctx context.Context, c *cache.Cache, config *builder.Config) (stats cacheStats, err error) {
	limit, from, err := s.cacheLimit(config)
	if err != nil {
		return stats, err
	}
	if stats.LimitFrom = from; limit != builder.NoLimit {
		stats.Limit = &limit
	}
	remotes, err := s.findRemotes(ctx, config)
	if err != nil {
		return stats, err
	}
	stats.Trust = append([]cache.PublicKey{}, config.Cache.Trust...)
	stats.Remotes = []cacheRemote{}
	for _, r := range remotes {
		stats.Remotes = append(stats.Remotes, cacheRemote{r.url.Redacted(), r.pull, r.push, r.required})
	}
	stats.Usage, err = c.Usage(ctx)
	return stats, err
}

// writeStats prints them for people.
func writeStats(w io.Writer, s cacheStats, now time.Time) error {
	limit := int64(builder.NoLimit)
	if s.Limit != nil {
		limit = *s.Limit
	}
	rows := [][2]string{
		{"folder", s.Folder},
		{"size", fmt.Sprintf("%s of %s (%s)", size(s.Bytes), limitText(limit), s.LimitFrom)},
		{"layers", fmt.Sprint(s.Entries.Files)},
		{"blobs", part(s.Blobs) + fmt.Sprintf("; of these %s in no layer, such as downloads", part(s.Unnamed))},
		{"values", part(s.Values)},
		{"quarantined", part(s.Quarantined)},
		{"temporary", part(s.Temporary) + plural(s.Processes, "; %d process is at work", "; %d processes are at work")},
		{"tools", part(s.Tools) + ", which count for no limit"},
		{"trimmed", ago(s.Trimmed.Time, now)},
	}
	if s.Others.Files > 0 {
		rows = append(rows, [2]string{"not understood", part(s.Others)})
	}
	for _, r := range s.Remotes {
		rows = append(rows, [2]string{"remote", r.URL + ": " + r.use()})
	}
	for _, key := range s.Trust {
		rows = append(rows, [2]string{"trusted", key.String()})
	}
	text := labelled(rows, "", proseWidth(w))
	if len(s.Remotes) > 0 && len(s.Trust) == 0 {
		text += "\n" + fold(hashesOnly, proseWidth(w), 0) + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

func (r cacheRemote) use() string {
	var uses []string
	for _, u := range []struct {
		is   bool
		text string
	}{{r.Pull, "pull"}, {r.Push, "push"}, {r.Required, "required"}} {
		if u.is {
			uses = append(uses, u.text)
		}
	}
	return strings.Join(uses, ", ")
}

// part shows how many there are, and their size.
func part(p cache.Part) string {
	if p.Files == 0 {
		return "0"
	}
	return fmt.Sprintf("%d, %s", p.Files, size(p.Bytes))
}
