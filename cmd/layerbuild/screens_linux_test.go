package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// The screens of one build with four targets, as a person sees them: on
// terminals, in CI, and with --json.

// story tells the events of a build; show is called at moments worth a look.
type story struct {
	p     *progress
	clock *clock
	show  func(moment string)
}

var (
	dataX86  = builder.TargetID{Layer: "data", Runtimes: []string{"python3.13"}, Arches: []string{"x86_64"}}
	dataARM  = builder.TargetID{Layer: "data", Runtimes: []string{"python3.13"}, Arches: []string{"arm64"}}
	imaging  = builder.TargetID{Layer: "imaging", Runtimes: []string{"python3.12", "python3.13"}, Arches: []string{"x86_64"}}
	bootRuby = builder.TargetID{Layer: "runtime", Runtimes: []string{"provided.al2023"}, Arches: []string{"arm64"}}
)

func (s story) event(id builder.TargetID, kind builder.EventKind, text string) {
	s.p.report(builder.Event{Target: id, Kind: kind, Text: text, Err: errors.New(text)})
}

func (s story) step(id builder.TargetID, u runtimes.Update) {
	s.p.report(builder.Event{Target: id, Kind: builder.Progressed, Update: u})
}

func (s story) tell(fails bool) {
	s.event(builder.TargetID{}, builder.Noted, "layerbuild.lock lacks the digest of an image; it is added")
	s.event(dataX86, builder.Started, "direct")
	s.event(dataARM, builder.Started, "direct")
	s.event(imaging, builder.Started, "buildkit")
	s.clock.advance(1900 * time.Millisecond)
	for i := range int64(23) {
		name := fmt.Sprintf("package_%d.whl", i)
		s.step(dataX86, runtimes.Update{Phase: "download", Item: name, Done: 1_300_000, Total: 2_400_000})
		s.step(dataARM, runtimes.Update{Phase: "download", Item: name, Done: 300_000 + i, Total: 2_300_000})
	}
	s.step(imaging, runtimes.Update{Phase: "pull", Item: "layer 1", Done: 31_000_000, Total: 110_000_000})
	s.event(bootRuby, builder.Started, "none")
	s.show("downloads, after 2 seconds")

	s.step(dataX86, runtimes.Update{Phase: "install", Item: "a", Done: 2048, Total: 8192})
	s.step(dataARM, runtimes.Update{Phase: "open", Item: "b", Done: 12, Total: 23})
	s.step(imaging, runtimes.Update{Phase: "install", Item: "install 21 packages"})
	s.step(imaging, runtimes.Update{Phase: "install", Log: "Resolved 21 packages in 12ms, Prepared 14 packages in 3.21s"})
	s.clock.advance(20 * time.Second)
	if s.p.live == nil {
		s.p.beat()
	}
	s.step(dataX86, runtimes.Update{Phase: "zip", Done: 61_000_000, Total: 152_000_000})
	s.event(dataARM, builder.Warned, "the wheels of foo and bar both hold tests/__init__.py; the one of foo is kept")
	s.event(bootRuby, builder.Finished, "")
	s.show("all at once, after 22 seconds")

	s.clock.advance(41 * time.Second)
	s.event(dataX86, builder.Finished, "")
	s.event(dataARM, builder.Finished, "")
	if fails {
		s.event(imaging, builder.Failed, "broken")
		return
	}
	s.event(imaging, builder.Finished, "")
}

func (s story) result() *builder.Result {
	const took = 62_900 * time.Millisecond
	wd, _ := os.Getwd()
	file := func(name string) (zip, manifest string) {
		return filepath.Join(wd, "dist", name+".zip"), filepath.Join(wd, "dist", name+".json")
	}
	r := &builder.Result{Index: filepath.Join(wd, "dist", "layers.json"), Elapsed: took, Layers: []builder.Built{
		{TargetID: dataX86, Packages: 23, ZipSize: 58_000_000, Unzipped: 152_400_000, Engine: "direct", Elapsed: took},
		{TargetID: dataARM, Packages: 23, ZipSize: 54_800_000, Unzipped: 144_400_000, Engine: "direct", Elapsed: took},
		{TargetID: imaging, Packages: 21, ZipSize: 91_000_000, Unzipped: 241_000_000, Engine: "buildkit", Elapsed: took},
		{TargetID: bootRuby, ZipSize: 4200, Unzipped: 9100, Engine: "none", Elapsed: 20 * time.Second},
	}}
	for i := range r.Layers {
		b := &r.Layers[i]
		b.File, b.Manifest = file(b.Layer + "-" + b.Arches[0])
		b.Key, b.SHA256, b.Delivered = strings.Repeat("0a", 32), strings.Repeat("b1", 32), true
	}
	return r
}

// end prints what comes after the display.
func (s story) end(t *testing.T, ui *ui, fails, asJSON bool) {
	t.Helper()
	s.p.close()
	if fails {
		ui.end(t.Context(), fmt.Errorf("imaging (python3.12+python3.13, x86_64): %w", &runtimes.InstallError{
			Step: "install 21 packages", Lines: []string{"error: Failed to build `pillow`", "The headers of zlib are missing"}, Err: errors.New("exit code 1")}))
		return
	}
	if err := ui.printResult(s.result(), asJSON); err != nil {
		t.Fatal(err)
	}
}

func TestScreens(t *testing.T) {
	for _, test := range []struct {
		columns       int
		colour, fails bool
	}{{80, true, false}, {80, false, false}, {200, true, false}, {200, false, false}, {80, true, true}, {44, false, false}} {
		name := strconv.Itoa(test.columns)
		if test.colour {
			name += "_colour"
		}
		if test.fails {
			name += "_failed"
		}
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", "xterm")
			t.Setenv("CI", "")
			t.Setenv("NO_COLOR", map[bool]string{false: "1"}[test.colour])
			master, slave := openTerminal(t, uint16(test.columns))
			ui := newUI(slave, slave)
			seen := watch(t, master)
			var got strings.Builder
			s := story{p: newProgress(ui), clock: &clock{t: time.Unix(0, 0)}}
			s.p.now = s.clock.now
			s.show = func(moment string) {
				// A whole frame that was begun after this moment is the third
				// from now at the latest; the first may be half sent.
				fmt.Fprintf(&got, "=== %s\n%s", moment, seen.frame(3))
			}
			s.tell(test.fails)
			s.end(t, ui, test.fails, false)
			ui.message("$ ")
			seen.until("$ \r\n")
			all, _ := seen.seen()
			fmt.Fprintf(&got, "=== the end\n%s", seen.draw(all))
			golden(t, "testdata/screens/"+name+".golden", got.String())
		})
	}
}

func TestScreensWithoutTerminal(t *testing.T) {
	for _, test := range []struct {
		name          string
		asJSON, fails bool
	}{{"ci", false, false}, {"ci_failed", false, true}, {"json", true, false}} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("CI", "true")
			var stdout, stderr bytes.Buffer
			ui := newUI(&stdout, &stderr)
			s := story{p: newProgress(ui), clock: &clock{t: time.Unix(0, 0)}, show: func(string) {}}
			s.p.now = s.clock.now
			s.tell(test.fails)
			s.end(t, ui, test.fails, test.asJSON)
			wd, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "testdata/screens/"+test.name+".golden",
				"=== stderr\n"+stderr.String()+"=== stdout\n"+strings.ReplaceAll(stdout.String(), wd, "/project"))
		})
	}
}

// upAndErase is how a frame replaces the one before it.
var upAndErase = regexp.MustCompile(`\x1b\[\d+A`)

// frame waits until n frames were sent from now on and returns the screen
// after the last of them.
func (s *screen) frame(n int) (text string) {
	s.t.Helper()
	before, _ := s.seen()
	s.when("frame", func(seen string) bool {
		at := upAndErase.FindAllStringIndex(seen[len(before):], -1)
		if len(at) <= n {
			return false
		}
		text = s.draw(seen[:len(before)+at[n][0]])
		return true
	})
	return text
}

// draw is what a terminal shows that was sent text. Colours are written as
// <31>…<0>.
func (s *screen) draw(text string) string {
	lines, row := []string{""}, 0
	sequence := regexp.MustCompile(`^\x1b\[([0-9;?]*)([A-Za-z])`)
	for len(text) > 0 {
		if m := sequence.FindStringSubmatch(text); m != nil {
			text = text[len(m[0]):]
			switch n, _ := strconv.Atoi(m[1]); m[2] {
			case "A":
				row = max(0, row-n)
			case "J":
				lines = append(lines[:row], "")
			case "m":
				lines[row] += "<" + m[1] + ">"
			default:
				s.t.Errorf("the test's terminal does not know %q", m[0])
			}
			continue
		}
		switch text[0] {
		case '\r':
		case '\n':
			if row++; row == len(lines) {
				lines = append(lines, "")
			}
		default:
			lines[row] += text[:1]
		}
		text = text[1:]
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}
