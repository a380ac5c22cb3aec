//go:build man

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// addMan adds the command that writes the man pages. Only the release's own
// copy has it: nobody else needs the code.
func addMan(root *cobra.Command) {
	root.AddCommand(&cobra.Command{
		Use:     "man FOLDER",
		Short:   "Write the man pages",
		Example: "  layerbuild man share/man/man1",
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return writeMan(root, args[0])
		},
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	})
}

// writeMan writes a page for a command and for each below it.
func writeMan(cmd *cobra.Command, folder string) error {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			if err := writeMan(c, folder); err != nil {
				return err
			}
		}
	}
	cmd.DisableAutoGenTag = true // which has the date
	var page bytes.Buffer
	header := &doc.GenManHeader{Section: "1", Source: "layerbuild " + readVersion().Version, Manual: "layerbuild", Date: new(time.Time)}
	if err := doc.GenMan(cmd, header, &page); err != nil {
		return err
	}
	// The same commit gives the same pages: no date.
	text := strings.Replace(page.String(), header.Date.Format("Jan 2006"), "", 1)
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	return os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644)
}
