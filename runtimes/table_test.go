package runtimes

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestTableDoc: doc/runtimes.md lists the table, with its dates.
func TestTableDoc(t *testing.T) {
	data, err := os.ReadFile("../doc/runtimes.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	if !strings.Contains(doc, "reviewed on "+TableReviewed) {
		t.Errorf("doc/runtimes.md was not reviewed on %s", TableReviewed)
	}
	for _, info := range Table() {
		row := ""
		for line := range strings.Lines(doc) {
			if strings.Contains(line, "`"+info.Name+"`") && strings.HasPrefix(line, "|") {
				row = line
			}
		}
		for _, want := range []string{info.Glibc.String(), info.Deprecated} {
			if row == "" || !strings.Contains(row, "| "+want) {
				t.Errorf("%s: the row %q lacks %q", info.Name, row, want)
			}
		}
		if _, err := time.Parse(time.DateOnly, info.Deprecated); info.Deprecated != "" && err != nil {
			t.Error(info.Name, err)
		}
	}
}

// TestNew: a row made of a name is the table's own where that has it, but for
// what a name cannot tell.
func TestNew(t *testing.T) {
	for _, info := range Table() {
		made, ok := New(info.Name)
		if ok != info.Served() {
			t.Errorf("%s: made: %t", info.Name, ok)
		}
		if !ok {
			continue
		}
		made.OS, made.Glibc, made.Deprecated = info.OS, info.Glibc, info.Deprecated
		if made != info {
			t.Errorf("made  %+v\ntable %+v", made, info)
		}
	}
	for _, name := range []string{"", "python", "python3", "nodejs22", "nodejs22.y", "java", "java21.al3", "ruby3.4", "python3.15\n"} {
		if info, ok := New(name); ok {
			t.Errorf("%q gives %+v", name, info)
		}
	}
}
