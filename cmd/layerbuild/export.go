package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/export"
	"github.com/layerbuild/layerbuild/runtimes"
)

// exporting is what the flags of export's commands say.
type exporting struct {
	ui             *ui
	sel            selection // of which export has config and output alone
	bucket, prefix string
}

func newExport(ui *ui) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print what publishes the layers: a stack, or a script",
		Long: `Export prints what a deploy tool needs to publish the layers that build has put
into the output folder. It uploads nothing.`,
		Example: `  layerbuild export cloudformation > layers.yaml
  layerbuild export cli | sh`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              helpOrUnknown,
	}
	cmd.AddCommand(newExportCloudFormation(ui), newExportCLI(ui))
	return cmd
}

func newExportCloudFormation(ui *ui) *cobra.Command {
	e := exporting{ui: ui}
	var opts export.CloudFormationOptions
	var noExports bool
	cmd := &cobra.Command{
		Use:   "cloudformation [LAYER…]",
		Short: "Print a CloudFormation stack of the layers",
		Long: `Cloudformation prints a template of a stack that shares layers with others: a
version of each layer, which the stack retains when another takes its place, an
SSM parameter with the version's ARN, and an output that is exported. An empty
--parameters PATH makes no parameters.

A version's logical id changes with the content of its archive and with nothing
else. Archives are named by their paths in the working folder, and "aws
cloudformation package" uploads them; with --bucket by their hashes, for whoever
has uploaded them there.`,
		Example: `  layerbuild export cloudformation > layers.yaml
  layerbuild export cloudformation api --bucket artifacts --prefix layers/
  layerbuild export cloudformation --parameters /shop/layers --no-exports`,
		ValidArgsFunction: e.sel.completeLayers,
		RunE: func(_ *cobra.Command, args []string) error {
			opts.Bucket, opts.Prefix, opts.Exports = e.bucket, e.prefix, !noExports
			if p := opts.Parameters; p != "" && (!strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/")) {
				return &runtimes.InputError{Problem: "--parameters " + p + " is no path of parameters", Hint: "for example: --parameters /shop/layers"}
			}
			return e.run(args, func(layers []export.Layer) ([]byte, error) { return export.CloudFormation(layers, opts) })
		},
	}
	e.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&opts.Parameters, "parameters", "/layers", "have SSM keep ARNs under `PATH`")
	f.BoolVar(&noExports, "no-exports", false, "no exports: what a stack imports cannot change")
	_ = cmd.RegisterFlagCompletionFunc("parameters", cobra.NoFileCompletions)
	return cmd
}

func newExportCLI(ui *ui) *cobra.Command {
	e := exporting{ui: ui}
	cmd := &cobra.Command{
		Use:   "cli [LAYER…]",
		Short: "Print a shell script that publishes the layers",
		Long: `Cli prints a script for sh that publishes the layers with the AWS CLI, and prints
the ARN of each layer's newest version. Where that version has the archive
already none is published, so it can run at every deploy. Archives of more than
50 MB go through the bucket that --bucket names.`,
		Example: `  layerbuild export cli | sh
  layerbuild export cli api --bucket artifacts --prefix layers/ > publish.sh`,
		ValidArgsFunction: e.sel.completeLayers,
		RunE: func(_ *cobra.Command, args []string) error {
			return e.run(args, func(layers []export.Layer) ([]byte, error) {
				return export.CLI(layers, export.CLIOptions{Bucket: e.bucket, Prefix: e.prefix})
			})
		},
	}
	e.addFlags(cmd)
	return cmd
}

func (e *exporting) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	e.sel.addConfigFlag(f)
	f.StringVar(&e.sel.output, "output", "", "the layers are in `FOLDER`")
	f.StringVar(&e.bucket, "bucket", "", "the archives lie in the S3 `BUCKET`")
	f.StringVar(&e.prefix, "prefix", "", "their names begin with `PREFIX`")
	e.sel.completeFlags(cmd)
	for _, flag := range []string{"bucket", "prefix"} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions) // as in completeFlags
	}
}

// run prints what write makes of the layers.
func (e *exporting) run(args []string, write func([]export.Layer) ([]byte, error)) error {
	config, opts, err := e.sel.resolve(args)
	if err != nil {
		return err
	}
	output := config.Output
	if opts.Output != "" {
		if output, err = filepath.Abs(opts.Output); err != nil {
			return err
		}
	}
	delivered, err := builder.Delivered(output, opts.Layers)
	if err != nil {
		return err
	}
	layers := make([]export.Layer, len(delivered))
	for i, d := range delivered {
		layers[i] = export.Layer{IndexEntry: d, Path: fromHere(filepath.Join(output, d.File))}
	}
	data, err := write(layers)
	if err != nil {
		return err
	}
	_, err = e.ui.stdout.Write(data)
	return err
}

// fromHere is a path as it is seen from the working folder, also where it lies
// outside: unlike shortPath, since what is exported is the same on every machine.
func fromHere(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil {
		return filepath.ToSlash(rel)
	}
	return path
}
