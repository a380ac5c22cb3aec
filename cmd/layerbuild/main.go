// Command layerbuild turns lock files into AWS Lambda layers.
//
// This package holds the command line alone: flags, messages, progress and
// tables. What it does is package builder's.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal cancels; from then on signals end the process at once.
	context.AfterFunc(ctx, stop)
	// What goes wrong is told as errors; libraries tell it a second time, there.
	log.SetOutput(io.Discard)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the command line without the process: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ui := newUI(stdout, stderr)
	root := newRoot(ui)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return ui.end(ctx, root.ExecuteContext(ctx))
}
