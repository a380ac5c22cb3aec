package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

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
	var out strings.Builder
	prose, table := proseWidth(w), tableWidth(w)
	for i, t := range plan.Targets {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintln(&out, fold(fmt.Sprintf("%s: %s", t.TargetID, verdict(t)), prose, hanging))
		rows := slices.DeleteFunc(planRows(t), func(row [2]string) bool { return row[1] == "" })
		out.WriteString(labelled(rows, "  ", prose))
		writePlanned(&out, t.Packages, table)
	}
	if len(plan.Targets) > 1 {
		fmt.Fprintf(&out, "\n%s\n", planSummary(plan))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// writePlanned prints the packages in columns. Where a row is too long, what is
// said of the file has lines of its own.
func writePlanned(out *strings.Builder, packages []builder.PlannedPackage, width int) {
	const indent, deeper = "    ", "        "
	var rows [][]string
	for _, p := range packages {
		rows = append(rows, []string{indent + clipName(p.Name, packageWidth), clip(p.Version, versionWidth), plannedFile(p)})
	}
	for i, line := range align(rows, []bool{false, false, false}) {
		if columnsOf(line) > width {
			file := rows[i][2]
			line = strings.TrimRight(strings.TrimSuffix(line, file), " ") + "\n"
			if packages[i].Missing == "" {
				file = clipFront(file, width-len(deeper)) // a wheel's tags come last
			}
			line += fold(deeper+file, width, 0)
		}
		fmt.Fprintln(out, line)
	}
}

// plannedFile says which file of a package would be installed.
func plannedFile(p builder.PlannedPackage) string {
	switch {
	case p.Build:
		return "built from " + strings.TrimSuffix(p.File+": "+p.Missing, ": ")
	case p.Missing != "":
		return "no file fits: " + p.Missing
	}
	return p.File
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
		if t.Engine == "" { // the engine's row names them
			packages = fmt.Sprintf("%d, %d of them not prebuilt", len(t.Packages), len(sources))
		}
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
