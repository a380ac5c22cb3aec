package main

import (
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// liveLines are lines at the bottom of a terminal that are redrawn. Nothing is
// drawn before the first line is added, so that a run of cache hits leaves the
// terminal alone.
type liveLines struct {
	out io.Writer

	mu     sync.Mutex
	bars   *mpb.Progress // nil before the first line and after close
	open   []*liveLine
	closed bool
}

type liveLine struct{ bar *mpb.Bar }

// add adds a line that draws what text returns for a terminal's width.
func (l *liveLines) add(text func(width int) string) *liveLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if l.bars == nil {
		l.bars = mpb.New(mpb.WithOutput(l.out), mpb.WithRefreshRate(100*time.Millisecond))
	}
	draw := func(s decor.Statistics) string { return text(s.AvailableWidth) }
	line := &liveLine{l.bars.MustAdd(0, nil, mpb.BarFillerTrim(), mpb.PrependDecorators(decor.Any(draw)))}
	l.open = append(l.open, line)
	return line
}

// width is the terminal's.
func (l *liveLines) width() int {
	if width := widthOf(l.out); width > 0 {
		return width
	}
	return 80
}

func (l *liveLine) remove() { l.bar.Abort(true) }

// print prints text above the lines, or returns false where there are none.
func (l *liveLines) print(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bars == nil {
		return false
	}
	_, err := io.WriteString(l.bars, text+"\n")
	return err == nil
}

// close draws for the last time, without the lines.
func (l *liveLines) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.bars == nil {
		return
	}
	for _, line := range l.open {
		line.remove()
	}
	l.bars.Wait()
	l.bars = nil
}
