package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The colours of the terminal's own palette, so that each user's fits.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// paint colours a text where the terminal may be coloured.
func paint(colour bool, code, text string) string {
	if !colour || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// look says how the lines of targets are drawn.
type look struct {
	width  int // of the terminal
	name   int // of the longest name
	colour bool
}

// The widths of a line's columns: mark, name, time, bar, and what is done.
const (
	minNameWidth = 12
	usualWidth   = 28 // of names: lines that stay should begin as later ones will
	timeWidth    = 6
	minBarLine   = 70 // narrower terminals have no bar
)

// running is the line of a target that is being built.
func (l look) running(t *task, took time.Duration) string {
	line := l.head(" ", "", t.label, took)
	room := l.width - (2 + l.nameWidth() + 2 + timeWidth + 2)
	if width := l.barWidth(); width > 0 {
		line += l.bar(t, width) + "  "
		room -= width + 2
	}
	text := t.brief()
	if t.log != "" && room > len(text)+20 {
		text += ": " + t.log
	}
	return strings.TrimRight(line+clip(text, max(room, 1)), " ")
}

// ended is the line of a target that was built, or was not.
func (l look) ended(t *task, how string, took time.Duration) string {
	mark, code := "✓", green
	if how == "failed" {
		mark, code = "✗", red
	}
	how += t.downloaded()
	return l.head(mark, code, t.label, took) + clip(how, max(l.width-(2+l.nameWidth()+2+timeWidth+2), len("failed")))
}

// head is what all lines begin with.
func (l look) head(mark, code, name string, took time.Duration) string {
	name = clip(name, l.nameWidth())
	pad := strings.Repeat(" ", l.nameWidth()-utf8.RuneCountInString(name))
	return paint(l.colour, code, mark) + " " + name + pad + fmt.Sprintf("  %*s  ", timeWidth, seconds(took))
}

// nameWidth leaves room for what is done; on a narrow terminal it matters more
// which target it is.
func (l look) nameWidth() int {
	if l.width < minBarLine {
		return max(minNameWidth, min(l.name, l.width-22))
	}
	return min(max(usualWidth, l.name), l.width*2/5)
}

// seconds shows a time that runs: in one unit for the first minute.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return duration(d)
}

func (l look) barWidth() int {
	switch {
	case l.width < minBarLine:
		return 0
	case l.width < 100:
		return 8
	}
	return 16
}

// bar shows how much of a phase is done, where that is known.
func (l look) bar(t *task, width int) string {
	done, known := t.share()
	if !known {
		return strings.Repeat(" ", width)
	}
	full := int(done*float64(width) + 0.5)
	return paint(l.colour, cyan, strings.Repeat("━", full)) + strings.Repeat("─", width-full)
}

// share is how much of the phase is done, from 0 to 1.
func (t *task) share() (share float64, known bool) {
	var c counts
	switch t.phase {
	case "download":
		c = sum(t.downloads)
	case "open", "install":
		c = counts{t.last.Done, t.last.Total}
	default:
		c = sum(t.items)
	}
	if c.total <= 0 {
		return 0, false
	}
	return float64(min(c.done, c.total)) / float64(c.total), true
}

// brief says in a few words what a task does now.
func (t *task) brief() string {
	switch t.phase {
	case "":
		return "starting"
	case "download":
		return "downloading" + sum(t.downloads).brief()
	case "open":
		return fmt.Sprintf("reading %d/%d packages", t.last.Done, t.last.Total)
	case "pull":
		return "pulling" + sum(t.items).brief()
	case "install":
		switch {
		case t.last.Total > 0:
			return fmt.Sprintf("installing %d/%d files", t.last.Done, t.last.Total)
		case t.last.Item != "":
			return t.last.Item // a container's step
		}
		return "installing"
	case "zip":
		return "compressing" + sum(t.items).brief()
	case "verify":
		return "reading back"
	}
	return t.phase + sum(t.items).brief()
}

// brief shows bytes in few characters, with one unit for both where they share
// it.
func (c counts) brief() string {
	done, total := size(c.done), size(max(c.done, c.total))
	switch {
	case c.total <= 0 && c.done <= 0:
		return ""
	case c.total <= 0:
		return " " + done
	}
	number, unit, _ := strings.Cut(done, " ")
	if _, other, _ := strings.Cut(total, " "); unit == other {
		done = number
	}
	return " " + done + "/" + total
}

// downloaded says what a task fetched.
func (t *task) downloaded() string {
	if len(t.downloads) == 0 {
		return ""
	}
	return plural(len(t.downloads), ", %d file", ", %d files") + " downloaded, " + size(sum(t.downloads).done)
}
