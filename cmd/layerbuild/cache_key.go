package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

func newCacheKey(ui *ui) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key COMMAND",
		Short: "Make and show keys that sign what is shared",
		Long: `What is pushed to a remote cache is signed with a private key; who lists the
public one under trust in layerbuild.yaml takes nothing from remotes that is not
signed with it.`,
		Example: "  layerbuild cache key new\n  layerbuild cache key show",
		Args:    cobra.ArbitraryArgs,

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              helpOrUnknown,
	}
	cmd.AddCommand(newKeyNew(ui), newKeyShow(ui))
	return cmd
}

func newKeyNew(ui *ui) *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make a key, and print its public half",
		Long: `New writes a private key to a file that this user alone can read, by default in
the user's own settings, and prints the public key. A file that is there is
never overwritten.`,
		Example: "  layerbuild cache key new\n  layerbuild cache key new -o ci.key",
		Args:    noArgs,

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			file, err := keyFile(file)
			if err != nil {
				return err
			}
			key, err := cache.NewPrivateKey()
			if err != nil {
				return err
			}
			if err := writeKey(file, key); err != nil {
				return err
			}
			if !ui.quiet {
				ui.message(fmt.Sprintf("layerbuild: note: the private key is in %s: keep it out of the project, and give it to the CI that pushes, as %s", shortPath(file), keyVariable))
				ui.message("layerbuild: note: whoever lists this public key under trust in " + builder.ConfigName + " takes what is signed with it:")
			}
			_, err = fmt.Fprintln(ui.stdout, key.Public())
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "write the private key to `FILE`")
	// Nothing is registered twice here.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault))
	return cmd
}

// keyFile is where a new key goes: outside of any project, where nobody named
// another place.
func keyFile(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", &runtimes.InputError{Problem: "there is no place for the key", Err: err, Hint: "name a file: -o FILE"}
	}
	dir = filepath.Join(dir, "layerbuild")
	return filepath.Join(dir, "cache.key"), os.MkdirAll(dir, 0o700)
}

// writeKey writes a private key to a file that was not there.
func writeKey(file string, key cache.PrivateKey) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &runtimes.InputError{Problem: file + " is there already, and keys are never overwritten", Hint: "name another file: -o FILE"}
	}
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	_, err = f.WriteString(key.Text() + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(file) // half a key is of no use
		return fmt.Errorf("write the key: %w", err)
	}
	return nil
}

func newKeyShow(ui *ui) *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Print the public half of a private key",
		Long: `Show prints the public key of the private one in FILE, or of the one that signs
what is pushed: that of ` + keyVariable + `, of the file that
` + keyFileVariable + ` names, or of sign in layerbuild.yaml.`,
		Example: "  layerbuild cache key show\n  layerbuild cache key show ci.key",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return noArgs(cmd, args[1:])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := sel.shownKeys(cmd.Context(), args)
			for _, key := range keys {
				if _, err := fmt.Fprintln(ui.stdout, key.Public()); err != nil {
					return err
				}
			}
			return err
		},
	}
	sel.addConfigFlag(cmd.Flags())
	sel.completeFlags(cmd)
	return cmd
}
