package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// verdict holds the run against what the zipper is meant to reach. What was
// not run is not judged.
func (r *Report) verdict() string {
	rows := [][]string{{"", "corpus", "measured", "wanted", ""}}
	add := func(what, corpus string, format string, got float64, relation string, want float64) {
		ok := got >= want
		switch relation {
		case "≤":
			ok = got <= want
		case "<":
			ok = got < want
		case ">":
			ok = got > want
		}
		verdict := "pass"
		if !ok {
			verdict = "FAIL"
		}
		rows = append(rows, []string{what, corpus, fmt.Sprintf(format, got), fmt.Sprintf("%s "+format, relation, want), verdict})
	}
	all := fmt.Sprintf("zipper-%d", r.Cores)
	for _, c := range r.Corpora {
		zip9, one, two, full := c.find("zip9"), c.find("zipper-1"), c.find("zipper-2"), c.find(all)
		times := func(what string, a, b *Result, relation string, want float64) {
			if a != nil && b != nil {
				add(what, c.Name, "%.2f", a.Median.Seconds/b.Median.Seconds, relation, want)
			}
		}
		times("speed, `zip -9` = 1", zip9, full, "≥", 7)
		times("speed, 7-Zip `-mx=1` = 1", c.find("7z1"), full, ">", 1)
		times("speed, fastzip = 1", c.find("fastzip"), full, "≥", 1)
		if zip9 != nil && full != nil {
			add("size, `zip -9` = 1", c.Name, "%.3f", float64(full.Size)/float64(zip9.Size), "≤", 1.045)
		}
		if verified := c.find(all + "-verify"); full != nil && verified != nil && !c.own {
			add("reading back, share of the whole", c.Name, "%.2f", 1-full.Median.Seconds/verified.Median.Seconds, "<", 1.0/3)
		}
		if !c.own {
			times("speed of two workers, one = 1", one, two, "≥", 1.7)
		}
		splice := c.find("splice")
		if c.Name == "node" || c.Name == "python" {
			times("speed of splicing, `zip -9` = 1", zip9, splice, "≥", 20)
			times("speed of splicing, a full build = 1", full, splice, "≥", 2)
		} else {
			times("speed of splicing, `zip -9` = 1", zip9, splice, "≥", 10)
		}
		most := map[int]float64{} // by workers
		for _, r := range c.Results {
			most[r.Workers] = max(most[r.Workers], peak(r))
		}
		for _, workers := range slices.Sorted(maps.Keys(most)) {
			if workers > 0 { // others than zipper have none
				add(fmt.Sprintf("most memory in MiB, workers: %d", workers), c.Name, "%.0f", most[workers], "<", float64(64+8*workers))
			}
		}
	}
	if len(rows) == 1 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nWhat is wanted, and what came out")
	if r.spliced() {
		b.WriteString("; spliced archives were those of a full build, byte for byte, each time")
	}
	b.WriteString(":\n\n")
	writeRows(&b, rows)
	b.WriteString(r.paper())
	return b.String()
}

func (r *Report) spliced() bool {
	return slices.ContainsFunc(r.Corpora, func(c Corpus) bool {
		return slices.ContainsFunc(c.Results, func(r Result) bool { return r.Spliced })
	})
}

// peak is the largest of all rounds: a bound holds for each.
func peak(r Result) (most float64) {
	for _, s := range r.Samples {
		most = max(most, s.Peak)
	}
	return most
}

// paper says what many cores would give if Amdahl's law were all there is:
// with the serial share s, n workers take s + (1-s)/n of one's time.
func (r *Report) paper() string {
	rows := [][]string{{"", "serial share", "times as fast with 16"}}
	for _, c := range r.Corpora {
		one, two := c.find("zipper-1"), c.find("zipper-2")
		if one == nil || two == nil || c.own {
			continue
		}
		s := max(0, 2*two.Median.Seconds/one.Median.Seconds-1)
		rows = append(rows, []string{c.Name, fmt.Sprintf("%.3f", s), fmt.Sprintf("%.1f", 1/(s+(1-s)/16))})
	}
	if len(rows) == 1 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nOn paper: the serial share that one and two workers show, and what 16 would come to by Amdahl's law:\n\n")
	writeRows(&b, rows)
	return b.String()
}
