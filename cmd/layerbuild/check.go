package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/builder/smoke"
	"github.com/layerbuild/layerbuild/runtimes"
)

// checking is what the flags of check say.
type checking struct {
	ui      *ui
	sel     selection
	allow   []string
	explain string
	load    bool
}

// foundResult is what check tells scripts of one finding.
type foundResult struct {
	File     string         `json:"file"`
	ID       string         `json:"id"`
	Severity check.Severity `json:"severity"`
	Path     string         `json:"path,omitempty"`    // in the layer, "" for the layer itself
	Package  string         `json:"package,omitempty"` // that owns the file
	Message  string         `json:"message"`
}

func newCheck(ui *ui) *cobra.Command {
	c := checking{ui: ui}
	cmd := &cobra.Command{
		Use:   "check [FILE.zip… | LAYER…]",
		Short: "Hold layers against what Lambda and their runtimes accept",
		Long: `Check runs the checks of build on zip files, also on those that something else
has made: it says why a layer that was deployed fails. Who uses a file stands in
the manifest that build puts beside it; --runtime and --arch say it for others.

Without a file it checks what build has delivered of the configuration's layers,
or of those that are named. What they allow (check: {allow: …}) is no finding.
--import also loads what the packages have, in the runtime's image, which takes
a BuildKit. Errors and warnings go to stderr; with an error the exit code is 1.`,
		Example: `  layerbuild check
  layerbuild check layer.zip --runtime python3.13 --arch arm64
  layerbuild check .layerbuild/dist/api.zip --json
  layerbuild check layer.zip --runtime python3.13 --arch arm64 --import
  layerbuild check --explain elf-version`,
		ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.explain != "" {
				return c.tellRule(args)
			}
			return c.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	c.sel.addConfigFlag(f)
	f.StringSliceVar(&c.sel.runtimes, "runtime", nil, "used by `RUNTIME`, as python3.13, or a list: a,b")
	f.StringSliceVar(&c.sel.arches, "arch", nil, "used on `ARCH`, x86_64 or arm64, or a list")
	f.StringVar(&c.sel.output, "output", "", "look for the layers in `FOLDER`")
	f.BoolVar(&c.load, "import", false, "load the packages' modules in the runtime's image, too")
	c.sel.addBuilderFlag(f)
	f.StringArrayVar(&c.allow, "allow", nil, "accept what the check `ID` finds; may be repeated")
	f.StringVar(&c.explain, "explain", "", "explain the check `ID`, and check nothing")
	c.sel.addJSONFlag(f)
	c.sel.completeFlags(cmd)
	for _, flag := range []string{"allow", "explain"} {
		_ = cmd.RegisterFlagCompletionFunc(flag, completeChecks) // as in completeFlags
	}
	return cmd
}

// run checks what the arguments name.
func (c *checking) run(ctx context.Context, args []string) error {
	archives, err := c.archives(args)
	if err != nil {
		return err
	}
	imports, done, err := c.imports(ctx)
	if err != nil {
		return err
	}
	defer done()
	found := []foundResult{}
	var errs []error
	for _, a := range archives {
		for _, id := range c.allow {
			a.Allow = append(a.Allow[:len(a.Allow):len(a.Allow)], builder.Allowance{ID: id})
		}
		file := shortPath(a.File)
		for _, text := range a.Warnings {
			c.ui.warn(file + " " + text)
		}
		checked, err := a.Check(ctx)
		if err != nil {
			return err
		}
		for _, w := range checked.Warnings {
			c.ui.warn(fmt.Sprintf("%s: %s [%s]", file, w, w.ID))
		}
		for _, f := range checked.Found {
			rule, _ := check.RuleOf(f.ID)
			found = append(found, foundResult{file, f.ID, rule.Severity, f.Path, f.Package, f.Problem})
		}
		if checked.Err != nil {
			for _, err := range flatten(checked.Err) {
				errs = append(errs, fmt.Errorf("%s: %w", file, err))
			}
		}
		unloaded, err := imports(a)
		if err != nil {
			return err
		}
		for _, failed := range unloaded {
			errs = append(errs, fmt.Errorf("%s: %w", file, failed))
			for _, f := range failed.Failures {
				problem := fmt.Sprintf("%s cannot be loaded by %s on %s: %s", f.Name, failed.Runtime, failed.Arch, f.Problem)
				found = append(found, foundResult{File: file, ID: "import", Severity: check.Error, Package: f.Package, Message: problem})
			}
		}
		if err := c.tell(file, a, checked, unloaded); err != nil {
			return err
		}
	}
	if c.sel.json {
		if err := c.ui.printJSON(found); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

// imports gives the smoke test of one archive, which without --import is none.
func (c *checking) imports(ctx context.Context) (test func(builder.Archive) ([]*smoke.FailedError, error), done func(), err error) {
	if !c.load {
		return func(builder.Archive) ([]*smoke.FailedError, error) { return nil, nil }, func() {}, nil
	}
	config, err := c.configuration(false)
	if err != nil {
		return nil, nil, err
	}
	if config == nil {
		config = &builder.Config{}
	}
	show := newProgress(c.ui)
	b, closeBuilder, err := c.sel.newBuilder(ctx, config, show.report)
	if err != nil {
		show.close()
		return nil, nil, err
	}
	test = func(a builder.Archive) (unloaded []*smoke.FailedError, err error) {
		err = b.Import(ctx, a)
		if err == nil {
			return nil, nil
		}
		for _, err := range flatten(err) {
			failed, ok := errors.AsType[*smoke.FailedError](err)
			if !ok {
				return nil, fmt.Errorf("%s: %w", shortPath(a.File), err)
			}
			unloaded = append(unloaded, failed)
		}
		return unloaded, nil
	}
	return test, func() { _ = closeBuilder(); show.close() }, nil
}

// tell prints the result of one archive for people.
func (c *checking) tell(file string, a builder.Archive, checked builder.Checked, unloaded []*smoke.FailedError) error {
	if c.sel.json || c.ui.quiet {
		return nil
	}
	var users []string
	for _, info := range a.Runtimes {
		users = append(users, info.Name)
	}
	for _, arch := range a.Arches {
		users = append(users, string(arch))
	}
	content := ""
	if checked.Files > 0 {
		content = plural(checked.Files, "%d file, ", "%d files, ") + size(checked.Unzipped) + " unzipped: "
	}
	if users != nil {
		file += " (" + strings.Join(users, ", ") + ")"
	}
	return c.ui.print("%s: %s%s\n", file, content, outcome(checked, unloaded))
}

// outcome says in a few words what was found.
func outcome(c builder.Checked, unloaded []*smoke.FailedError) string {
	var parts []string
	add := func(n int, one, many string) {
		if n > 0 {
			parts = append(parts, plural(n, one, many))
		}
	}
	n := len(c.Found) - len(c.Warnings)
	for _, failed := range unloaded {
		n += len(failed.Failures)
	}
	add(n, "%d error", "%d errors")
	add(len(c.Warnings), "%d warning", "%d warnings")
	add(c.Allowed, "%d finding allowed", "%d findings allowed")
	if parts == nil {
		return "nothing found"
	}
	return strings.Join(parts, ", ")
}

// archives are those that the arguments name, of the configuration where they
// name none.
func (c *checking) archives(args []string) ([]builder.Archive, error) {
	for _, id := range c.allow {
		if _, ok := check.RuleOf(id); !ok {
			return nil, unknownCheck("--allow", id)
		}
	}
	files, layers := filesAndLayers(args)
	config, err := c.configuration(len(files) < len(args) || len(args) == 0)
	if err != nil {
		return nil, err
	}
	var own []runtimes.Info
	if config != nil {
		own = config.Runtimes
	}
	infos, err := builder.ParseRuntimes(c.sel.runtimes, own)
	if err != nil {
		return nil, err
	}
	arches, err := builder.ParseArches(c.sel.arches)
	if err != nil {
		return nil, err
	}
	var all []builder.Archive
	for _, file := range files {
		a, err := builder.ArchiveOf(config, file, infos, arches)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	if files != nil && layers == nil {
		return all, nil
	}
	opts := builder.Options{Layers: layers, Arches: arches, Output: c.sel.output}
	for _, info := range infos {
		opts.Runtimes = append(opts.Runtimes, info.Name)
	}
	delivered, err := config.Archives(opts)
	return append(all, delivered...), err
}

// configuration is that of the project; where none is needed, there may be
// none.
func (c *checking) configuration(needed bool) (*builder.Config, error) {
	file := c.sel.config
	if file == "" {
		found, err := builder.FindConfig(".")
		switch {
		case errors.Is(err, fs.ErrNotExist) && needed:
			return nil, &runtimes.InputError{Problem: "no " + builder.ConfigName + " here or in a folder above",
				Hint: "name a zip file: layerbuild check layer.zip --runtime python3.13 --arch arm64"}
		case errors.Is(err, fs.ErrNotExist):
			return nil, nil
		case err != nil:
			return nil, err
		}
		file = found
	}
	return builder.LoadConfig(file)
}

// complete completes the names of layers and files.
func (c *checking) complete(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	layers, _ := c.sel.completeLayers(cmd, args, typed)
	return layers, cobra.ShellCompDirectiveDefault
}
