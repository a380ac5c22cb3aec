package main

import (
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// docWidth is what lines for people fit into where nothing else is known, and
// the most that prose takes of a terminal.
const docWidth = 100

// widthOf is the width of a terminal, 0 where there is none.
func widthOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// tableWidth is how wide the rows of a table may be: as a terminal is, else as
// the variable COLUMNS says.
func tableWidth(w io.Writer) int {
	if width := widthOf(w); width > 0 {
		return width
	}
	if width, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && width > 0 {
		return width
	}
	return docWidth
}

// proseWidth is how wide lines of text may be.
func proseWidth(w io.Writer) int {
	if widthOf(w) > 0 {
		return min(tableWidth(w), docWidth)
	}
	return tableWidth(w)
}

// hanging is by how much the lines of a message after its first are indented.
const hanging = 4

// fold breaks each line that is longer than width at spaces. What follows is
// indented by hang more than the line was. A word is never broken, so that paths
// and addresses can be copied.
func fold(text string, width, hang int) string {
	if !strings.Contains(text, "\n") && columnsOf(text) <= width {
		return text
	}
	var folded []string
	for line := range strings.SplitSeq(text, "\n") {
		rest := strings.TrimLeft(line, " ")
		if columnsOf(line) <= width || strings.HasPrefix(rest, "| ") {
			folded = append(folded, line) // the latter is what a tool printed
			continue
		}
		indent := len(line) - len(rest)
		lines := wrap(rest, width-indent, width-indent-hang)
		folded = append(folded, line[:indent]+strings.Join(lines, "\n"+strings.Repeat(" ", indent+hang)))
	}
	return strings.Join(folded, "\n")
}

// wrap breaks text at its spaces into a line of at most first columns, and others
// of at most width. A word that is longer than a line has one of its own.
func wrap(text string, first, width int) []string {
	var lines []string
	line, room := "", first
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case columnsOf(line)+1+columnsOf(word) > room:
			lines, line, room = append(lines, line), word, width
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// labelled writes each row's text beside its label, below one another.
func labelled(rows [][2]string, indent string, width int) string {
	label := 0
	for _, row := range rows {
		label = max(label, columnsOf(row[0]))
	}
	var b strings.Builder
	for _, row := range rows {
		head := indent + row[0] + strings.Repeat(" ", label-columnsOf(row[0])+2)
		room := width - columnsOf(head)
		text := row[1]
		if columnsOf(text) > room {
			text = strings.Join(wrap(text, room, room), "\n"+strings.Repeat(" ", columnsOf(head)))
		}
		b.WriteString(head + text + "\n")
	}
	return b.String()
}

var colours = regexp.MustCompile("\x1b\\[[0-9]*m")

// columnsOf is how many columns a line takes.
func columnsOf(line string) int {
	if strings.Contains(line, "\x1b") {
		line = colours.ReplaceAllString(line, "")
	}
	return utf8.RuneCountInString(line)
}
