package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

func newLock(ui *ui) *cobra.Command {
	var sel selection
	var opts builder.LockOptions
	upgrade := false
	cmd := &cobra.Command{
		Use:   "lock [--upgrade [images | tools | PACKAGE…]]",
		Short: "Bring " + builder.LockName + " up to date",
		Long: `Lock writes what no other lock file holds into ` + builder.LockName + `: digests of
images, hashes of build tools, and the versions and hashes that inputs such as
a requirements.txt without pins leave open. What still holds stays as it is;
what moved is resolved anew, and what nothing needs any more is dropped.

With --upgrade, images, tools or packages that were resolved move to their
newest versions; without a name, everything does. What other lock files hold is
upgraded by the tools that write them.

No code of a project or a package is run.`,
		Example: `  layerbuild lock
  layerbuild lock --upgrade requests boto3
  layerbuild lock --upgrade images
  layerbuild lock --check                in CI, or before a commit`,
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return []cobra.Completion{"images", "tools"}, nothingElse
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && !upgrade {
				return &runtimes.InputError{Problem: "lock takes names only with --upgrade, not \"" + args[0] + "\"", Hint: "see: layerbuild lock --help"}
			}
			if opts.Upgrade = args; upgrade && len(args) == 0 {
				opts.Upgrade = []string{"*"}
			}
			if opts.Check && upgrade {
				return &runtimes.InputError{Problem: "--check changes nothing, so it cannot upgrade", Hint: "leave one of the two out"}
			}
			var result *builder.LockResult
			err := sel.run(cmd.Context(), ui, nil, func(b *builder.Builder, _ builder.Options) (err error) {
				result, err = b.Lock(cmd.Context(), opts)
				return err
			})
			if err != nil {
				return err
			}
			if sel.json {
				return ui.printJSON(result)
			}
			if ui.quiet {
				return nil
			}
			return writeLock(ui.stdout, result)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	sel.addConfigFlag(f)
	f.BoolVar(&upgrade, "upgrade", false, "move what is named, or all, to the newest version")
	f.BoolVar(&opts.Check, "check", false, "change nothing; fail where something would change")
	sel.addBuilderFlag(f)
	sel.addJSONFlag(f)
	sel.completeFlags(cmd)
	return cmd
}

// writeLock prints what changed, by what it changed in.
func writeLock(w io.Writer, result *builder.LockResult) error {
	var out strings.Builder
	in := ""
	for _, c := range result.Changes {
		if c.In != in {
			in = c.In
			fmt.Fprintln(&out, in)
		}
		fmt.Fprintf(&out, "  %s\n", c)
	}
	if len(result.Changes) == 0 {
		fmt.Fprintln(&out, shortPath(result.File), "is up to date")
	} else {
		fmt.Fprintln(&out, "written:", shortPath(result.File))
	}
	_, err := io.WriteString(w, fold(out.String(), proseWidth(w), hanging))
	return err
}
