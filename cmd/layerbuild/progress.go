package main

import (
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// heartbeat is how often a long phase is mentioned where nothing can be
// redrawn: CI systems end jobs that say nothing.
const heartbeat = 15 * time.Second

// progress shows what a build does while it does it: a line per running
// target that is redrawn, on a terminal, else a line for each start and end.
type progress struct {
	ui   *ui
	now  func() time.Time
	live *liveLines    // nil without a terminal
	done chan struct{} // closed to end the heartbeat
	once sync.Once

	mu    sync.Mutex
	tasks []*task // that run, in the order of their start
	said  map[string]bool
	wide  int // of the longest name so far
}

// task is a target that is being built.
type task struct {
	name      string
	label     string // the name in few characters
	began     time.Time
	phase     string
	last      runtimes.Update   // of the phase
	items     map[string]counts // of the phase
	downloads map[string]counts // kept, for the line at the end
	log       string            // the last line that a tool printed in the phase
	line      *liveLine
	loaded    bool // it was built before, and its modules are loaded
}

type counts struct{ done, total int64 }

func sum(items map[string]counts) counts {
	var all counts
	for _, c := range items {
		all.done += c.done
		all.total += c.total
	}
	return all
}

// amount shows bytes in a sentence.
func (c counts) amount() string {
	switch {
	case c.total > 0:
		return fmt.Sprintf(", %s of %s", size(c.done), size(max(c.done, c.total)))
	case c.done > 0:
		return ", " + size(c.done)
	}
	return ""
}

func newProgress(ui *ui) *progress {
	p := &progress{ui: ui, now: time.Now, done: make(chan struct{}), said: make(map[string]bool)}
	if ui.quiet {
		return p
	}
	if ui.live {
		p.live = &liveLines{out: ui.stderr}
		return p
	}
	go p.beats()
	return p
}

// close ends the display; messages go straight to stderr again.
func (p *progress) close() {
	p.once.Do(func() {
		close(p.done)
		if p.live != nil {
			p.live.close()
		}
	})
}

// say prints a line for people above what is redrawn. It must be called without
// the lock, for drawing takes it.
func (p *progress) say(format string, args ...any) {
	p.line(fold("layerbuild: "+fmt.Sprintf(format, args...), proseWidth(p.ui.stderr), hanging))
}

// line prints text as it is, where say prints it.
func (p *progress) line(text string) {
	if p.live == nil || !p.live.print(text) {
		p.ui.line(text)
	}
}

// report takes an event of the builder.
func (p *progress) report(e builder.Event) {
	about := ""
	if e.Target.Layer != "" {
		about = e.Target.String() + ": "
	}
	switch e.Kind {
	case builder.Warned:
		p.warn(about + e.Text)
	case builder.Noted:
		if !p.ui.quiet {
			p.sayOnce("note: " + about + e.Text)
		}
	case builder.Started:
		p.start(e.Target, e.Text)
	case builder.Progressed:
		p.update(e.Target.String(), e.Update)
	case builder.Finished:
		p.end(e.Target.String(), "built")
	case builder.Failed:
		p.end(e.Target.String(), "failed")
	}
}

// warn prints a warning, once.
func (p *progress) warn(text string) {
	if p.sayOnce(paint(p.ui.colourErr, yellow, "warning:") + " " + text) {
		p.ui.annotateWarning(text)
	}
}

// sayOnce prints a line that several targets may cause.
func (p *progress) sayOnce(text string) (first bool) {
	p.mu.Lock()
	said := p.said[text]
	p.said[text] = true
	p.mu.Unlock()
	if !said {
		p.say("%s", text)
	}
	return !said
}

func (p *progress) start(id builder.TargetID, engine string) {
	said := "building, engine " + engine
	switch engine {
	case "none": // a plain layer
		said = "packing"
	case "import": // one that the cache had
		said = "loading its modules"
	}
	p.begin(id.String(), label(id), said)
	if engine == "import" {
		p.mu.Lock()
		defer p.mu.Unlock()
		if t := p.task(id.String()); t != nil {
			t.loaded = true
		}
	}
}

// begin adds a task. Label is its name in few characters, and said what begins
// where nothing can be redrawn.
func (p *progress) begin(name, label, said string) {
	if p.ui.quiet {
		return
	}
	t := &task{name: name, label: label, began: p.now(), downloads: make(map[string]counts)}
	p.mu.Lock()
	p.tasks = append(p.tasks, t)
	p.wide = max(p.wide, utf8.RuneCountInString(t.label))
	p.mu.Unlock()
	if p.live == nil {
		p.say("%s: %s", name, said)
		return
	}
	line := p.live.add(func(width int) string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return look{width, p.wide, p.ui.colourErr}.running(t, p.now().Sub(t.began))
	})
	p.mu.Lock()
	t.line = line
	p.mu.Unlock()
	p.ui.mu.Lock()
	p.ui.spoke = true
	p.ui.mu.Unlock()
}

// update takes a report of a task's progress.
func (p *progress) update(name string, u runtimes.Update) {
	if u.Log != "" && p.ui.verbose {
		p.line(fmt.Sprintf("layerbuild: %s: | %s", name, u.Log))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.task(name); t != nil {
		t.take(u)
	}
}

func (p *progress) task(name string) *task {
	for _, t := range p.tasks {
		if t.name == name {
			return t
		}
	}
	return nil
}

func (t *task) take(u runtimes.Update) {
	if u.Phase == "open" && t.phase != "" {
		return // some packages are read while others are still fetched
	}
	if u.Phase != "" && u.Phase != t.phase {
		t.phase, t.last, t.items, t.log = u.Phase, runtimes.Update{}, make(map[string]counts), ""
	}
	if u.Log != "" {
		t.log = u.Log
		return
	}
	t.last = u
	items := t.items
	if u.Phase == "download" {
		items = t.downloads
	}
	if items != nil {
		items[u.Item] = counts{max(u.Done, items[u.Item].done), max(u.Total, items[u.Item].total)}
	}
}

// status says what a task does now.
func (t *task) status() string {
	switch t.phase {
	case "":
		return "starting"
	case "download":
		return plural(len(t.downloads), "downloading %d file", "downloading %d files") + sum(t.downloads).amount()
	case "open":
		return fmt.Sprintf("reading %d of %d packages", t.last.Done, t.last.Total)
	case "pull":
		return "pulling the image" + sum(t.items).amount()
	case "install":
		switch {
		case t.last.Total > 0:
			return fmt.Sprintf("installing %d of %d files", t.last.Done, t.last.Total)
		case t.last.Item != "":
			return "installing: " + t.last.Item
		}
		return "installing"
	case "unpack":
		return fmt.Sprintf("unpacking %d of %d packages", t.last.Done, t.last.Total)
	case "export":
		return "fetching the installed files"
	case "zip":
		return "compressing" + sum(t.items).amount()
	case "load":
		return "loading the modules"
	case "verify":
		return "reading back" + sum(t.items).amount()
	}
	return t.phase + sum(t.items).amount()
}

// end takes a task off. A target that never started was in the cache.
func (p *progress) end(name, how string) {
	p.mu.Lock()
	t := p.task(name)
	var line *liveLine
	if t != nil {
		line = t.line
		if t.loaded && how == "built" {
			how = "loaded"
		}
		for i := range p.tasks {
			if p.tasks[i] == t {
				p.tasks = append(p.tasks[:i], p.tasks[i+1:]...)
				break
			}
		}
	}
	p.mu.Unlock()
	if p.ui.quiet {
		return
	}
	if t == nil {
		if p.ui.verbose && how == "built" {
			p.say("%s: in place or in the cache", name)
		}
		return
	}
	took := p.now().Sub(t.began)
	if line == nil {
		p.say("%s: %s in %s%s", name, how, duration(took), t.downloaded())
		return
	}
	line.remove()
	p.line(look{p.live.width(), p.widest(), p.ui.colourErr}.ended(t, how, took))
}

func (p *progress) widest() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wide
}

func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf(one, n)
	}
	return fmt.Sprintf(many, n)
}

// beats says now and then that long tasks are alive.
func (p *progress) beats() {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.beat()
		case <-p.done:
			return
		}
	}
}

func (p *progress) beat() {
	p.mu.Lock()
	var lines []string
	for _, t := range p.tasks {
		if since := p.now().Sub(t.began); since >= heartbeat {
			lines = append(lines, fmt.Sprintf("%s: still %s after %s", t.name, t.status(), duration(since)))
		}
	}
	p.mu.Unlock()
	for _, line := range lines {
		p.say("%s", line)
	}
}
