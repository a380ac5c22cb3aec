package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
)

func newPlan(ui *ui) *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "plan [LAYER… | PATH]",
		Short: "Show what build would do, and why",
		Long: `Plan reads the configuration and the lock files as build does and shows for
each target the packages with their files, whether one of them would have to
be compiled, the engine, the key, and whether the cache has the layer. It
builds nothing.`,
		Example: `  layerbuild plan
  layerbuild plan api --arch arm64
  layerbuild plan --json`,
		ValidArgsFunction: sel.completeLayers,
		RunE: func(cmd *cobra.Command, args []string) error {
			var plan *builder.Plan
			err := sel.run(cmd.Context(), ui, args, func(b *builder.Builder, opts builder.Options) (err error) {
				plan, err = b.Plan(cmd.Context(), opts)
				return err
			})
			if err != nil {
				return err
			}
			if sel.json {
				return ui.printJSON(plan)
			}
			return writePlan(ui.stdout, plan)
		},
	}
	sel.addFlags(cmd)
	return cmd
}

// writePlan prints a plan for people.
func writePlan(w io.Writer, plan *builder.Plan) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, t := range plan.Targets {
		if i > 0 {
			fmt.Fprintln(tw)
		}
		fmt.Fprintf(tw, "%s: %s\n", t.TargetID, verdict(t))
		for _, row := range planRows(t) {
			if row[1] != "" {
				fmt.Fprintf(tw, "  %s\t%s\n", row[0], row[1])
			}
		}
		if err := tw.Flush(); err != nil { // the packages have columns of their own
			return err
		}
		for _, p := range t.Packages {
			file := p.File
			switch {
			case p.Build:
				file = "built from " + strings.TrimSuffix(p.File+": "+p.Missing, ": ")
			case p.Missing != "":
				file = "no file fits: " + p.Missing
			}
			fmt.Fprintf(tw, "    %s\t%s\t%s\n", p.Name, p.Version, file)
		}
	}
	if err := tw.Flush(); err != nil || len(plan.Targets) < 2 {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", planSummary(plan))
	return err
}

// planSummary counts what there is to do: targets with one key are one build.
func planSummary(plan *builder.Plan) string {
	var distinct, hits, impossible int
	for _, t := range plan.Targets {
		switch {
		case t.SameAs != nil:
			continue
		case t.Hit:
			hits++
		case t.Engine == "":
			impossible++
		}
		distinct++
	}
	s := fmt.Sprintf("%d targets, %d distinct: %d in the cache, %d to build", len(plan.Targets), distinct, hits, distinct-hits-impossible)
	if impossible > 0 {
		s += fmt.Sprintf(", %d that cannot be built", impossible)
	}
	return s
}

// verdict says in a few words what build would do.
func verdict(t builder.PlannedTarget) string {
	switch {
	case t.SameAs != nil:
		return "the same archive as " + t.SameAs.String()
	case t.At != "":
		return "in the cache " + t.At
	case t.Hit:
		return "in the cache"
	case t.Engine == "":
		return "cannot be built"
	}
	return "to build"
}

func planRows(t builder.PlannedTarget) [][2]string {
	packages := fmt.Sprintf("%d, all prebuilt", len(t.Packages))
	files := ""
	switch {
	case t.Plain:
		packages, files = "", fmt.Sprint(t.Files)
	case !t.Prebuilt:
		var sources []string
		for _, p := range t.Packages {
			if p.Build || p.Missing != "" {
				sources = append(sources, p.Name)
			}
		}
		packages = fmt.Sprintf("%d, not prebuilt: %s", len(t.Packages), strings.Join(sources, ", "))
	}
	engine := t.Engine
	if t.EngineWhy != "" {
		engine = strings.TrimPrefix(engine+": "+t.EngineWhy, ": ")
	}
	rows := [][2]string{
		{"lock file", t.LockFile},
		{"engine", engine},
		{"image", t.Image},
		{"key", t.Key},
		{"not cached", t.MissWhy},
		{"output", shortPath(t.Output)},
	}
	for _, change := range t.Changes {
		rows = append(rows, [2]string{"changed", change.String()})
	}
	for _, warning := range t.Warnings {
		rows = append(rows, [2]string{"warning", warning})
	}
	for _, note := range t.Notes {
		rows = append(rows, [2]string{"note", note})
	}
	return append(rows, [2]string{"files", files}, [2]string{"packages", packages})
}
