package main

import (
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/cache"
)

// damagedError says that a cache had defects. Its exit code is that of hashes
// which differ.
type damagedError struct{ defects int }

func (e *damagedError) Error() string {
	return plural(e.defects, "%d file of the cache was damaged", "%d files of the cache were damaged")
}

func newCacheVerify(ui *ui) *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Hash everything in the cache",
		Long: `Verify hashes all that the local cache holds, also what builds take for unchanged
because its size and times are. What is damaged is moved aside to bad/ in the
cache's folder, and is built or downloaded again when it is needed; the exit code
is 3 then, and 0 the next time.`,
		Example: "  layerbuild cache verify\n  layerbuild cache verify --json",
		Args:    noArgs,

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sel.withCache(func(c *cache.Cache, _ *builder.Config) error {
				show := newProgress(ui)
				report, err := c.VerifyShowing(cmd.Context(), show.verifying())
				show.close()
				if err != nil {
					return err
				}
				if err := ui.printVerified(report, sel.json); err != nil {
					return err
				}
				if n := len(report.Defects); n > 0 {
					return &damagedError{n}
				}
				return nil
			})
		},
	}
	sel.addCacheFlags(cmd)
	return cmd
}

// verifying shows how far a verification is: in a line at the bottom, or, where
// nothing can be redrawn, now and then.
func (p *progress) verifying() func(done, of int) {
	var mu sync.Mutex
	done, of := 0, 0
	at := func(n, all int) {
		mu.Lock()
		defer mu.Unlock()
		done, of = n, all
	}
	far := func() string {
		mu.Lock()
		defer mu.Unlock()
		return fmt.Sprintf("verifying: %d of %d files", done, of)
	}
	if p.ui.quiet {
		return at
	}
	if p.live != nil {
		line := p.live.add(func(width int) string { return clip(far(), width) })
		return func(n, all int) {
			if at(n, all); n == all {
				line.remove()
			}
		}
	}
	said := p.now()
	return func(n, all int) {
		at(n, all)
		if now := p.now(); now.Sub(said) >= heartbeat {
			said = now
			p.say("%s", far())
		}
	}
}

func (ui *ui) printVerified(r cache.Report, asJSON bool) error {
	if asJSON {
		if r.Defects == nil {
			r.Defects = []cache.Defect{}
		}
		return ui.printJSON(r)
	}
	for _, d := range r.Defects {
		ui.warn(d.Name + " " + d.Reason)
	}
	if ui.quiet {
		return nil
	}
	right := ", all of them right"
	if len(r.Defects) > 0 {
		right = fmt.Sprintf("; %d damaged", len(r.Defects))
	}
	return ui.print("%s, %s, %s of %s verified%s\n", plural(r.Entries, "%d layer", "%d layers"),
		plural(r.Values, "%d value", "%d values"), plural(r.Blobs, "%d blob", "%d blobs"), size(r.Bytes), right)
}
