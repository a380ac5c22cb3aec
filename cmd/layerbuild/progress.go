package main

import (
	"cmp"
	"fmt"
	"sync"
	"time"

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
}

// task is a target that is being built.
type task struct {
	name    string
	began   time.Time
	phase   string
	item    string
	items   map[string]counts // of the phase
	fetched counts            // of all downloads, whatever came after them
	files   int               // how many
	line    *liveLine
}

type counts struct{ done, total int64 }

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

// say prints a line above what is redrawn. It must be called without the
// lock, for drawing takes it.
func (p *progress) say(format string, args ...any) {
	text := "layerbuild: " + fmt.Sprintf(format, args...)
	if p.live == nil || !p.live.print(text) {
		p.ui.message(text)
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
		p.sayOnce("warning: " + about + e.Text)
	case builder.Noted:
		if !p.ui.quiet {
			p.sayOnce("note: " + about + e.Text)
		}
	case builder.Started:
		p.start(e.Target.String(), e.Text)
	case builder.Progressed:
		p.update(e.Target.String(), e.Update)
	case builder.Finished:
		p.end(e.Target.String(), "built")
	case builder.Failed:
		p.end(e.Target.String(), "failed")
	}
}

// sayOnce prints a line that several targets may cause.
func (p *progress) sayOnce(text string) {
	p.mu.Lock()
	said := p.said[text]
	p.said[text] = true
	p.mu.Unlock()
	if !said {
		p.say("%s", text)
	}
}

func (p *progress) start(name, engine string) {
	if p.ui.quiet {
		return
	}
	t := &task{name: name, began: p.now()}
	p.mu.Lock()
	p.tasks = append(p.tasks, t)
	p.mu.Unlock()
	if p.live == nil {
		p.say("%s: building, engine %s", name, engine)
		return
	}
	line := p.live.add(func() string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return t.name + ": " + t.status() + " (" + duration(p.now().Sub(t.began)) + ")"
	})
	p.mu.Lock()
	t.line = line
	p.mu.Unlock()
}

// update takes a report of a task's progress.
func (p *progress) update(name string, u runtimes.Update) {
	if u.Log != "" && p.ui.verbose {
		p.say("%s: | %s", name, u.Log)
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
	if u.Phase != "" && u.Phase != t.phase {
		t.phase, t.items = u.Phase, make(map[string]counts)
	}
	t.item = cmp.Or(u.Item, t.item)
	if u.Log != "" || t.items == nil {
		return
	}
	old, seen := t.items[u.Item]
	now := counts{max(u.Done, old.done), max(u.Total, old.total)}
	t.items[u.Item] = now
	if t.phase == "download" {
		if !seen {
			t.files++
		}
		t.fetched.done += now.done - old.done
		t.fetched.total += now.total - old.total
	}
}

// status says what a task does now.
func (t *task) status() string {
	var sum counts
	for _, c := range t.items {
		sum.done += c.done
		sum.total += c.total
	}
	amount := ""
	switch {
	case sum.total > 0:
		amount = fmt.Sprintf(", %s of %s", size(sum.done), size(max(sum.done, sum.total)))
	case sum.done > 0:
		amount = ", " + size(sum.done)
	}
	switch t.phase {
	case "":
		return "starting"
	case "download":
		return plural(len(t.items), "downloading %d file", "downloading %d files") + amount
	case "pull":
		return "pulling the image" + amount
	case "install":
		if t.item != "" {
			return "installing: " + t.item
		}
		return "installing"
	case "zip":
		return "compressing" + amount
	case "verify":
		return "reading back" + amount
	}
	return t.phase + amount
}

// end takes a task off. A target that never started was in the cache.
func (p *progress) end(name, how string) {
	p.mu.Lock()
	t := p.task(name)
	var line *liveLine
	if t != nil {
		line = t.line
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
	if line != nil {
		line.remove()
	}
	text := name + ": " + how + " in " + duration(p.now().Sub(t.began))
	if t.files > 0 {
		text += plural(t.files, ", %d file", ", %d files") + fmt.Sprintf(" downloaded, %s", size(t.fetched.done))
	}
	p.say("%s", text)
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
