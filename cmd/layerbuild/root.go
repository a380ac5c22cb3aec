package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

func newRoot(ui *ui) *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "layerbuild",
		Short: "Turn lock files into AWS Lambda layers",
		Long: `layerbuild turns the lock files of a project into AWS Lambda layers: zip
archives that hold exactly the locked packages, the same bytes on every
machine. What to build stands in layerbuild.yaml.`,
		Example: `  layerbuild build
  layerbuild build services/api --runtime python3.13 --arch arm64
  layerbuild plan`,
		Args:              cobra.ArbitraryArgs, // so that RunE can say what was meant
		ValidArgsFunction: cobra.NoFileCompletions,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if ui.quiet && ui.verbose {
				return &runtimes.InputError{Problem: "--quiet and --verbose exclude each other", Hint: "leave one of them out"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if version {
				_, err := fmt.Fprintln(ui.stdout, readVersion())
				return err
			}
			return helpOrUnknown(cmd, args)
		},
	}
	// Not root.Version: a template for it would link text/template's reflection,
	// for which the linker keeps every method of every type; see doc/dependencies.md.
	root.Flags().BoolVar(&version, "version", false, "version for layerbuild")
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().BoolVarP(&ui.quiet, "quiet", "q", false, "print warnings and errors only")
	root.PersistentFlags().BoolVarP(&ui.verbose, "verbose", "v", false, "print what the package managers print, and hits")
	root.AddCommand(newInit(ui), newBuild(ui), newPlan(ui), newCheck(ui), newInspect(ui), newDoctor(ui), newWhy(ui), newLock(ui), newExport(ui), newCache(ui), newZip(ui), newVersion(ui))
	root.SetHelpCommand(newHelp())
	addCompletion(root)
	addMan(root)
	return root
}

// newHelp replaces cobra's command, which succeeds for what does not exist.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Explain a command",
		Example: "  layerbuild help build",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var all []cobra.Completion
			for _, c := range cmd.Root().Commands() {
				if c.IsAvailableCommand() && len(args) == 0 {
					all = append(all, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return all, nothingElse
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			switch {
			case err != nil:
				return unknownCommand(cmd.Root(), args[0])
			case len(rest) > 0:
				return unknownCommand(found, rest[0])
			}
			found.InitDefaultHelpFlag()
			found.InitDefaultVersionFlag()
			return found.Help()
		},
	}
}

// helpOrUnknown is what a command does that has commands below it.
func helpOrUnknown(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return unknownCommand(cmd, args[0])
}

func unknownCommand(parent *cobra.Command, name string) error {
	var known []string
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	err := &runtimes.InputError{Problem: "unknown command \"" + name + "\"", Hint: "the commands are: " + strings.Join(known, ", ")}
	if len(known) == 0 {
		err.Hint = parent.CommandPath() + " has no commands of its own: see " + parent.CommandPath() + " --help"
	}
	if near := builder.Nearest(name, known); near != "" {
		err.Hint = "did you mean: " + parent.CommandPath() + " " + near
	}
	return err
}

// typeWords are the types of flags whose values can be wrong, for people.
var typeWords = map[string]string{"int": "number", "bool": "true or false", "stringSlice": "list"}

// flagError explains a flag that cannot be used.
func flagError(cmd *cobra.Command, err error) error {
	input := &runtimes.InputError{Problem: err.Error(), Hint: "see the flags: " + cmd.CommandPath() + " --help"}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		input.Problem = fmt.Sprintf("--%s: %q is no %s", invalid.GetFlag().Name, invalid.GetValue(), typeWords[invalid.GetFlag().Value.Type()])
	}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedShortnames()) == 0 {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if near := builder.Nearest(unknown.GetSpecifiedName(), known); near != "" {
			input.Hint = "did you mean --" + near + "?"
		}
	}
	return input
}

// noArgs refuses arguments as an input error.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &runtimes.InputError{
		Problem: cmd.CommandPath() + " takes no arguments, not \"" + args[0] + "\"",
		Hint:    "see: " + cmd.CommandPath() + " --help",
	}
}
