package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/git"
	"github.com/layerbuild/layerbuild/runtimes"
)

func newWhy(ui *ui) *cobra.Command {
	var sel selection
	against := ""
	cmd := &cobra.Command{
		Use:   "why LAYER [PACKAGE]",
		Short: "Show what changed in a layer, or what needs a package",
		Long: `Why names what decides a layer's bytes and is not as it was when the layer was
last built: packages, with the line of the lock file, included files, options,
images and tools. It builds nothing. With --against it compares with the
project as it was at a revision of its Git repository. With --json it prints all
that the layer's key hashes, too. LAYER may be a pattern.

With PACKAGE it shows what pulls that package in, by what the lock file says:
for each package that needs it, the shortest way there from the project.`,
		Example: `  layerbuild why api
  layerbuild why api --against main      what a pull request rebuilds, and why
  layerbuild why '*' --against HEAD~1
  layerbuild why api urllib3             what pulls urllib3 in
  layerbuild why api --json | jq '.targets[].input'`,
		ValidArgsFunction: sel.completeLayers,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return &runtimes.InputError{Problem: "why needs a layer", Hint: "for all layers: layerbuild why '*'"}
			case len(args) > 2:
				return &runtimes.InputError{Problem: "why takes one layer and one package", Hint: "several layers are named by a pattern: layerbuild why 'api-*'"}
			case len(args) == 2 && against != "":
				return &runtimes.InputError{Problem: "--against is not for a package", Hint: "see: layerbuild why --help"}
			case len(args) == 2:
				return sel.whyPackage(cmd.Context(), ui, args)
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
		earlier, done, err := builderAt(ctx, b, against)
		if err != nil {
			return err
		}
		defer done()
		why, err = b.Why(ctx, opts, earlier, against)
		return err
	})
	return why, err
}

// builderAt is a builder of the same project as it was at a revision of its Git;
// done removes the files.
func builderAt(ctx context.Context, b *builder.Builder, revision string) (earlier *builder.Builder, done func(), err error) {
	if b.Config.File == "" {
		return nil, nil, &runtimes.InputError{Problem: "--against needs a " + builder.ConfigName, Hint: "layerbuild init writes one"}
	}
	folder, err := os.MkdirTemp("", "layerbuild-against-")
	if err != nil {
		return nil, nil, err
	}
	done = func() { os.RemoveAll(folder) }
	var config *builder.Config
	if err = git.Checkout(ctx, b.Config.Root, revision, folder); err == nil {
		file := filepath.Join(folder, filepath.Base(b.Config.File))
		if _, err = os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			config, err = builder.NoConfig(folder) // and so no layer
		} else {
			config, err = builder.LoadConfig(file)
		}
		if err != nil {
			err = fmt.Errorf("at %s: %w", revision, err)
		}
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	was := *b
	was.Config, was.Report = config, nil
	return &was, done, nil
}

func (s *selection) whyPackage(ctx context.Context, ui *ui, args []string) error {
	var needs *builder.Needs
	err := s.run(ctx, ui, args[:1], func(b *builder.Builder, opts builder.Options) (err error) {
		needs, err = b.Needs(ctx, opts, args[1])
		return err
	})
	if err != nil {
		return err
	}
	if s.json {
		return ui.printJSON(needs)
	}
	return writeNeeds(ui.stdout, needs)
}

// writeNeeds prints what needs a package, for people.
func writeNeeds(w io.Writer, needs *builder.Needs) error {
	var out bytes.Buffer
	for i, t := range needs.Targets {
		if i > 0 {
			fmt.Fprintln(&out)
		}
		fmt.Fprintf(&out, "%s: %s %s\n", t.TargetID, needs.Package, strings.Join(t.Versions, ", "))
		if t.Unknown != "" {
			fmt.Fprintf(&out, "  %s\n", t.Unknown)
		}
		for _, chain := range t.Chains {
			fmt.Fprintf(&out, "  %s\n", strings.Join(append([]string{"the project"}, chain...), " → "))
		}
	}
	_, err := io.WriteString(w, fold(out.String(), proseWidth(w), hanging))
	return err
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
	_, err := io.WriteString(w, fold(out.String(), proseWidth(w), hanging))
	return err
}
