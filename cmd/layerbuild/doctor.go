package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/doctor"
)

// errBroken ends doctor where something needed is broken: all is said by then.
var errBroken = errors.New("a build would fail here: see the lines that begin with fail")

// diagnosis is what doctor prints for scripts.
type diagnosis struct {
	OK       bool             `json:"ok"`
	Version  versionInfo      `json:"layerbuild"`
	Config   string           `json:"config,omitempty"`
	Findings []doctor.Finding `json:"findings"`
}

func newDoctor(ui *ui) *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out why builds fail or are slow here, and what to do",
		Long: `Doctor looks at all that a build needs: the engine and the platforms that it
runs, the registries of its images, folders and disks, proxies and certificates,
the package indexes of the configuration's layers, remote caches, tools, and the
clock. What it says are lines that begin with ok, warn or fail; below a warn or
fail is what to do.

It asks servers as a build would, with its logins, and shows none of them. A
remote cache that builds write to gets one small file. Without a configuration,
what builds would use by default is looked at.

The exit code is 1 where something that is needed is broken; warnings do not
count.`,
		Example: `  layerbuild doctor
  layerbuild doctor --builder unix:///run/buildkit/buildkitd.sock
  layerbuild doctor --json | jq '.findings[] | select(.status != "ok")'`,
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := sel.check(); err != nil {
				return err
			}
			config, problems := sel.configOrDefaults()
			if config == nil {
				return errors.Join(problems...)
			}
			p := &patient{sel: &sel, config: config}
			for _, err := range problems {
				p.found = append(p.found, doctor.Finding{Subject: "config", Status: doctor.Fail, Text: err.Error(), Err: err})
			}
			findings := p.examine(cmd.Context())
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			return printDiagnosis(ui, diagnosis{!doctor.Broken(findings), readVersion(), config.File, findings}, sel.json)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	sel.addConfigFlag(f)
	f.StringVar(&sel.output, "output", "", "look at `FOLDER`, into which results would go")
	f.StringVar(&sel.engine, "engine", "", "look for `ENGINE`: auto, buildkit or direct")
	sel.addBuilderFlag(f)
	f.StringArrayVar(&sel.cacheFrom, "cache-from", nil, "look at the cache at `URL`, too, or none; repeatable")
	f.StringArrayVar(&sel.cacheTo, "cache-to", nil, "see whether `URL` can be written, or none; repeatable")
	sel.addJSONFlag(f)
	sel.completeFlags(cmd)
	return cmd
}

// configOrDefaults is the configuration, or the defaults where there is none or
// one that cannot be read, with what is wrong. It is nil where not even they can be had.
func (s *selection) configOrDefaults() (*builder.Config, []error) {
	file := s.config
	var problem error
	if file == "" {
		file, problem = builder.FindConfig(".")
	}
	if problem == nil {
		config, err := builder.LoadConfig(file)
		if err == nil {
			return config, nil
		}
		problem = err
	}
	config, err := builder.NoConfig(".")
	if err != nil {
		return nil, []error{err}
	}
	if s.config == "" && errors.Is(problem, fs.ErrNotExist) && file == "" {
		return config, nil
	}
	return config, flatten(problem)
}

func printDiagnosis(ui *ui, d diagnosis, asJSON bool) error {
	for i := range d.Findings {
		f := &d.Findings[i]
		if f.Fix == "" && f.Err != nil && f.Status != doctor.OK {
			f.Fix = hint(f.Err)
		}
	}
	var err error
	if asJSON {
		err = ui.printJSON(d)
	} else {
		err = writeDiagnosis(ui.stdout, d, ui.colour)
	}
	if err == nil && !d.OK {
		return errBroken
	}
	return err
}

func writeDiagnosis(w io.Writer, d diagnosis, colour bool) error {
	columns := proseWidth(w)
	width := 0
	for _, f := range d.Findings {
		width = max(width, len(f.Subject))
	}
	const head = len("warn  ")
	codes := map[doctor.Status]string{doctor.OK: green, doctor.Warn: yellow, doctor.Fail: red}
	var b strings.Builder
	for _, f := range d.Findings {
		indent := strings.Repeat(" ", head+width+2)
		room := columns - len(indent)
		lines := wrap(f.Text, room, room)
		if f.Fix != "" {
			room -= len("fix: ")
			fix := wrap(f.Fix, room, room)
			lines = append(lines, "fix: "+strings.Join(fix, "\n"+indent+"     "))
		}
		status := paint(colour, codes[f.Status], string(f.Status)) + strings.Repeat(" ", head-len(f.Status))
		fmt.Fprintf(&b, "%s%-*s  %s\n", status, width, f.Subject, strings.Join(lines, "\n"+indent))
	}
	var warned, failed int
	for _, f := range d.Findings {
		switch f.Status {
		case doctor.Warn:
			warned++
		case doctor.Fail:
			failed++
		}
	}
	fmt.Fprintf(&b, "\n%s, %s\n", plural(failed, "%d failure", "%d failures"), plural(warned, "%d warning", "%d warnings"))
	_, err := io.WriteString(w, b.String())
	return err
}
