package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/inspect"
	"github.com/layerbuild/layerbuild/runtimes"
)

// inspecting is what the flags of inspect say.
type inspecting struct {
	ui       *ui
	sel      selection
	against  string
	budget   string
	markdown bool
	all      bool
}

func newInspect(ui *ui) *cobra.Command {
	i := inspecting{ui: ui}
	cmd := &cobra.Command{
		Use:   "inspect [LAYER… | FILE.zip…]",
		Short: "Show what is in a layer: packages, licences, native code, sizes",
		Long: `Inspect lists what a layer holds: packages by size with their versions and
licences, what of them is native code, for which architecture and which glibc,
and the largest files. A layer is read from the cache, or as it was delivered; a
zip file may be anybody's: what is in it says itself what it is.

With --against it shows what differs from another archive, or from the project
as it was at a revision of its Git repository: layers that are new or gone are
told of, too. Where no cache has that one's archive any more, packages and
versions are compared, without sizes. With --budget the exit code is 1 where an
archive is larger than that, unzipped, which is what counts against Lambda's
limit. Nothing is built.`,
		Example: `  layerbuild inspect api
  layerbuild inspect layer.zip --against old.zip
  layerbuild inspect api --budget 80MB
  layerbuild inspect --markdown --against origin/main > comment.md`,
		ValidArgsFunction: i.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return i.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	i.sel.addConfigFlag(f)
	f.StringVar(&i.against, "against", "", "compare with `WHAT`: NAME.zip, or a revision of Git")
	f.StringVar(&i.budget, "budget", "", "fail where a layer is above `SIZE`, unzipped, as 80MB")
	f.BoolVar(&i.markdown, "markdown", false, "print Markdown, for a comment on a pull request")
	f.BoolVar(&i.all, "all", false, "list all packages, not only the largest")
	f.StringSliceVar(&i.sel.runtimes, "runtime", nil, "only this `RUNTIME`, as python3.13, or a list: a,b")
	f.StringSliceVar(&i.sel.arches, "arch", nil, "only this `ARCH`, x86_64 or arm64, or a list")
	f.StringVar(&i.sel.output, "output", "", "look for the layers in `FOLDER`")
	i.sel.addJSONFlag(f)
	i.sel.completeFlags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("budget", cobra.NoFileCompletions) // as in completeFlags
	_ = cmd.RegisterFlagCompletionFunc("against", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return []cobra.Completion{"zip"}, cobra.ShellCompDirectiveFilterFileExt
	})
	return cmd
}

// run inspects what the arguments name.
func (i *inspecting) run(ctx context.Context, args []string) error {
	budget, err := i.check()
	if err != nil {
		return err
	}
	found, err := i.inspect(ctx, args)
	if err != nil {
		return err
	}
	switch {
	case i.sel.json:
		err = i.ui.printJSON(found)
	case i.markdown:
		err = writeMarkdown(i.ui.stdout, found, i.shown())
	case !i.ui.quiet:
		err = writeInspected(i.ui.stdout, found, i.shown())
	}
	if err != nil || budget == 0 {
		return err
	}
	var over []error
	for _, in := range found {
		if in.Size > budget {
			over = append(over, &budgetError{inspectedName(in), in, budget})
		}
	}
	return errors.Join(over...)
}

// check refuses flags that mean nothing together; budget is 0 where none is given.
func (i *inspecting) check() (budget int64, err error) {
	if i.sel.json && i.markdown {
		return 0, &runtimes.InputError{Problem: "--json and --markdown exclude each other", Hint: "leave one of them out"}
	}
	if i.budget == "" {
		return 0, nil
	}
	budget, err = parseSize("--budget", i.budget)
	if err == nil && (budget == builder.NoLimit || budget <= 0) {
		err = &runtimes.InputError{Problem: "--budget " + i.budget + " is no budget", Hint: "for example --budget 80MB; without it there is none"}
	}
	return budget, err
}

// inspect reads the archives that the arguments name, all layers where they name
// nothing.
func (i *inspecting) inspect(ctx context.Context, args []string) (found []*builder.Inspected, err error) {
	files, layers := filesAndLayers(args)
	oldFile := strings.HasSuffix(i.against, ".zip")
	if len(files) > 0 && i.against != "" && !oldFile {
		return nil, &runtimes.InputError{Problem: "--against: " + files[0] + " has no revisions", Hint: "compare it with a zip file, whose name ends in .zip, or name a layer of " + builder.ConfigName}
	}
	for _, file := range files {
		in, err := builder.InspectFile(ctx, file)
		if err != nil {
			return nil, err
		}
		found = append(found, in)
	}
	if len(files) == 0 || len(layers) > 0 {
		of, err := i.layers(ctx, layers, oldFile)
		if err != nil {
			return nil, err
		}
		found = append(found, of...)
	}
	if !oldFile {
		return found, nil
	}
	if len(found) > 1 {
		return nil, &runtimes.InputError{Problem: fmt.Sprintf("--against %s is one archive, and %d are to be compared with it", i.against, len(found)), Hint: "choose one: by its name, --runtime and --arch"}
	}
	return found, found[0].CompareFile(ctx, i.against)
}

// layers inspects layers of the configuration; alone are those that are compared
// with no revision.
func (i *inspecting) layers(ctx context.Context, names []string, alone bool) (found []*builder.Inspected, err error) {
	err = i.sel.run(ctx, i.ui, names, func(b *builder.Builder, opts builder.Options) error {
		if i.against == "" || alone {
			found, err = b.Inspect(ctx, opts)
			return err
		}
		earlier, done, err := builderAt(ctx, b, i.against)
		if err != nil {
			return err
		}
		defer done()
		found, err = b.InspectAgainst(ctx, opts, earlier, i.against)
		return err
	})
	return found, err
}

// filesAndLayers tells files from layers among arguments: no name of a layer has
// a dot or a slash.
func filesAndLayers(args []string) (files, layers []string) {
	for _, arg := range args {
		if strings.ContainsAny(arg, "./\\") {
			files = append(files, arg)
		} else {
			layers = append(layers, arg)
		}
	}
	return files, layers
}

// inspectedName names an archive for people.
func inspectedName(in *builder.Inspected) string {
	if in.Layer == "" {
		return shortPath(in.File)
	}
	return in.TargetID.String()
}

// budgetError says that an archive is larger than it may be.
type budgetError struct {
	name   string
	in     *builder.Inspected
	budget int64
}

// heaviest is how many packages a message names.
const heaviest = 5

func (e *budgetError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s has %s unzipped, %s more than the budget of %s; the largest packages:",
		e.name, size(e.in.Size), size(e.in.Size-e.budget), size(e.budget))
	for _, p := range e.in.Packages[:min(heaviest, len(e.in.Packages))] {
		fmt.Fprintf(&b, "\n  %9s  %s", size(p.Size), packageText(p))
	}
	return b.String()
}

func packageText(p inspect.Package) string { return strings.TrimSpace(p.Name + " " + p.Version) }

// complete completes the names of layers and files.
func (i *inspecting) complete(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	layers, _ := i.sel.completeLayers(cmd, args, typed)
	return layers, cobra.ShellCompDirectiveDefault
}
