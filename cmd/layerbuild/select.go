package main

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/runtimes"
)

// selection is what the flags of build and plan say: the configuration, what
// of it is wanted, and how to make it.
type selection struct {
	config    string
	runtimes  []string
	arches    []string
	noCache   bool
	cacheFrom []string
	cacheTo   []string

	cacheSize string // as it was given
	locked    bool
	jobs      int
	output    string
	engine    string
	builder   string
	json      bool
}

func (s *selection) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	s.addConfigFlag(f)
	f.StringSliceVar(&s.runtimes, "runtime", nil, "only this `RUNTIME`, as python3.13, or a list: a,b")
	f.StringSliceVar(&s.arches, "arch", nil, "only this `ARCH`, x86_64 or arm64, or a list")
	f.StringVar(&s.output, "output", "", "put the results into `FOLDER`")
	f.StringVar(&s.engine, "engine", "", "by `ENGINE`: auto, buildkit or direct; changes no layer")
	s.addBuilderFlag(f)
	f.BoolVar(&s.noCache, "no-cache", false, "build what is cached, too")
	f.StringArrayVar(&s.cacheFrom, "cache-from", nil, "look for layers at `URL`, too, or none; repeatable")
	f.StringArrayVar(&s.cacheTo, "cache-to", nil, "put what is built at `URL`, too, or none; repeatable")
	f.BoolVar(&s.locked, "locked", inCI(), "refuse to write "+builder.LockName+"; implied by CI=true")
	f.IntVar(&s.jobs, "jobs", 0, "use `N` workers; 0 is one for each processor")
	s.addJSONFlag(f)
	f.Lookup("locked").DefValue = "" // no part of the help, which is the same everywhere
	s.completeFlags(cmd)
}

// The flags that every command has which reads the configuration.

func (s *selection) addConfigFlag(f *pflag.FlagSet) {
	f.StringVarP(&s.config, "config", "c", "", "read `FILE`, not the nearest "+builder.ConfigName)
}

func (s *selection) addBuilderFlag(f *pflag.FlagSet) {
	f.StringVar(&s.builder, "builder", "", "BuildKit's `ADDRESS`: unix:///path or tcp://host:port")
}

func (s *selection) addJSONFlag(f *pflag.FlagSet) {
	f.BoolVar(&s.json, "json", false, "print the result as JSON")
}

// inCI tells whether this runs in continuous integration: CI=true.
func inCI() bool {
	ci, _ := strconv.ParseBool(os.Getenv("CI"))
	return ci
}

// resolve finds the configuration and what the arguments and flags select from
// it.
func (s *selection) resolve(args []string) (*builder.Config, builder.Options, error) {
	opts := builder.Options{
		NoCache: s.noCache, Locked: s.locked, Jobs: s.jobs, Output: s.output, Engine: s.engine,
	}
	if err := s.check(); err != nil {
		return nil, opts, err
	}
	file := s.config
	if file == "" {
		found, err := builder.FindConfig(".")
		if errors.Is(err, fs.ErrNotExist) {
			config, err := s.withoutConfig(args)
			return config, opts, err
		}
		if err != nil {
			return nil, opts, err
		}
		file = found
	}
	config, err := builder.LoadConfig(file)
	if err != nil {
		return nil, opts, err
	}
	opts.Layers = args
	infos, err := builder.ParseRuntimes(s.runtimes, config.Runtimes)
	if err != nil {
		return nil, opts, err
	}
	for _, info := range infos {
		opts.Runtimes = append(opts.Runtimes, info.Name)
	}
	opts.Arches, err = builder.ParseArches(s.arches)
	return config, opts, err
}

// check refuses flags that mean nothing.
func (s *selection) check() error {
	if s.jobs < 0 {
		return &runtimes.InputError{Problem: "--jobs is below 0", Hint: "0 is one worker for each processor"}
	}
	if s.builder != "" {
		if err := buildkit.CheckAddress(s.builder); err != nil {
			return &runtimes.InputError{Problem: "--builder", Err: err, Hint: "for example unix:///run/buildkit/buildkitd.sock or tcp://builder.example:1234 or docker://"}
		}
	}
	switch s.engine {
	case "", "auto", "buildkit", "direct":
		return nil
	}
	err := &runtimes.InputError{Problem: "--engine: unknown engine " + strconv.Quote(s.engine), Hint: "allowed are auto, buildkit, direct"}
	if near := builder.Nearest(s.engine, []string{"auto", "buildkit", "direct"}); near != "" {
		err.Hint = "did you mean --engine " + near + "?"
	}
	return err
}

// withoutConfig makes the configuration of one folder.
func (s *selection) withoutConfig(args []string) (*builder.Config, error) {
	missing := &runtimes.InputError{
		Problem: "no " + builder.ConfigName + " here or in a folder above",
		Hint: "run layerbuild init, which writes one; or name one folder with a lock file:\n" +
			"layerbuild build PATH --runtime " + runtimes.Table()[0].Name + " --arch arm64",
	}
	if len(args) != 1 {
		return nil, missing
	}
	config, err := builder.SingleLayer(args[0], s.runtimes, s.arches)
	if errors.Is(err, fs.ErrNotExist) {
		missing.Problem += ", and no folder " + args[0]
		return nil, missing
	}
	return config, err
}
