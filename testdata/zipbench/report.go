package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/layerbuild/layerbuild/zipper"
)

// A Report is one run, as it is kept in zip.json.
type Report struct {
	Date    string   `json:"date"`
	Version string   `json:"version"` // zipper's
	Go      string   `json:"go"`
	Cores   int      `json:"cores"`
	Rounds  int      `json:"rounds"`
	Corpora []Corpus `json:"corpora"`
}

// A Corpus is what was measured on one.
type Corpus struct {
	Name    string   `json:"name"`
	What    string   `json:"what"`
	SHA256  string   `json:"sha256"` // of names, modes and contents
	Files   int      `json:"files"`
	Bytes   int64    `json:"bytes"`
	Results []Result `json:"results"`

	own bool // see corpus
}

// A Result is what one contender came to.
type Result struct {
	Contender string   `json:"contender"`
	Label     string   `json:"label"`
	Workers   int      `json:"workers,omitempty"` // of zipper
	Verify    bool     `json:"verify,omitempty"`  // zipper read back what it wrote
	Spliced   bool     `json:"spliced,omitempty"`
	Size      int64    `json:"size"` // of the archive
	Median    Sample   `json:"median"`
	Samples   []Sample `json:"samples"`

	contender contender
}

func newReport(rounds int) *Report {
	return &Report{Date: time.Now().UTC().Format(time.DateOnly), Version: zipper.Version, Go: runtime.Version(), Cores: runtime.NumCPU(), Rounds: rounds}
}

// median is of each figure alone.
func median(samples []Sample) Sample {
	middle := func(of func(Sample) float64) float64 {
		var all []float64
		for _, s := range samples {
			all = append(all, of(s))
		}
		slices.SortFunc(all, cmp.Compare)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	}
	return Sample{
		Seconds: middle(func(s Sample) float64 { return s.Seconds }),
		CPU:     middle(func(s Sample) float64 { return s.CPU }),
		Peak:    middle(func(s Sample) float64 { return s.Peak }),
	}
}

// find returns a contender's result, nil where it did not run.
func (c Corpus) find(name string) *Result {
	i := slices.IndexFunc(c.Results, func(r Result) bool { return r.Contender == name })
	if i < 0 {
		return nil
	}
	return &c.Results[i]
}

// table is in Markdown, which is readable on a terminal, too.
func (c Corpus) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s, %d files, %.0f MB:\n\n", c.Name, c.What, c.Files, float64(c.Bytes)/1e6)
	zip9 := c.find("zip9")
	rows := [][]string{{"", "time", "times as fast", "processor time", "times as much", "peak memory", "archive", "times as large"}}
	for _, r := range c.Results {
		faster, cpu, larger := "", "", ""
		if zip9 != nil {
			faster = fmt.Sprintf("%.2f", zip9.Median.Seconds/r.Median.Seconds)
			cpu = fmt.Sprintf("%.3f", r.Median.CPU/zip9.Median.CPU)
			larger = fmt.Sprintf("%.3f", float64(r.Size)/float64(zip9.Size))
		}
		rows = append(rows, []string{r.Label, fmt.Sprintf("%.2f s", r.Median.Seconds), faster, fmt.Sprintf("%.2f s", r.Median.CPU), cpu,
			fmt.Sprintf("%.0f MiB", r.Median.Peak), fmt.Sprintf("%.2f MB", float64(r.Size)/1e6), larger})
	}
	writeRows(&b, rows)
	return b.String()
}

// writeRows writes a table of Markdown whose columns are as wide as they need.
func writeRows(b *strings.Builder, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell), 3)
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			fmt.Fprintf(b, "| %-*s ", width[i], cell)
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, w := range width {
				fmt.Fprintf(b, "| %s ", strings.Repeat("-", w))
			}
			b.WriteString("|\n")
		}
	}
}

// The lines between which benchmarks.md has the figures.
const begin, end = "<!-- zipbench: written by its -update -->\n", "<!-- zipbench ends -->\n"

// save writes the run to benchmarks.md, benchmarks/zip.json and zip.svg.
func (r *Report) save(docs string) error {
	page := filepath.Join(docs, "benchmarks.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the line %q or %q", page, begin, end)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nMeasured %s on %d cores with %s, `%s`, the median of %d. ", r.Date, r.Cores, r.Go, r.Version, r.Rounds)
	b.WriteString("[zip.json](benchmarks/zip.json) has every run.\n\n![speed against size](benchmarks/zip.svg)\n")
	for _, c := range r.Corpora {
		b.WriteString(c.table())
	}
	b.WriteString(r.verdict() + "\n")
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(docs, "benchmarks"), 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(docs, "benchmarks", "zip.json"), append(data, '\n'), 0o644),
		os.WriteFile(filepath.Join(docs, "benchmarks", "zip.svg"), r.plot(), 0o644),
		os.WriteFile(page, []byte(before+begin+b.String()+end+after), 0o644))
}
