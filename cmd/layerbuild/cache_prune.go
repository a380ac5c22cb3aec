package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

func newCachePrune(ui *ui) *cobra.Command {
	var sel selection
	var maxSize, olderThan string
	var opts cache.TrimOptions
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove what was used least recently",
		Long: `Prune removes from the local cache what was used least recently, until the rest
fits its limit, or --max-size; with --older-than what was not used for a while,
whatever the size. What a running layerbuild uses stays. Builds do the former by
themselves.`,
		Example: `  layerbuild cache prune
  layerbuild cache prune --max-size 2GB --dry-run
  layerbuild cache prune --older-than 30d`,
		Args: noArgs,

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sel.withCache(func(c *cache.Cache, config *builder.Config) (err error) {
				if opts.MaxSize, err = sel.pruneSize(config, maxSize, olderThan); err != nil {
					return err
				}
				if olderThan != "" {
					if opts.UnusedFor, err = parseAge("--older-than", olderThan); err != nil {
						return err
					}
				}
				trimmed, err := c.Trim(cmd.Context(), opts)
				if err != nil {
					return fmt.Errorf("prune the cache: %w", err)
				}
				return ui.printTrimmed(trimmed, opts.DryRun, sel.json)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&maxSize, "max-size", "", "to `SIZE`, as 2GB, not to the limit")
	f.StringVar(&olderThan, "older-than", "", "what was not used for `TIME`, as 30d or 12h")
	f.BoolVar(&opts.DryRun, "dry-run", false, "remove nothing; say what would go")
	sel.addCacheFlags(cmd)
	return cmd
}

// pruneSize is what prune trims to: with --older-than alone, to no size.
func (s *selection) pruneSize(config *builder.Config, maxSize, olderThan string) (int64, error) {
	switch {
	case maxSize != "":
		return parseSize("--max-size", maxSize)
	case olderThan != "":
		return builder.NoLimit, nil
	}
	limit, _, err := s.cacheLimit(config)
	return limit, err
}

func (ui *ui) printTrimmed(t cache.Trimmed, dry, asJSON bool) error {
	if asJSON {
		return ui.printJSON(struct {
			cache.Trimmed
			DryRun bool `json:"dryRun"`
		}{t, dry})
	}
	if t.Over > 0 && !dry {
		ui.message(fmt.Sprintf("layerbuild: note: %s more than that are in use, or were within the last hours", size(t.Over)))
	}
	if ui.quiet {
		return nil
	}
	verb := "removed"
	if dry {
		verb = "would remove"
	}
	r := t.Removed
	what := []string{plural(r.Entries, "%d layer", "%d layers"), plural(r.Blobs, "%d blob", "%d blobs"), plural(r.Values, "%d value", "%d values")}
	if r.Quarantined > 0 {
		what = append(what, plural(r.Quarantined, "%d damaged file", "%d damaged files"))
	}
	return ui.print("%s %s: %s; %s are left\n", verb, strings.Join(what, ", "), size(r.Bytes), size(t.Bytes))
}

func newCacheClean(ui *ui) *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove the whole cache",
		Long: `Clean removes all that the local cache holds, build tools and the data of daemons
that layerbuild started too, without asking: everything can be built or downloaded
again. A layerbuild that runs meanwhile builds again what it misses. A folder that
holds anything else than a cache is left as it is.`,
		Example: "  layerbuild cache clean\n  LAYERBUILD_CACHE_DIR=/var/cache/layerbuild layerbuild cache clean",
		Args:    noArgs,

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sel.withCache(func(c *cache.Cache, _ *builder.Config) error {
				return cleanCache(cmd, ui, c, sel.json)
			})
		},
	}
	sel.addCacheFlags(cmd)
	return cmd
}

func cleanCache(cmd *cobra.Command, ui *ui, c *cache.Cache, asJSON bool) error {
	before, err := c.Usage(cmd.Context())
	if err != nil {
		return err
	}
	kept, err := c.Clear()
	var not *cache.NotCacheError
	if errors.As(err, &not) {
		return &runtimes.InputError{Problem: not.Error(), Hint: "name the cache's folder with LAYERBUILD_CACHE_DIR, or remove what does not belong there"}
	}
	if err != nil {
		return fmt.Errorf("clean the cache: %w", err)
	}
	after, err := c.Usage(cmd.Context())
	if err != nil {
		return err
	}
	gone := before.Bytes + before.Tools.Bytes - after.Bytes - after.Tools.Bytes
	if asJSON {
		return ui.printJSON(struct {
			Folder string   `json:"folder"`
			Bytes  int64    `json:"bytes"` // that were removed
			Kept   []string `json:"kept"`  // parts of the folder
		}{c.Dir(), gone, append([]string{}, kept...)})
	}
	if len(kept) > 0 {
		ui.message("layerbuild: note: another layerbuild is at work there: " + strings.Join(kept, ", ") + " stay")
	}
	if ui.quiet {
		return nil
	}
	return ui.print("removed %s from %s\n", size(max(gone, 0)), c.Dir())
}
