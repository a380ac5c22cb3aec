package main

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/cache"
)

// newCache is the parent of the commands that look after the cache.
func newCache(ui *ui) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache COMMAND",
		Short: "Look after the cache",
		Long: `What was built is kept in a local folder, and builds trim it to its limit by
themselves: what was used least recently goes. These commands are for looking
into it, and for those who want to do more.`,
		Example: "  layerbuild cache stats\n  layerbuild cache prune --older-than 30d",
		Args:    cobra.ArbitraryArgs, // so that RunE can say what was meant

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              helpOrUnknown,
	}
	cmd.AddCommand(newCacheStats(ui), newCacheList(ui), newCacheVerify(ui), newCachePrune(ui), newCacheClean(ui), newCacheKey(ui))
	return cmd
}

// withCache has do work on the cache of the configuration, or on the user's own
// where there is none.
func (s *selection) withCache(do func(*cache.Cache, *builder.Config) error) error {
	config, err := s.cacheConfig()
	if err != nil {
		return err
	}
	store, err := openStore(config)
	if err != nil {
		return err
	}
	return errors.Join(do(store, config), store.Close())
}

// cacheConfig finds the configuration. There need be none.
func (s *selection) cacheConfig() (*builder.Config, error) {
	file := s.config
	if file == "" {
		found, err := builder.FindConfig(".")
		if errors.Is(err, fs.ErrNotExist) {
			return &builder.Config{}, nil
		}
		if err != nil {
			return nil, err
		}
		file = found
	}
	return builder.LoadConfig(file)
}

// addCacheFlags are the flags of all commands below cache.
func (s *selection) addCacheFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	s.addConfigFlag(f)
	s.addJSONFlag(f)
	s.completeFlags(cmd)
}
