package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/inspect"
)

// The widest that texts of the inventory's tables may be, so that a row fits 100
// columns.
const (
	packageWidth = 29
	versionWidth = 12
	licenseWidth = 16
	nativeWidth  = 17
	sizeWidth    = 8
	changeWidth  = 2 + 2*versionWidth + 4 + 2 + sizeWidth + 1 + 2 // all of a change but the name
)

// shownPackages are as many as are listed where not all are asked for.
const shownPackages = 25

// shown is how many packages are listed.
func (i *inspecting) shown() int {
	if i.all {
		return 1 << 30
	}
	return shownPackages
}

// writeInspected prints what archives hold, for people.
func writeInspected(w io.Writer, found []*builder.Inspected, shown int) error {
	var out bytes.Buffer
	prose := func(format string, args ...any) {
		fmt.Fprintln(&out, fold(fmt.Sprintf(format, args...), proseWidth(w), hanging))
	}
	for n, in := range found {
		if n > 0 {
			fmt.Fprintln(&out)
		}
		if became(in) == builder.LayerRemoved {
			prose("%s: removed since %s; %s", inspectedName(in), in.Against.Name, removedText(in.Against))
			continue
		}
		prose("%s: %s", inspectedName(in), contents(in))
		sums := [][2]string{
			{"unzipped", fmt.Sprintf("%9s, %s of Lambda's limit for a function and its layers", size(in.Size), ofLimit(in.Size))},
			{"zipped", fmt.Sprintf("%9s%s", size(in.ZipSize), throughS3(in.ZipSize))},
		}
		label := "native"
		for _, line := range nativeLines(in.Inventory) {
			sums = append(sums, [2]string{label, line})
			label = "" // of the first alone
		}
		out.WriteString(labelled(sums, "  ", proseWidth(w)))
		if in.Against != nil {
			fmt.Fprintln(&out)
			writeCompared(&out, in, shown, tableWidth(w))
		}
		fmt.Fprintln(&out)
		writePackages(&out, in.Packages, shown, tableWidth(w))
		fmt.Fprintln(&out)
		rows := [][]string{{"UNZIPPED", "LARGEST FILES"}}
		for _, f := range in.Largest {
			rows = append(rows, []string{size(f.Size), clipFront(printable(f.Path), max(tableWidth(w)-sizeWidth-2, 1))})
		}
		writeLines(&out, align(rows, []bool{true, false}))
	}
	_, err := w.Write(out.Bytes())
	return err
}

func writeLines(out *bytes.Buffer, lines []string) {
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
}

// contents says in a few words how much there is.
func contents(in *builder.Inspected) string {
	return plural(in.Count(), "%d package, ", "%d packages, ") + plural(in.Files, "%d file", "%d files")
}

func ofLimit(n int64) string {
	return fmt.Sprintf("%.1f%%", 100*float64(n)/builder.UnzippedLimit)
}

// throughS3 says how a large archive is published.
func throughS3(n int64) string {
	if n > builder.DirectUpload {
		return ", too large for a direct upload: publish it through S3"
	}
	return ""
}

// writePackages prints the largest packages, and what the rest comes to.
func writePackages(out *bytes.Buffer, packages []inspect.Package, shown, width int) {
	rows := [][]string{{"PACKAGE", "VERSION", "LICENCE", "UNZIPPED", "ZIPPED", "NATIVE"}}
	row := func(p inspect.Package) {
		rows = append(rows, []string{
			clipName(p.Name, packageWidth), clip(p.Version, versionWidth), clip(p.License, licenseWidth),
			size(p.Size), size(p.Compressed), clip(nativeText(p.Native), nativeWidth),
		})
	}
	for _, p := range packages[:min(shown, len(packages))] {
		row(p)
	}
	if len(packages) > shown {
		rest := inspect.Package{Name: plural(len(packages)-shown, "%d other (--all)", "%d others (--all)")}
		for _, p := range packages[shown:] {
			rest.Size, rest.Compressed = rest.Size+p.Size, rest.Compressed+p.Compressed
		}
		row(rest)
	}
	writeLines(out, tabulate(rows, []bool{false, false, false, true, true, false}, width, "ZIPPED", "LICENCE", "NATIVE"))
}

// nativeText says in few words for what a package's native code is: "x86_64,
// glibc 2.17".
func nativeText(all []inspect.Native) string {
	var parts []string
	others := false
	for _, n := range all {
		switch {
		case !isArch(n.Platform):
			others = true
		case n.Musl:
			parts = append(parts, n.Platform+" musl")
		case n.Glibc != "":
			parts = append(parts, n.Platform+" "+n.Glibc)
		default:
			parts = append(parts, n.Platform)
		}
	}
	if others {
		parts = append(parts, "others")
	}
	return strings.Join(parts, ", ")
}

func isArch(platform string) bool { return platform == "x86_64" || platform == "arm64" }

// nativeLines say, for each platform, how much there is and what it needs.
func nativeLines(inv *inspect.Inventory) (lines []string) {
	type total struct {
		platform string
		files    int
		glibc    string
		of       string // the package that needs it
	}
	var totals []total
	for _, p := range inv.Packages {
		for _, n := range p.Native {
			platform := n.Platform
			if n.Musl {
				platform += " with musl"
			}
			i := slices.IndexFunc(totals, func(t total) bool { return t.platform == platform })
			if i < 0 {
				i = len(totals)
				totals = append(totals, total{platform: platform})
			}
			t := &totals[i]
			t.files += n.Files
			if newer(n.Glibc, t.glibc) {
				t.glibc, t.of = n.Glibc, p.Name
			}
		}
	}
	slices.SortFunc(totals, func(a, b total) int {
		return cmp.Or(cmp.Compare(b.files, a.files), strings.Compare(a.platform, b.platform))
	})
	var others []string
	for _, t := range totals {
		if t.files == 0 {
			others = append(others, t.platform)
			continue
		}
		line := t.platform
		line += plural(t.files, ": %d file", ": %d files")
		if t.glibc != "" {
			line += ", needs glibc " + t.glibc + " (" + clipName(t.of, packageWidth) + ")"
		}
		lines = append(lines, line)
	}
	if others != nil {
		lines = append(lines, "other platforms: "+strings.Join(others, ", "))
	}
	return lines
}

// newer tells whether one version, of numbers, is above another.
func newer(a, b string) bool {
	numbers := func(s string) (all []int) {
		for part := range strings.SplitSeq(s, ".") {
			n, _ := strconv.Atoi(part) // "" is below all
			all = append(all, n)
		}
		return all
	}
	return a != "" && (b == "" || slices.Compare(numbers(a), numbers(b)) > 0)
}

// writeCompared prints what differs from another archive.
func writeCompared(out *bytes.Buffer, in *builder.Inspected, shown, width int) {
	c := in.Against
	switch {
	case c.Layer == builder.LayerAdded:
		fmt.Fprintln(out, fold("new since "+c.Name, width, hanging))
		return
	case c.Planned:
		fmt.Fprintln(out, fold("against "+againstName(c)+", whose archive is in no cache: versions only", width, hanging))
	default:
		sizes := fmt.Sprintf("unzipped %s, zipped %s", difference(in.Size-c.Size), difference(in.ZipSize-c.ZipSize))
		fmt.Fprintln(out, fold("against "+againstName(c)+": "+sizes, width, hanging))
	}
	if len(c.Changes) == 0 {
		fmt.Fprintln(out, "  no package changed")
		return
	}
	rows := [][]string{}
	for _, change := range c.Changes[:min(shown, len(c.Changes))] {
		row := []string{"  " + clipName(change.Name, max(width-changeWidth, 1)), changeText(change)}
		if !c.Planned {
			row = append(row, difference(change.Difference()))
		}
		rows = append(rows, row)
	}
	right := []bool{false, false, true}
	if c.Planned {
		right = right[:2]
	}
	writeLines(out, align(rows, right))
	if rest := len(c.Changes) - shown; rest > 0 {
		fmt.Fprintln(out, plural(rest, "  %d other change (--all)", "  %d other changes (--all)"))
	}
}

// became is what became of a layer since a revision, "" where it was compared
// with none.
func became(in *builder.Inspected) string {
	if in.Against == nil {
		return ""
	}
	return in.Against.Layer
}

// againstName names what an archive was compared with, and its runtimes where
// they were others.
func againstName(c *builder.Compared) string {
	if c.Target == nil {
		return c.Name
	}
	return fmt.Sprintf("%s (%s)", c.Name, strings.Join(c.Target.Runtimes, "+"))
}

// removedText says what was in a layer that is no more.
func removedText(c *builder.Compared) string {
	text := plural(c.Count, "it had %d package", "it had %d packages")
	if !c.Planned {
		text += plural(c.Files, ", %d file, ", ", %d files, ") + size(c.Size) + " unzipped"
	}
	return text
}

// changeText says what became of a package: "1.0 → 1.1", "2.0 is new".
func changeText(c inspect.Change) string {
	version := func(s *inspect.Side) string { return clip(s.Version, versionWidth) }
	text := ""
	switch c.What {
	case inspect.Added:
		text = version(c.After) + " is new"
	case inspect.Removed:
		text = version(c.Before) + " is gone"
	case inspect.Version:
		text = cmp.Or(version(c.Before), "-") + " → " + cmp.Or(version(c.After), "-")
	default:
		text = version(c.After) + " has other files"
	}
	return strings.TrimSpace(text)
}

// difference shows how many bytes more or less.
func difference(n int64) string {
	switch {
	case n > 0:
		return "+" + size(n)
	case n < 0:
		return "−" + size(-n)
	}
	return "±0"
}

// printable is a name, quoted where a terminal would not show it as it is.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// clipName shortens a package's name: a Maven one at its group.
func clipName(name string, width int) string {
	if strings.Contains(name, ":") {
		return clipFront(name, width)
	}
	return clip(name, width)
}

// clipFront shortens a path, whose end says most.
func clipFront(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return "…" + string(r[len(r)-width+1:])
	}
	return s
}
