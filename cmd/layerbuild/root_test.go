package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// everyCommand calls f for the root and all commands below it.
func everyCommand(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		everyCommand(sub, f)
	}
}

// TestHelp: every command has help with an example, and no flag is described
// beyond 80 columns.
func TestHelp(t *testing.T) {
	var paths []string
	everyCommand(newRoot(newUI(&bytes.Buffer{}, &bytes.Buffer{})), func(cmd *cobra.Command) {
		paths = append(paths, cmd.CommandPath())
	})
	var all strings.Builder
	for _, path := range paths {
		var stdout, stderr bytes.Buffer
		args := append(strings.Fields(path)[1:], "--help")
		if code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr); code != 0 || stderr.Len() > 0 {
			t.Errorf("%s --help: exit code %d, %s", path, code, &stderr)
		}
		help := stdout.String()
		if !strings.Contains(help, "\nExamples:\n  ") {
			t.Errorf("%s --help has no example", path)
		}
		for line := range strings.Lines(help) {
			// With the line break; flags and commands are shorter than other text.
			if n := len([]rune(line)); n > 101 || n > 81 && strings.HasPrefix(line, "  ") {
				t.Errorf("%s --help: %d columns: %s", path, n, line)
			}
		}
		if !strings.HasPrefix(path, "layerbuild completion ") { // cobra's text
			all.WriteString("$ " + path + " --help\n" + help + "\n")
		}
	}
	golden(t, "testdata/help.golden", all.String())
}

// TestCompletionOfFlags: what a flag takes is completed, or nothing is.
func TestCompletionOfFlags(t *testing.T) {
	everyCommand(newRoot(newUI(&bytes.Buffer{}, &bytes.Buffer{})), func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if _, ok := cmd.GetFlagCompletionFunc(f.Name); !ok && f.Value.Type() != "bool" {
				t.Errorf("%s: nobody said what completes --%s", cmd.CommandPath(), f.Name)
			}
		})
	})
}
