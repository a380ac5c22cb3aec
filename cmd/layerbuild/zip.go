package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/zipper"
)

// zipping is what the flags of zip say.
type zipping struct {
	ui       *ui
	folder   string
	output   string // "-" is stdout
	excludes []string
	noVerify bool
	jobs     int
	json     bool

	used map[string]bool // the patterns that something matched
}

// zipResult is what zip tells scripts.
type zipResult struct {
	Path         string `json:"path"`
	SHA256       string `json:"sha256"`       // hex
	SHA256Base64 string `json:"sha256Base64"` // as Lambda reports it: CodeSha256
	Size         int64  `json:"size"`         // bytes
	UnzippedSize int64  `json:"unzippedSize"` // bytes
	Entries      int    `json:"entries"`
}

func newZip(ui *ui) *cobra.Command {
	z := zipping{ui: ui}
	cmd := &cobra.Command{
		Use:   "zip FOLDER -o FILE",
		Short: "Pack a folder into an archive with the same bytes everywhere",
		Long: `Zip packs the files of a folder into a zip archive, on all processors. It is a
replacement for zip -9 -r whose bytes depend on nothing but the files' names,
contents, executable bits and links: not on times, users, umask or order. Names
in the archive are paths from FOLDER.

Links stay links, and an empty folder stays too; sockets, pipes and devices are
refused. --exclude takes the patterns of excludeFiles in layerbuild.yaml: they
are matched against whole paths from FOLDER, and * does not cross a slash.`,
		Example: `  layerbuild zip site -o site.zip
  layerbuild zip . -o out.zip --exclude '.git/**' --exclude '**/*.pyc'
  layerbuild zip site -o site.zip --json | jq -r .sha256Base64
  layerbuild zip site -o - | ssh host 'cat > site.zip'`,
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := z.check(args); err != nil {
				return err
			}
			return z.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&z.output, "output", "o", "", "write the archive to `FILE`; - is stdout")
	f.StringArrayVarP(&z.excludes, "exclude", "x", nil, "leave out files that match `PATTERN`; may be repeated")
	f.BoolVar(&z.noVerify, "no-verify", false, "do not read the archive back")
	f.IntVar(&z.jobs, "jobs", 0, "use `N` workers; 0 is one for each processor")
	f.BoolVar(&z.json, "json", false, "print the result as JSON")
	for flag, complete := range map[string]cobra.CompletionFunc{
		"output":  cobra.FixedCompletions([]cobra.Completion{"zip"}, cobra.ShellCompDirectiveFilterFileExt),
		"exclude": cobra.NoFileCompletions,
		"jobs":    cobra.NoFileCompletions,
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, complete) // as in completeFlags
	}
	return cmd
}

// check refuses arguments and flags that mean nothing.
func (z *zipping) check(args []string) error {
	wrong := func(problem, hint string) error { return &runtimes.InputError{Problem: problem, Hint: hint} }
	const usage = "for example: layerbuild zip site -o site.zip"
	switch {
	case len(args) == 0:
		return wrong("zip needs a folder", usage)
	case len(args) > 1:
		return wrong("zip takes one folder, not also "+strconv.Quote(args[1]), usage)
	case z.output == "":
		return wrong("zip needs --output", usage+"; - is stdout")
	case z.output == "-" && z.json:
		return wrong("--json and --output - exclude each other: both are for stdout", "write the archive to a file, or ask sha256sum")
	case z.output == "-" && isTerminal(z.ui.stdout):
		return wrong("an archive is not for a terminal", "send it to a pipe or a file")
	case z.jobs < 0:
		return wrong("--jobs is below 0", "0 is one worker for each processor")
	}
	for _, pattern := range z.excludes {
		if problem, hint := runtimes.CheckFilePattern(pattern); problem != "" {
			return wrong("--exclude: "+problem, hint)
		}
	}
	z.folder = args[0]
	info, err := os.Stat(z.folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return wrong("there is no folder "+z.folder, "see whether its path is right from here")
	case err != nil:
		return err
	case !info.IsDir():
		return wrong(z.folder+" is not a folder", "name the folder that it lies in; --exclude leaves out others")
	}
	return nil
}

func (z *zipping) run(ctx context.Context) (err error) {
	p := newProgress(z.ui)
	defer p.close()
	p.begin(z.folder, clip(filepath.Base(z.folder), usualWidth), "packing")
	defer func() {
		if err != nil && ctx.Err() == nil { // else it did not fail: the user gave up
			p.end(z.folder, "failed")
		}
	}()
	info, err := z.pack(ctx, p)
	if err != nil {
		return err
	}
	p.end(z.folder, "packed")
	z.warnUnused(p)
	p.close()
	return z.tell(info)
}

// pack writes the archive to where it belongs.
func (z *zipping) pack(ctx context.Context, p *progress) (zipper.Info, error) {
	if z.output == "-" {
		return z.write(ctx, p, z.ui.stdout, z.isStdout())
	}
	out, err := cache.NewFile(z.output)
	if err != nil {
		return zipper.Info{}, err
	}
	defer out.Abort()
	info, err := z.write(ctx, p, out, func(name string, _ fs.DirEntry) bool {
		return out.Has(filepath.Join(z.folder, filepath.FromSlash(name)))
	})
	if err != nil {
		return info, err
	}
	if !z.noVerify {
		p.update(z.folder, runtimes.Update{Phase: "verify"})
		if err := zipper.Verify(ctx, out, info.Size, info, zipper.Options{Workers: z.jobs}); err != nil {
			return info, err
		}
	}
	return info, out.Commit()
}

// write archives the folder but for what own says is the archive itself.
func (z *zipping) write(ctx context.Context, p *progress, w io.Writer, own func(string, fs.DirEntry) bool) (zipper.Info, error) {
	z.used = make(map[string]bool)
	entries, err := zipper.Folder(ctx, zipper.DirFS(z.folder), func(name string, d fs.DirEntry) bool {
		return z.excluded(name, d.IsDir()) || own(name, d)
	})
	if err != nil {
		return zipper.Info{}, fmt.Errorf("%s: %w", z.folder, err)
	}
	var total int64
	for _, e := range entries {
		total += e.Size
	}
	opts := zipper.Options{Workers: z.jobs, Verify: !z.noVerify, Progress: func(done int64) {
		p.update(z.folder, runtimes.Update{Phase: "zip", Done: done, Total: total})
	}}
	info, err := zipper.Write(ctx, w, entries, opts)
	if err != nil {
		return info, fmt.Errorf("%s: %w", z.folder, err)
	}
	return info, nil
}

// excluded tells whether a file is left out, or all that can lie in a folder.
func (z *zipping) excluded(name string, folder bool) bool {
	match := runtimes.MatchFile
	if folder {
		match = runtimes.MatchFolder
	}
	i := slices.IndexFunc(z.excludes, func(pattern string) bool { return match(pattern, name) })
	if i >= 0 {
		z.used[z.excludes[i]] = true
	}
	return i >= 0
}

// warnUnused tells of patterns that left out nothing, as those that are meant
// for zip do: there * crosses slashes, and a folder's name is enough.
func (z *zipping) warnUnused(p *progress) {
	for _, pattern := range z.excludes {
		if z.used[pattern] {
			continue
		}
		text := "--exclude " + pattern + " matches no file"
		if !strings.Contains(pattern, "/") {
			text += fmt.Sprintf(": of any folder it would be **/%s, and a folder's content %s/**", pattern, pattern)
		}
		p.warn(text)
	}
}

// isStdout tells which file stdout was sent to by the shell, for it may lie in
// the folder.
func (z *zipping) isStdout() func(string, fs.DirEntry) bool {
	var stdout fs.FileInfo
	if f, ok := z.ui.stdout.(*os.File); ok {
		stdout, _ = f.Stat() // none is like no file
	}
	return func(name string, d fs.DirEntry) bool {
		if stdout == nil || !stdout.Mode().IsRegular() || !d.Type().IsRegular() {
			return false
		}
		info, err := d.Info()
		if err != nil || info.Size() != stdout.Size() {
			return false
		}
		// What zipper.DirFS knows of a file does not tell it from others.
		info, err = os.Lstat(filepath.Join(z.folder, filepath.FromSlash(name)))
		return err == nil && os.SameFile(info, stdout)
	}
}

// tell prints what was written.
func (z *zipping) tell(info zipper.Info) error {
	if z.json {
		return z.ui.printJSON(zipResult{
			Path: z.output, SHA256: hex.EncodeToString(info.SHA256[:]), SHA256Base64: base64.StdEncoding.EncodeToString(info.SHA256[:]),
			Size: info.Size, UnzippedSize: info.Unzipped, Entries: len(info.Entries),
		})
	}
	text := fmt.Sprintf("%s, %s unzipped, %s\nsha256 %x", plural(len(info.Entries), "%d entry", "%d entries"),
		size(info.Unzipped), size(info.Size), info.SHA256)
	switch {
	case z.ui.quiet:
		return nil
	case z.output == "-":
		z.ui.message("layerbuild: " + text)
		return nil
	}
	z.ui.gap()
	return z.ui.print("%s: %s\n", z.output, text)
}
