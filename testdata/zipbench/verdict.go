package main

import (
	"fmt"
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
		times("as fast as `zip -9`", zip9, full, "≥", 7)
		times("as fast as 7-Zip `-mx=1`", c.find("7z1"), full, ">", 1)
		times("as fast as fastzip", c.find("fastzip"), full, "≥", 1)
		if zip9 != nil && full != nil {
			add("as large as `zip -9`", c.Name, "%.3f", float64(full.Size)/float64(zip9.Size), "≤", 1.045)
		}
		if verified := c.find(all + "-verify"); full != nil && verified != nil && !isOwn(c) {
			add("reading back, of the whole", c.Name, "%.2f", 1-full.Median.Seconds/verified.Median.Seconds, "<", 1.0/3)
		}
		if !isOwn(c) {
			times("two workers as fast as one", one, two, "≥", 1.7)
		}
		splice := c.find("splice")
		if c.Name == "node" || c.Name == "python" {
			times("spliced, as fast as `zip -9`", zip9, splice, "≥", 20)
			times("spliced, as fast as anew", full, splice, "≥", 2)
		} else {
			times("spliced, as fast as `zip -9`", zip9, splice, "≥", 10)
		}
		for _, r := range c.Results {
			if r.Workers > 0 {
				add("memory in MiB, "+r.Label, c.Name, "%.0f", peak(r), "<", float64(64+8*r.Workers))
			}
		}
	}
	if len(rows) == 1 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nWhat is wanted, and what came out; spliced archives were those of a full build, byte for byte, each time:\n\n")
	writeRows(&b, rows)
	b.WriteString(r.paper())
	return b.String()
}

// peak is the largest of all rounds: a bound holds for each.
func peak(r Result) (most float64) {
	for _, s := range r.Samples {
		most = max(most, s.Peak)
	}
	return most
}

func isOwn(c Corpus) bool { return c.find("zipper-1") != nil && c.Name == "big" }

// paper says what many cores would give if Amdahl's law were all there is:
// with the serial share s, n workers take s + (1-s)/n of one's time.
func (r *Report) paper() string {
	rows := [][]string{{"", "serial share", "times as fast with 16"}}
	for _, c := range r.Corpora {
		one, two := c.find("zipper-1"), c.find("zipper-2")
		if one == nil || two == nil || isOwn(c) {
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
