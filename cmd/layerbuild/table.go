package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/layerbuild/layerbuild/builder"
)

// The widest that names may be.
const (
	maxLayerWidth   = 20
	maxRuntimeWidth = 15 // provided.al2023
	maxArchWidth    = 12
	maxSameWidth    = 10
)

// resultColumns are the columns of the table; those of numbers are aligned to
// the right.
var resultColumns = []struct {
	title string
	right bool
}{
	{"LAYER", false}, {"RUNTIME", false}, {"ARCH", false}, {"PKGS", true}, {"ZIPPED", true},
	{"UNZIPPED", true}, {"OF LIMIT", true}, {"RESULT", false}, {"TIME", true},
}

// lessMatters are the columns that go first where a terminal is too narrow.
var lessMatters = []string{"PKGS", "TIME", "ZIPPED"}

// writeResult prints the table of what was built, in lines no longer than width.
func writeResult(w io.Writer, result *builder.Result, colour bool, width int) error {
	rows := [][]string{nil}
	var right []bool
	for _, c := range resultColumns {
		rows[0], right = append(rows[0], c.title), append(right, c.right)
	}
	for _, b := range result.Layers {
		rows = append(rows, resultRow(b))
	}
	lines := tabulate(rows, right, width, lessMatters...)
	var out bytes.Buffer
	for i, line := range lines {
		switch {
		case !colour:
		case i == 0:
			line = "\x1b[1m" + line + "\x1b[0m"
		case result.Layers[i-1].Unzipped > builder.UnzippedLimit*9/10:
			line = "\x1b[33m" + line + "\x1b[0m"
		}
		fmt.Fprintln(&out, line)
	}
	archives := "archives"
	if len(result.Layers) == 1 {
		archives = "archive"
	}
	summary := fmt.Sprintf("%d %s in %s, listed in %s; %s in all", len(result.Layers), archives,
		shortPath(filepath.Dir(result.Index)), filepath.Base(result.Index), duration(result.Elapsed))
	fmt.Fprintf(&out, "\n%s\n", fold(summary, width, 0))
	_, err := w.Write(out.Bytes())
	return err
}

// tabulate aligns rows below their titles. Where they are longer than width, the
// columns that matter less are left out.
func tabulate(rows [][]string, right []bool, width int, lessMatter ...string) []string {
	lines := align(rows, right)
	for _, title := range lessMatter {
		if widest(lines) > width {
			rows, right = without(rows, right, title)
			lines = align(rows, right)
		}
	}
	return lines
}

func widest(lines []string) int {
	n := 0
	for _, line := range lines {
		n = max(n, utf8.RuneCountInString(line))
	}
	return n
}

// without drops a column.
func without(rows [][]string, right []bool, title string) ([][]string, []bool) {
	at := slices.Index(rows[0], title)
	for i, row := range rows {
		rows[i] = slices.Delete(row, at, at+1)
	}
	return rows, slices.Delete(right, at, at+1)
}

func resultRow(b builder.Built) []string {
	how := "built"
	switch {
	case b.SameAs != nil:
		how = "same as " + clip(b.SameAs.Layer, maxSameWidth) // an earlier row
	case b.From != "":
		how = "fetched"
	case b.Hit:
		how = "hit"
	}
	packages := fmt.Sprint(b.Packages)
	if b.Packages == 0 {
		packages = "-" // a plain layer
	}
	return []string{
		clip(b.Layer, maxLayerWidth),
		several(b.Runtimes, maxRuntimeWidth, "runtimes"),
		several(b.Arches, maxArchWidth, "arches"),
		packages,
		size(b.ZipSize),
		size(b.Unzipped),
		fmt.Sprintf("%.1f%%", 100*float64(b.Unzipped)/builder.UnzippedLimit),
		how,
		duration(b.Elapsed),
	}
}

// timingsTable shows the phases of each target. The targets run side by side,
// so their sums are more than the whole run took. Where a terminal is too
// narrow, the phases that took least are left out.
func timingsTable(result *builder.Result, width int) string {
	rows, right := timingsRows(result)
	lines := align(rows, right)
	var small []string
	for _, phase := range leastFirst(result) {
		if widest(lines) <= width {
			break
		}
		small = append(small, phase)
		rows, right = without(rows, right, strings.ToUpper(phase))
		lines = align(rows, right)
	}
	if len(small) > 0 {
		lines = append(lines, fold("left out, as they took less: "+strings.Join(small, ", "), width, hanging))
	}
	return strings.Join(lines, "\n")
}

func timingsRows(result *builder.Result) (rows [][]string, right []bool) {
	rows, right = [][]string{{"TIMINGS"}}, []bool{false}
	for _, p := range (builder.Timings{}).Phases() {
		rows[0], right = append(rows[0], strings.ToUpper(p.Name)), append(right, true)
	}
	rows[0], right = append(rows[0], "SUM"), append(right, true)
	for _, b := range result.Layers {
		row := []string{label(b.TargetID)}
		var sum time.Duration
		for _, p := range b.Timings.Phases() {
			sum += p.Took
			row = append(row, shortTime(p.Took))
		}
		rows = append(rows, append(row, shortTime(sum)))
	}
	return rows, right
}

// leastFirst lists the phases by the time that they took in all.
func leastFirst(result *builder.Result) []string {
	total := make(map[string]time.Duration)
	var names []string
	for _, p := range (builder.Timings{}).Phases() {
		names = append(names, p.Name)
	}
	for _, b := range result.Layers {
		for _, p := range b.Timings.Phases() {
			total[p.Name] += p.Took
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(total[a], total[b]) })
	return names
}

// shortTime shows the time of a phase, which may be none.
func shortTime(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", d.Seconds()*1000)
	}
	return duration(d)
}

// align returns the rows as lines with their columns below each other; right
// tells which are aligned to the right.
func align(rows [][]string, right []bool) []string {
	widths := make([]int, len(right))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var lines []string
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				b.WriteString("  ")
			}
			if right[i] {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

// label names a target in few characters.
func label(id builder.TargetID) string {
	return fmt.Sprintf("%s (%s, %s)", clip(id.Layer, maxLayerWidth),
		several(id.Runtimes, maxRuntimeWidth, "runtimes"), several(id.Arches, maxArchWidth, "arches"))
}

// several shows the names of a universal layer's targets, or how many.
func several(names []string, width int, what string) string {
	s := strings.Join(names, "+")
	if len(names) == 1 {
		return clip(s, width)
	}
	if utf8.RuneCountInString(s) > width {
		return fmt.Sprintf("%d %s", len(names), what)
	}
	return s
}

// clip shortens a name.
func clip(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}

// size shows bytes in decimal units, as Lambda's limit is given.
func size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, units := float64(n)/1000, []string{"kB", "MB", "GB", "TB"}
	for value >= 999.95 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	return fmt.Sprintf("%.1f %s", value, units[0])
}

// duration shows a time to the digits that matter.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}
