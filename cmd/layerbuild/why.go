package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/git"
	"github.com/layerbuild/layerbuild/runtimes"
)

func newWhy(ui *ui) *cobra.Command {
	var sel selection
	against := ""
	cmd := &cobra.Command{
		Use:   "why LAYER…",
		Short: "Show what of a layer changed since it was built last",
		Long: `Why names what decides a layer's bytes and is not as it was when the layer was
last built: packages, with the line of the lock file, included files, options,
images and tools. It builds nothing. With --against it compares with the
project as it was at a revision of its Git repository. With --json it prints all
that the layer's key hashes, too.`,
		Example: `  layerbuild why api
  layerbuild why api --against main      what a pull request rebuilds, and why
  layerbuild why '*' --against HEAD~1
  layerbuild why api --json | jq '.targets[].input'`,
		ValidArgsFunction: sel.completeLayers,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &runtimes.InputError{Problem: "why needs a layer", Hint: "for all layers: layerbuild why '*'"}
			}
			why, err := sel.why(cmd.Context(), ui, args, against)
			if err != nil {
				return err
			}
			if sel.json {
				return ui.printJSON(why)
			}
			return writeWhy(ui.stdout, why)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	sel.addConfigFlag(f)
	f.StringVar(&against, "against", "", "compare with the project at `REVISION` of its Git")
	f.StringSliceVar(&sel.runtimes, "runtime", nil, "only this `RUNTIME`, as python3.13, or a list: a,b")
	f.StringSliceVar(&sel.arches, "arch", nil, "only this `ARCH`, x86_64 or arm64, or a list")
	f.StringVar(&sel.output, "output", "", "what is in `FOLDER` was built last")
	sel.addJSONFlag(f)
	sel.completeFlags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("against", cobra.NoFileCompletions)
	return cmd
}

func (s *selection) why(ctx context.Context, ui *ui, args []string, against string) (why *builder.Why, err error) {
	err = s.run(ctx, ui, args, func(b *builder.Builder, opts builder.Options) error {
		if against == "" {
			why, err = b.Why(ctx, opts, nil, "")
			return err
		}
		if b.Config.File == "" {
			return &runtimes.InputError{Problem: "--against needs a " + builder.ConfigName}
		}
		folder, err := os.MkdirTemp("", "layerbuild-against-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		if err := git.Checkout(ctx, b.Config.Root, against, folder); err != nil {
			return err
		}
		config, err := builder.LoadConfig(filepath.Join(folder, filepath.Base(b.Config.File)))
		if err != nil {
			return fmt.Errorf("at %s: %w", against, err)
		}
		earlier := *b
		earlier.Config, earlier.Report = config, nil
		why, err = b.Why(ctx, opts, &earlier, against)
		return err
	})
	return why, err
}

// writeWhy prints a Why for people.
func writeWhy(w io.Writer, why *builder.Why) error {
	var out bytes.Buffer
	for i, t := range why.Targets {
		if i > 0 {
			fmt.Fprintln(&out)
		}
		state := "in the cache"
		if !t.Hit {
			state = "to build"
		}
		fmt.Fprintf(&out, "%s: %s\n", t.TargetID, state)
		switch {
		case t.Unknown != "":
			fmt.Fprintf(&out, "  %s\n", t.Unknown)
		case t.Key == t.KeyBefore && t.Hit:
			fmt.Fprintf(&out, "  nothing changed since %s\n", why.Against)
		case t.Key == t.KeyBefore:
			fmt.Fprintf(&out, "  nothing changed since %s; not cached: %s\n", why.Against, t.MissWhy)
		default:
			fmt.Fprintf(&out, "  since %s:\n", why.Against)
		}
		for _, c := range t.Changes {
			fmt.Fprintf(&out, "    %s\n", c)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}
