package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/inspect"
)

// writeMarkdown prints what archives hold, and what differs, for a comment on a
// pull request. All packages are folded away.
func writeMarkdown(w io.Writer, found []*builder.Inspected, shown int) error {
	var out bytes.Buffer
	overview := markdownOverview(&out, found)
	for _, in := range found {
		if what := became(in); overview && (what == builder.LayerRemoved || what == builder.LayerUnchanged) {
			continue // its row says all
		}
		if out.Len() > 0 {
			fmt.Fprintln(&out)
		}
		fmt.Fprintf(&out, "### %s\n\n", cell(inspectedName(in)))
		if c := in.Against; c != nil {
			markdownCompared(&out, in, shown)
		} else {
			fmt.Fprintf(&out, "%s; %s unzipped (%s of Lambda's limit), %s zipped\n", contents(in), size(in.Size), ofLimit(in.Size), size(in.ZipSize))
		}
		for i, line := range nativeLines(in.Inventory) {
			if i == 0 {
				fmt.Fprintln(&out)
			}
			fmt.Fprintf(&out, "- native: %s\n", cell(line))
		}
		markdownPackages(&out, in, shown)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// markdownOverview says of each layer what became of it, where there is more to
// say than of one that is still there.
func markdownOverview(out *bytes.Buffer, found []*builder.Inspected) bool {
	if len(found) == 0 || became(found[0]) == "" || len(found) == 1 && became(found[0]) != builder.LayerRemoved {
		return false
	}
	fmt.Fprintf(out, "| layer | since %s | packages | | unzipped | |\n| --- | --- | ---: | ---: | ---: | ---: |\n", cell(found[0].Against.Name))
	for _, in := range found {
		c := in.Against
		what, packages, unzipped, more := c.Layer, fmt.Sprint(in.Count()), size(in.Size), ""
		switch {
		case what == builder.LayerAdded:
			what = "new"
		case what == builder.LayerRemoved:
			packages, unzipped = "", ""
		}
		if c.Target != nil {
			what += ", was " + cell(strings.Join(c.Target.Runtimes, "+"))
		}
		if !c.Planned {
			more = difference(in.Size - c.Size)
		}
		fmt.Fprintf(out, "| %s | %s | %s | %+d | %s | %s |\n", cell(inspectedName(in)), what, packages, in.Count()-c.Count, unzipped, more)
	}
	return true
}

func markdownCompared(out *bytes.Buffer, in *builder.Inspected, shown int) {
	c := in.Against
	name := cell(againstName(c))
	switch {
	case c.Layer == builder.LayerAdded:
		fmt.Fprintf(out, "New since %s. %s; %s unzipped (%s of Lambda's limit), %s zipped\n", name, contents(in), size(in.Size), ofLimit(in.Size), size(in.ZipSize))
		return
	case c.Planned:
		fmt.Fprintf(out, "%s; %s unzipped (%s of Lambda's limit), %s zipped. No cache has the archive of %s: versions only.\n",
			contents(in), size(in.Size), ofLimit(in.Size), size(in.ZipSize), name)
	default:
		fmt.Fprintf(out, "| | %s | now | |\n| --- | ---: | ---: | ---: |\n", name)
		fmt.Fprintf(out, "| unzipped | %s | %s | %s |\n", size(c.Size), size(in.Size), difference(in.Size-c.Size))
		fmt.Fprintf(out, "| of Lambda's limit | %s | %s | |\n", ofLimit(c.Size), ofLimit(in.Size))
		fmt.Fprintf(out, "| zipped | %s | %s | %s |\n", size(c.ZipSize), size(in.ZipSize), difference(in.ZipSize-c.ZipSize))
		fmt.Fprintf(out, "| packages | %d | %d | %+d |\n", c.Count, in.Count(), in.Count()-c.Count)
		fmt.Fprintf(out, "| files | %d | %d | %+d |\n", c.Files, in.Files, in.Files-c.Files)
	}
	if len(c.Changes) == 0 {
		fmt.Fprintf(out, "\nNo package changed.\n")
		return
	}
	last, align := " unzipped |", " ---: |"
	if c.Planned {
		last, align = "", ""
	}
	fmt.Fprintf(out, "\n| changed | before | now |%s\n| --- | --- | --- |%s\n", last, align)
	for _, change := range c.Changes[:min(shown, len(c.Changes))] {
		before, after := sideText(change.Before, "new"), sideText(change.After, "gone")
		if change.What == inspect.Content {
			after = "other files"
		}
		fmt.Fprintf(out, "| %s | %s | %s |", cell(change.Name), before, after)
		if !c.Planned {
			fmt.Fprintf(out, " %s |", difference(change.Difference()))
		}
		fmt.Fprintln(out)
	}
	if rest := len(c.Changes) - shown; rest > 0 {
		fmt.Fprintf(out, "\n%s\n", plural(rest, "%d other change", "%d other changes"))
	}
}

func sideText(s *inspect.Side, none string) string {
	if s == nil {
		return none
	}
	return cell(cmp.Or(s.Version, "-"))
}

func markdownPackages(out *bytes.Buffer, in *builder.Inspected, shown int) {
	listed := in.Packages[:min(shown, len(in.Packages))]
	what := "The packages by size"
	if len(listed) < len(in.Packages) {
		what = fmt.Sprintf("The %d largest of %d", len(listed), len(in.Packages))
	}
	fmt.Fprintf(out, "\n<details><summary>%s</summary>\n\n| package | version | licence | unzipped | zipped | native |\n| --- | --- | --- | ---: | ---: | --- |\n", what)
	for _, p := range listed {
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s |\n", cell(p.Name), cell(p.Version), cell(p.License), size(p.Size), size(p.Compressed), cell(nativeText(p.Native)))
	}
	fmt.Fprintf(out, "\n</details>\n")
}

// cell is a text of outside as plain text in Markdown: it may neither end a
// cell nor become markup, HTML, an image, a mention or a reference.
func cell(text string) string {
	var b strings.Builder
	text = strings.ReplaceAll(printable(text), "://", ":\x00//")
	for _, r := range text {
		switch {
		case strings.ContainsRune("\\`*_{}[]<>!|~$&", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '@' || r == '#':
			// A backslash stops neither @somebody nor #123.
			b.WriteRune(r)
			b.WriteString("<!-- -->")
		case r == 0:
			b.WriteString("<!-- -->") // nor the link that an address becomes
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
