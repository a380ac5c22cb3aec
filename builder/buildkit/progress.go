package buildkit

import (
	"bytes"
	"strings"

	"github.com/moby/buildkit/client"
	digest "github.com/opencontainers/go-digest"

	"github.com/layerbuild/layerbuild/runtimes"
)

const (
	// keptLines is how many of a vertex's last lines an error can show.
	keptLines = 30

	// maxLine bounds a line that never ends.
	maxLine = 16 << 10
)

// display turns the status of one solve into progress, and remembers what a
// failed vertex said last. It is used by one goroutine at a time.
type display struct {
	graph    *graph
	progress runtimes.Progress
	vertices map[digest.Digest]*vertex
	order    []*vertex // as first seen
}

type vertex struct {
	name    string
	started bool
	done    bool
	err     string
	partial []byte   // an unfinished line
	lines   []string // the last ones
	loads   map[string]load
}

// load is one blob of an image on its way.
type load struct{ done, total int64 }

func newDisplay(g *graph, p runtimes.Progress) *display {
	if p == nil {
		p = func(runtimes.Update) {}
	}
	return &display{graph: g, progress: p, vertices: map[digest.Digest]*vertex{}}
}

func (d *display) update(s *client.SolveStatus) {
	for _, v := range s.Vertexes {
		d.vertexUpdate(v)
	}
	for _, st := range s.Statuses {
		d.loadUpdate(st)
	}
	for _, l := range s.Logs {
		v := d.vertex(l.Vertex)
		v.partial = append(v.partial, l.Data...)
		d.flush(v, false)
	}
	for _, v := range s.Vertexes {
		if v.Completed != nil {
			d.finish(d.vertex(v.Digest))
		}
	}
}

func (d *display) vertex(id digest.Digest) *vertex {
	v := d.vertices[id]
	if v == nil {
		v = &vertex{loads: map[string]load{}}
		d.vertices[id] = v
		d.order = append(d.order, v)
	}
	return v
}

func (d *display) vertexUpdate(u *client.Vertex) {
	v := d.vertex(u.Digest)
	v.name = u.Name
	v.err = u.Error
	if u.Started != nil && !v.started && d.graph.steps[v.name] {
		d.progress(runtimes.Update{Phase: "install", Item: v.name})
	}
	v.started = v.started || u.Started != nil
}

// finish says that a vertex has ended. After the last step only the export is
// left.
func (d *display) finish(v *vertex) {
	d.flush(v, true)
	if !v.done && v.err == "" && d.graph.steps[v.name] {
		d.progress(runtimes.Update{Phase: "export", Item: v.name})
	}
	v.done = true
}

// loadUpdate reports how much of the image has come.
func (d *display) loadUpdate(u *client.VertexStatus) {
	v := d.vertex(u.Vertex)
	if v.name != d.graph.image || u.Total == 0 {
		return
	}
	v.loads[u.ID] = load{u.Current, u.Total}
	var sum load
	for _, l := range v.loads {
		sum.done += l.done
		sum.total += l.total
	}
	d.progress(runtimes.Update{Phase: "pull", Item: v.name, Done: sum.done, Total: sum.total})
}

// flush reports v's finished lines, and with last what is left.
func (d *display) flush(v *vertex, last bool) {
	for {
		i := bytes.IndexByte(v.partial, '\n')
		switch {
		case i >= 0:
		case len(v.partial) > maxLine, last && len(v.partial) > 0:
			i = len(v.partial)
		default:
			return
		}
		d.line(v, string(v.partial[:i]))
		v.partial = v.partial[min(i+1, len(v.partial)):]
	}
}

func (d *display) line(v *vertex, line string) {
	line = redact(strings.TrimRight(line, "\r \t"))
	if len(v.lines) == keptLines {
		v.lines = v.lines[1:]
	}
	v.lines = append(v.lines, line)
	d.progress(runtimes.Update{Phase: "install", Item: v.name, Log: line})
}

// failure is the vertex that made a solve fail.
type failure struct {
	name  string
	image bool     // it pulled the image
	step  bool     // it ran a step
	lines []string // what it printed last
}

// failed returns the vertex that failed, the zero failure where none did.
// Vertices that BuildKit stopped because of another one say "canceled".
func (d *display) failed() failure {
	var found *vertex
	for _, v := range d.order {
		if v.err == "" {
			continue
		}
		if found == nil || !strings.Contains(v.err, "context canceled") {
			found = v
		}
	}
	if found == nil {
		return failure{}
	}
	return failure{
		name:  found.name,
		image: found.name == d.graph.image,
		step:  d.graph.steps[found.name],
		lines: found.lines,
	}
}
