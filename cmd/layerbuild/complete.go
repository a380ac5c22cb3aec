package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// addCompletion adds cobra's command that prints completion scripts, with help
// as that of the other commands.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	cmd, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	cmd.Use = "completion SHELL"
	cmd.Short = "Print a script that completes layerbuild's commands in a shell"
	cmd.Long = "Completion prints a script for bash, zsh, fish or powershell. With it the shell\ncompletes commands, flags, the names of layers, runtimes and architectures."
	cmd.Example = "  source <(layerbuild completion bash)\n  layerbuild completion zsh --help       where to put the script for good"
	cmd.Args = nil
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownShell(cmd, args[0])
	}
	for _, shell := range cmd.Commands() {
		shell.Short = "Print the script for " + shell.Name()
		shell.Example = "  layerbuild completion " + shell.Name() + " > layerbuild-completion"
		shell.Args = noArgs
	}
}

func unknownShell(cmd *cobra.Command, name string) error {
	var known []string
	for _, shell := range cmd.Commands() {
		known = append(known, shell.Name())
	}
	err := &runtimes.InputError{Problem: "unknown shell \"" + name + "\"", Hint: "there are scripts for " + strings.Join(known, ", ")}
	if near := builder.Nearest(name, known); near != "" {
		err.Hint = "did you mean: layerbuild completion " + near
	}
	return err
}

// nothingElse says that no files complete.
const nothingElse = cobra.ShellCompDirectiveNoFileComp

// completeLayers completes the names of layers, or folders where there is no
// configuration.
func (s *selection) completeLayers(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	config := s.known()
	if config == nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var all []cobra.Completion
	for _, l := range config.Layers {
		if !slices.Contains(args, l.Name) {
			all = append(all, cobra.CompletionWithDesc(l.Name, l.Path))
		}
	}
	return all, nothingElse
}

// known is the configuration, nil where there is none that can be used.
func (s *selection) known() *builder.Config {
	file := s.config
	if file == "" {
		found, err := builder.FindConfig(".")
		if err != nil {
			return nil
		}
		file = found
	}
	config, err := builder.LoadConfig(file)
	if err != nil {
		return nil
	}
	return config
}

// completeFlags completes the values of the flags.
func (s *selection) completeFlags(cmd *cobra.Command) {
	for flag, complete := range map[string]cobra.CompletionFunc{
		"config":     cobra.FixedCompletions([]cobra.Completion{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt),
		"output":     cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
		"engine":     cobra.FixedCompletions([]cobra.Completion{"auto", "buildkit", "direct"}, nothingElse),
		"builder":    cobra.NoFileCompletions,
		"cache-from": cobra.NoFileCompletions,
		"cache-to":   cobra.NoFileCompletions,
		"cache-size": cobra.NoFileCompletions,
		"max-size":   cobra.NoFileCompletions,
		"older-than": cobra.NoFileCompletions,
		"jobs":       cobra.NoFileCompletions,
		"runtime":    listCompletions(s.knownRuntimes),
		"arch":       listCompletions(s.knownArches),
	} {
		// It fails for a flag that the command has not: some have less than all.
		// A flag that nobody completes, the test finds.
		_ = cmd.RegisterFlagCompletionFunc(flag, complete)
	}
}

// listCompletions completes the last item of a list with commas.
func listCompletions(known func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		var all []cobra.Completion
		for _, name := range known() {
			if !slices.Contains(strings.Split(before, ","), name) {
				all = append(all, before+name)
			}
		}
		return all, nothingElse
	}
}

// knownRuntimes lists the runtimes of the configuration, or all where there is
// none.
func (s *selection) knownRuntimes() []string {
	var all []string
	config := s.known()
	if config == nil {
		for _, info := range runtimes.Table() {
			all = append(all, info.Name)
		}
		return all
	}
	for _, l := range config.Layers {
		for _, info := range l.Runtimes {
			all = append(all, info.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *selection) knownArches() []string {
	var all []string
	for _, arch := range runtimes.Arches() {
		all = append(all, string(arch))
	}
	return all
}
