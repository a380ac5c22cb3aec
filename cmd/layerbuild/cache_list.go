package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/cache"
)

func newCacheList(ui *ui) *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the layers in the cache",
		Long: `List shows each layer that the local cache has, the last used first, with the
names by which it was delivered on this machine: a layer in the cache has none
itself.`,
		Example: "  layerbuild cache list\n  layerbuild cache list --json",
		Args:    noArgs,

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sel.withCache(func(c *cache.Cache, _ *builder.Config) error {
				all, err := builder.CachedLayers(cmd.Context(), c)
				if err != nil {
					return err
				}
				if sel.json {
					return ui.printJSON(struct {
						Layers []builder.CachedLayer `json:"layers"`
					}{all})
				}
				return writeCached(ui.stdout, all, time.Now())
			})
		},
	}
	sel.addCacheFlags(cmd)
	return cmd
}

// writeCached prints the table of what the cache has.
func writeCached(w io.Writer, all []builder.CachedLayer, now time.Time) error {
	rows := [][]string{{"KEY", "LAYER", "RUNTIME", "ARCH", "ZIPPED", "UNZIPPED", "LAST USED"}}
	for _, l := range all {
		rows = append(rows, []string{
			l.Key[:12], known(l.Layers, maxLayerWidth, "layers"), known(l.Runtimes, maxRuntimeWidth, "runtimes"),
			known(l.Arches, maxArchWidth, "arches"), size(l.Zip), size(l.Unzipped), ago(l.Used.Time, now),
		})
	}
	for _, line := range tabulate(rows, []bool{false, false, false, false, true, true, false}, tableWidth(w), "ZIPPED", "RUNTIME") {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// known shows names, if there are any.
func known(names []string, width int, what string) string {
	if len(names) == 0 {
		return "-"
	}
	return clip(several(names, width, what), width)
}
