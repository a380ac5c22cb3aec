package buildkit

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	digest "github.com/opencontainers/go-digest"

	"github.com/layerbuild/layerbuild/runtimes"
)

func newTestDisplay(updates *[]runtimes.Update) *display {
	g := &graph{image: "image x", steps: map[string]bool{"install": true}}
	return newDisplay(g, func(u runtimes.Update) { *updates = append(*updates, u) })
}

func TestDisplay(t *testing.T) {
	var updates []runtimes.Update
	d := newTestDisplay(&updates)
	now := time.Now()
	image, step := digest.FromString("image"), digest.FromString("step")
	for _, s := range []*client.SolveStatus{
		{Vertexes: []*client.Vertex{{Digest: image, Name: "image x", Started: &now}}},
		{Statuses: []*client.VertexStatus{{Vertex: image, ID: "a", Current: 1, Total: 10}, {Vertex: image, ID: "b", Current: 2, Total: 5}}},
		{Vertexes: []*client.Vertex{{Digest: step, Name: "install", Started: &now}}},
		{Logs: []*client.VertexLog{{Vertex: step, Data: []byte("one\ntw")}}},
		{Logs: []*client.VertexLog{{Vertex: step, Data: []byte("o\r\nfrom https://me:secret@a.example")}}},
		{Vertexes: []*client.Vertex{{Digest: step, Name: "install", Started: &now, Completed: &now}}},
	} {
		d.update(s)
	}
	want := []runtimes.Update{
		{Phase: "pull", Item: "image x", Done: 1, Total: 10},
		{Phase: "pull", Item: "image x", Done: 3, Total: 15},
		{Phase: "install", Item: "install"},
		{Phase: "install", Item: "install", Log: "one"},
		{Phase: "install", Item: "install", Log: "two"},
		{Phase: "install", Item: "install", Log: "from https://***@a.example"},
		{Phase: "export", Item: "install"},
	}
	if !slices.Equal(updates, want) {
		t.Errorf("got  %v\nwant %v", updates, want)
	}
	if f := d.failed(); !reflect.DeepEqual(f, failure{}) {
		t.Errorf("nothing failed, got %v", f)
	}
}

func TestDisplayFailed(t *testing.T) {
	var updates []runtimes.Update
	d := newTestDisplay(&updates)
	stopped, step := digest.FromString("stopped"), digest.FromString("step")
	var log strings.Builder
	for i := range 100 {
		fmt.Fprintf(&log, "line %d\n", i)
	}
	d.update(&client.SolveStatus{
		Vertexes: []*client.Vertex{{Digest: step, Name: "install"}, {Digest: stopped, Name: "image x"}},
		Logs:     []*client.VertexLog{{Vertex: step, Data: []byte(log.String())}},
	})
	d.update(&client.SolveStatus{Vertexes: []*client.Vertex{
		{Digest: step, Name: "install", Error: "exit code: 1"},
		{Digest: stopped, Name: "image x", Error: "context canceled"},
	}})
	f := d.failed()
	if f.name != "install" || !f.step || f.image || len(f.lines) != keptLines || f.lines[0] != "line 70" {
		t.Errorf("got %+v", f)
	}
}

// TestDisplayLongLine: a line that never ends does not fill the memory.
func TestDisplayLongLine(t *testing.T) {
	var updates []runtimes.Update
	d := newTestDisplay(&updates)
	step := digest.FromString("step")
	for range 100 {
		d.update(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: step, Data: make([]byte, 1024)}}})
	}
	if got := len(d.vertices[step].partial); got > maxLine+1024 {
		t.Errorf("%d bytes are kept", got)
	}
}
