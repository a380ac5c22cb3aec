package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// report is of a run with figures as they may come, on two corpora.
func report() *Report {
	r := newReport(3)
	r.Cores = 2
	for _, name := range []string{"node", "elf"} {
		c := Corpus{Name: name, What: "a tree", Files: 25_000, Bytes: 132e6}
		for _, f := range []struct {
			name, label      string
			workers          int
			spliced          bool
			seconds, size, m float64
		}{
			{"zip9", "zip -9 -r", 0, false, 10, 1, 5},
			{"zip6", "zip -6 -r", 0, false, 7, 1.003, 5},
			{"7z1", "7-Zip -mx=1", 0, false, 1.9, 1.03, 31},
			{"7z5", "7-Zip -mx=5", 0, false, 9, 0.985, 34},
			{"bsdtar", "bsdtar", 0, false, 7.1, 1.004, 6},
			{"fastzip", "fastzip", 0, false, 1.3, 1.04, 16},
			{"gozip", "Go's archive/zip", 0, false, 6.5, 1.01, 9},
			{"zipper-1", "zipper, 1 worker", 1, false, 2, 1.03, 32},
			{"zipper-2", "zipper, 2 workers", 2, false, 1.1, 1.03, 81},
			{"splice", "zipper, 1 % changed", 2, true, 0.4, 1.03, 25},
		} {
			s := Sample{f.seconds, f.seconds, f.m}
			c.Results = append(c.Results, Result{Contender: f.name, Label: f.label, Workers: f.workers, Spliced: f.spliced,
				Size: int64(f.size * 1e8), Median: s, Samples: []Sample{s, s, s}})
		}
		r.Corpora = append(r.Corpora, c)
	}
	return r
}

func TestVerdict(t *testing.T) {
	got := strings.Join(strings.Fields(report().verdict()), " ")
	for _, want := range []string{
		"| speed, `zip -9` = 1 | node | 9.09 | ≥ 7.00 | pass |",
		"| speed, fastzip = 1 | node | 1.18 | ≥ 1.00 | pass |",
		"| size, `zip -9` = 1 | node | 1.030 | ≤ 1.045 | pass |",
		"| speed of two workers, one = 1 | node | 1.82 | ≥ 1.70 | pass |",
		"| speed of splicing, `zip -9` = 1 | node | 25.00 | ≥ 20.00 | pass |",
		"| speed of splicing, `zip -9` = 1 | elf | 25.00 | ≥ 10.00 | pass |",
		"| speed of splicing, a full build = 1 | node | 2.75 | ≥ 2.00 | pass |",
		"| most memory in MiB, workers: 1 | node | 32 | < 72 | pass |",
		"| most memory in MiB, workers: 2 | node | 81 | < 80 | FAIL |",
		"| node | 0.100 | 6.4 |", // 2·1.1/2 - 1, and 1/(0.1 + 0.9/16)
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the verdict lacks %s:\n%s", want, got)
		}
	}
}

// TestSave: the page keeps what stands around the figures, a second run
// replaces those of the first, and the plot is well-formed.
func TestSave(t *testing.T) {
	docs := t.TempDir()
	page := filepath.Join(docs, "benchmarks.md")
	if err := os.WriteFile(page, []byte("before\n"+begin+end+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var pages [2]string
	for i := range pages {
		if err := report().save(docs); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		pages[i] = string(data)
	}
	if pages[0] != pages[1] || !strings.HasPrefix(pages[0], "before\n") || !strings.HasSuffix(pages[0], "after\n") ||
		!strings.Contains(pages[0], "7-Zip -mx=1") {
		t.Errorf("first:\n%s\nsecond:\n%s", pages[0], pages[1])
	}
	f, err := os.Open(filepath.Join(docs, "benchmarks", "zip.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	circles := 0
	for d := xml.NewDecoder(f); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
			circles++
		}
	}
	if circles != 20 {
		t.Errorf("%d points, want 20", circles)
	}
}

// TestMedian: of each figure by itself, and between the two in the middle.
func TestMedian(t *testing.T) {
	got := median([]Sample{{1, 9, 5}, {4, 1, 5}, {2, 3, 8}, {3, 2, 1}})
	if want := (Sample{2.5, 2.5, 5}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
