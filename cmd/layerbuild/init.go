package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/propose"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java"
	"github.com/layerbuild/layerbuild/runtimes/node"
	"github.com/layerbuild/layerbuild/runtimes/python"
)

// starting is what the flags of init say.
type starting struct {
	ui       *ui
	sel      selection // of which init has runtimes and arches alone
	from     string
	yes      bool
	dryRun   bool
	force    bool
	write    bool
	terminal bool // there is somebody to ask
	stdin    io.Reader
}

func newInit(ui *ui) *cobra.Command {
	s := starting{ui: ui}
	cmd := &cobra.Command{
		Use:   "init [PATH…]",
		Short: "Propose layers of a project, and write the configuration",
		Long: `Init proposes layers and writes them to ` + builder.ConfigName + ` in the working folder.
It reads the configuration of a deploy tool that lies there, ` + sourceNames() + `,
else the lock files of this folder and those below it, or of each PATH. What Git
ignores, node_modules, virtual environments and vendored folders are passed over.

On a terminal it asks about each layer; elsewhere, and with --yes, it takes them
as they are. Runtimes are what the project says of its language's version, else
Lambda's newest, for which everything is prebuilt; comments in the file say which
and why. Package indexes are asked where a lock file leaves that open.`,
		Example: `  layerbuild init
  layerbuild init --runtime python3.13 --arch arm64 --yes
  layerbuild init services/api services/worker
  layerbuild init --dry-run              print the file, and write nothing`,
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.stdin = cmd.InOrStdin()
			s.terminal = isTerminalReader(s.stdin) && isTerminal(ui.stderr)
			return s.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&s.sel.runtimes, "runtime", nil, "for `RUNTIME`, as python3.13, or a list: a,b")
	f.StringSliceVar(&s.sel.arches, "arch", nil, "for `ARCH`, x86_64 or arm64, or a list")
	f.StringVar(&s.from, "from", "", "read `FILE`: of a deploy tool; or \"locks\"")
	f.BoolVarP(&s.yes, "yes", "y", false, "ask nothing")
	f.BoolVar(&s.dryRun, "dry-run", false, "print the file, and write nothing")
	f.BoolVar(&s.write, "write", false, "make the edits of the deploy tool's files, too")
	f.BoolVar(&s.force, "force", false, "replace a "+builder.ConfigName)
	s.sel.completeFlags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]cobra.Completion{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt))
	return cmd
}

// sourceNames lists the files that a proposal can be made of, for people.
func sourceNames() string {
	var names []string
	for _, s := range propose.Sources() {
		if len(s.Files) > 0 {
			names = append(names, s.Files[0])
		}
	}
	return strings.Join(names, " or ")
}

func isTerminalReader(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && isTerminal(f)
}

func (s *starting) run(ctx context.Context, args []string) error {
	if err := s.checkPlace(); err != nil {
		return err
	}
	project, err := s.project(args)
	if err != nil {
		return err
	}
	ctxAsk, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	project.Ask = s.asker(ctxAsk)
	source, file, err := project.Find(s.from)
	if err != nil {
		return err
	}
	if s.from == "" && file == "" {
		if err := s.sayBelow(project); err != nil {
			return err
		}
	}
	proposal, err := project.Read(source, file)
	if err := cmp.Or(ctx.Err(), err); err != nil {
		return err
	}
	for _, left := range proposal.Left {
		s.ui.message("layerbuild: note: " + left.Place + ": no layer: " + left.Why)
	}
	if len(proposal.Layers) == 0 {
		return nothingFound(proposal)
	}
	if s.terminal && !s.yes && !s.dryRun {
		chosen, err := s.ask(ctx, proposal)
		if err != nil {
			return err
		}
		proposal.Choose(chosen)
	}
	return s.finish(proposal)
}

// sayBelow names the deploy tools' files whose layers are not read, though what
// they say of their runtimes may be another than what is proposed.
func (s *starting) sayBelow(p propose.Project) error {
	files, err := p.Below()
	for _, file := range files {
		s.ui.message("layerbuild: note: " + file + " is not read, as it lies below; layerbuild init --from " + file + " takes its layers over")
	}
	return err
}

// checkPlace refuses to replace a configuration, and says of one above.
func (s *starting) checkPlace() error {
	if s.dryRun {
		return nil
	}
	found, err := builder.FindConfig(".")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case found != builder.ConfigName:
		s.ui.message("layerbuild: note: " + found + " is there, too; in this folder and below it, the one written here will be read")
		return nil
	case s.force:
		return nil
	}
	return &runtimes.InputError{File: builder.ConfigName, Problem: "there is one already",
		Hint: "add layers to it by hand; --dry-run prints what would be written, --force replaces it"}
}

// project is what is searched: the working folder.
func (s *starting) project(args []string) (propose.Project, error) {
	p := propose.Project{
		FS:        os.DirFS("."),
		Languages: []propose.Language{python.Runtime{}, node.Runtime{}, java.Runtime{}},
		Runtimes:  s.sel.runtimes,
		Arches:    s.sel.arches,
		Today:     time.Now().UTC().Format(time.DateOnly),
	}
	if _, err := builder.ParseRuntimes(s.sel.runtimes, nil); err != nil {
		return p, err
	}
	if _, err := builder.ParseArches(s.sel.arches); err != nil {
		return p, err
	}
	wd, err := os.Getwd()
	if err != nil {
		return p, err
	}
	p.Name = filepath.Base(wd)
	for _, arg := range args {
		rel, err := inProject(wd, arg)
		if err != nil {
			return p, err
		}
		p.Paths = append(p.Paths, rel)
	}
	if s.from != "" && s.from != propose.Locks {
		s.from, err = inProject(wd, s.from)
	}
	return p, err
}

// inProject is a path from the working folder, which must exist.
func inProject(wd, arg string) (string, error) {
	abs, err := filepath.Abs(arg)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(abs); err != nil {
		return "", &runtimes.InputError{File: arg, Problem: "there is no such file or folder", Hint: "give a path from the working folder"}
	}
	rel, err := filepath.Rel(wd, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", &runtimes.InputError{File: arg, Problem: "lies outside the working folder, where " + builder.ConfigName + " is written",
			Hint: "run layerbuild init in a folder above both"}
	}
	return filepath.ToSlash(rel), nil
}

// nothingFound says what to do where there is nothing to write.
func nothingFound(p propose.Proposal) error {
	err := &runtimes.InputError{Problem: p.Source + ": no layer can be proposed",
		Hint: "for each folder above, do what its note says, or write a " + builder.ConfigName + " by hand: doc/config.md"}
	if len(p.Left) == 0 {
		err.Problem = "no lock file was found here or below: no layer can be proposed"
		err.Hint = "run layerbuild init in the folder of uv.lock, package-lock.json, pom.xml or the like, or above it;\n" +
			"or write a " + builder.ConfigName + ", for example:\n\n" + builder.ConfigExample
	}
	return err
}

// finish writes what was chosen and says so.
func (s *starting) finish(p propose.Proposal) error {
	data, err := propose.Render(p)
	if err != nil {
		return err
	}
	if s.dryRun {
		if _, err := s.ui.stdout.Write(data); err != nil {
			return err
		}
		return s.edits(p)
	}
	if err := writeNew(builder.ConfigName, data, s.force); err != nil {
		return err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s: %s, from %s\n", builder.ConfigName, plural(len(p.Layers), "%d layer", "%d layers"), p.Source)
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	ignore, err := propose.IgnoreOutput(wd)
	if err != nil {
		return err
	}
	if ignore != "" {
		fmt.Fprintf(&out, "%s: .layerbuild/ is added\n", shortPath(ignore))
	}
	if !s.ui.quiet {
		if err := s.ui.print("%s", &out); err != nil {
			return err
		}
	}
	if err := s.edits(p); err != nil {
		return err
	}
	if !s.ui.quiet {
		_, err = fmt.Fprintln(s.ui.stdout, "next: layerbuild build")
	}
	return err
}

// edits shows what other files need, or writes it.
func (s *starting) edits(p propose.Proposal) error {
	for _, e := range p.Edits {
		if !s.write || s.dryRun {
			if _, err := s.ui.stdout.Write(diff.Diff(e.File, e.Old, e.File, e.New)); err != nil {
				return err
			}
			continue
		}
		if err := replace(e); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(s.ui.stdout, "%s: edited\n", e.File); err != nil {
			return err
		}
	}
	for _, say := range p.ByHand {
		s.ui.message("layerbuild: note: to be written by hand: " + say)
	}
	if len(p.Edits) > 0 && !s.write && !s.dryRun {
		s.ui.message("layerbuild: note: the edits above are not made yet; layerbuild init --force --write makes them")
	}
	return nil
}

// replace makes an edit of a user's own file, which is written as a whole or not at
// all; a link to it stays one.
func replace(e propose.Edit) error {
	file, err := filepath.EvalSymlinks(filepath.FromSlash(e.File))
	if err != nil {
		return err
	}
	now, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, e.Old) {
		return &runtimes.InputError{File: e.File, Problem: "was changed while layerbuild init ran, and is left as it is",
			Hint: "make the edits: layerbuild init --force --write"}
	}
	return cache.WriteFile(file, e.New)
}

// writeNew writes a file, which may be there only where force is set.
func writeNew(file string, data []byte, force bool) error {
	if force {
		return cache.WriteFile(file, data)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
