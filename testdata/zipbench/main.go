// Zipbench measures the zipper against the tools that people use today, on
// trees of real packages, in turn in one run:
//
//	go -C testdata/zipbench run .            # everything; make bench does it
//	go -C testdata/zipbench run . -update    # and renews doc/benchmarks
//	go -C testdata/zipbench run . -corpus node,elf -contender zip9,zipper -rounds 3
//
// Each contender is a process of its own, and its archive is held against the
// tree in the first round, which warms up and is not counted. It is a module of
// its own, so that the product's go.mod does not have the libraries it is
// compared with.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch args := os.Args[1:]; {
	case len(args) > 0 && args[0] == "launch":
		err = launch(args[1:])
	case len(args) > 0 && args[0] == "pack":
		err = pack(ctx, args[1:])
	default:
		err = bench(ctx, args)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "zipbench: error:", err)
		stop()
		os.Exit(1)
	}
}

func bench(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("zipbench", flag.ContinueOnError)
	corpusNames := flags.String("corpus", "", "only those whose name begins with one of these, separated by commas")
	contenderNames := flags.String("contender", "", "only those whose name begins with one of these, separated by commas")
	rounds := flags.Int("rounds", 5, "how many times each is measured")
	docs := flags.String("doc", "../../doc", "the folder of benchmarks.md, for -update")
	update := flags.Bool("update", false, "write the table into benchmarks.md, and benchmarks/zip.json and zip.svg beside it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 1 || flags.NArg() > 0 {
		return errors.New("want at least one round, and no arguments")
	}
	list, err := contenders()
	if err != nil {
		return err
	}
	list, err = chosen(list, *contenderNames, func(c contender) string { return c.Name })
	if err != nil {
		return fmt.Errorf("-contender: %w", err)
	}
	trees, err := chosen(corpora, *corpusNames, func(c corpus) string { return c.Name })
	if err != nil {
		return fmt.Errorf("-corpus: %w", err)
	}
	cache, err := cacheFolder()
	if err != nil {
		return err
	}
	r := newReport(*rounds)
	for _, c := range trees {
		res, err := measure(ctx, c, list, *rounds, cache)
		if err != nil {
			return err
		}
		r.Corpora = append(r.Corpora, res)
		fmt.Print(res.table())
	}
	fmt.Print(r.verdict())
	if *update {
		return r.save(*docs)
	}
	return nil
}

// chosen are the members of list whose name begins with one of prefixes.
func chosen[T any](list []T, prefixes string, name func(T) string) (out []T, err error) {
	begins := func(p string) func(T) bool {
		return func(e T) bool { return strings.HasPrefix(name(e), p) }
	}
	given := strings.Split(prefixes, ",")
	for _, p := range given {
		if !slices.ContainsFunc(list, begins(p)) {
			return nil, fmt.Errorf("no name begins with %q", p)
		}
	}
	for _, e := range list {
		if slices.ContainsFunc(given, func(p string) bool { return begins(p)(e) }) {
			out = append(out, e)
		}
	}
	return out, nil
}
