package main

import (
	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
)

func newBuild(ui *ui) *cobra.Command {
	var sel selection
	timings := false
	cmd := &cobra.Command{
		Use:   "build [LAYER… | PATH]",
		Short: "Build layers and put them into the output folder",
		Long: `Build makes the layers of layerbuild.yaml, or those that are named, and puts
each archive and its manifest into the output folder. What was built before
from the same locked packages comes from the cache. LAYER may be a pattern.

Where no layerbuild.yaml is found, PATH is a folder with a lock file, or the
lock file itself, and --runtime and --arch say what to build it for.`,
		Example: `  layerbuild build                       every layer, for all its targets
  layerbuild build api worker --arch arm64
  layerbuild build 'api-*'               layers by a pattern of their names
  layerbuild build services/api --runtime python3.13 --arch x86_64,arm64
  layerbuild build --locked --json       in CI
  layerbuild build --no-cache --timings  where the time goes`,
		ValidArgsFunction: sel.completeLayers,
		RunE: func(cmd *cobra.Command, args []string) error {
			var result *builder.Result
			err := sel.run(cmd.Context(), ui, args, func(b *builder.Builder, opts builder.Options) (err error) {
				limit, _, err := sel.cacheLimit(b.Config)
				if err != nil {
					return err
				}
				if err := signPushed(cmd.Context(), b); err != nil {
					return err
				}
				opts.Timings = timings
				result, err = b.Build(cmd.Context(), opts)
				tidy(cmd.Context(), b, limit)
				return err
			})
			if ui.github != nil && cmd.Context().Err() == nil {
				if err := ui.github.summarize(result, err); err != nil {
					ui.warn("the job's summary cannot be written: " + err.Error())
				}
			}
			if err != nil {
				return err
			}
			if timings {
				ui.gap()
				ui.line(timingsTable(result, tableWidth(ui.stderr)))
			}
			return ui.printResult(result, sel.json)
		},
	}
	sel.addFlags(cmd)
	cmd.Flags().StringVar(&sel.cacheSize, "cache-size", "", "trim the local cache to `SIZE`, as 20GB, or none")
	cmd.Flags().BoolVar(&timings, "timings", false, "print how long each phase of each target took")
	sel.completeFlags(cmd)
	return cmd
}

// printResult prints what was built, as JSON or as a table.
func (ui *ui) printResult(result *builder.Result, asJSON bool) error {
	if asJSON {
		return ui.printJSON(result)
	}
	if ui.quiet {
		return nil
	}
	ui.gap()
	return writeResult(ui.stdout, result, ui.colour, tableWidth(ui.stdout))
}
