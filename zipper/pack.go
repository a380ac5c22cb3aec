package zipper

import (
	"context"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"
)

// unitSize bounds what one task of small entries holds, unless one entry
// alone is larger. It has no part in the archive's bytes.
const unitSize = 512 << 10

// tasksPerWorker bounds the memory in flight: one task is being worked on,
// the others wait for an earlier one to be written. Each holds up to one
// compressed block.
const tasksPerWorker = 4

// A task is a piece of work and, when done, its result.
type task struct {
	first, end int // the entries it belongs to; one, if file is set

	file *bigFile      // the file whose block it is, if it is a block
	last bool          // whether it is the file's last block
	turn chan struct{} // closed when the block before has been read
	pass chan struct{} // to be closed when this one has been read

	content int64         // bytes of content in it
	out     []byte        // whole records of small entries, or a compressed block
	done    chan struct{} // receives one value when out is ready
}

// A packer runs the workers of one Write. Its tasks circulate: a worker takes
// a free one, fills and queues it under mu, so that the queue has archive
// order, and works on it; the assembler takes tasks from the queue, waits for
// each, writes its result and frees it.
type packer struct {
	opts    Options
	entries []Entry
	infos   []EntryInfo // by entry; each set by the task that finishes it

	free  chan *task
	queue chan *task

	mu    sync.Mutex
	next  int      // the first entry that is in no task yet
	file  *bigFile // the file being cut into blocks, if any
	ended bool     // whether queue is closed
	open  map[*bigFile]bool
}

func newPacker(sorted []Entry, opts Options) *packer {
	n := opts.workers() * tasksPerWorker
	p := &packer{
		opts:    opts,
		entries: sorted,
		infos:   make([]EntryInfo, len(sorted)),
		free:    make(chan *task, n),
		queue:   make(chan *task, n),
		open:    make(map[*bigFile]bool),
	}
	for i := range sorted {
		p.infos[i].Name, p.infos[i].Mode, p.infos[i].Size = sorted[i].Name, sorted[i].Mode, sorted[i].Size
	}
	for range n {
		p.free <- &task{done: make(chan struct{}, 1)}
	}
	return p
}

// run starts the workers and the assembler, and waits for all of them.
func (p *packer) run(ctx context.Context, w io.Writer) (Info, error) {
	g, ctx := errgroup.WithContext(ctx)
	for range p.opts.workers() {
		g.Go(func() error { return p.work(ctx) })
	}
	a := newAssembler(p, w)
	g.Go(func() error { return a.run(ctx) })
	err := g.Wait()
	for f := range p.open { // only after an error
		f.content.Close()
	}
	if err != nil {
		return Info{}, err
	}
	return a.info, nil
}

// work does tasks until there are no more.
func (p *packer) work(ctx context.Context) error {
	w := worker{p: p, buf: make([]byte, dictSize+blockSize+1)}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var t *task
		select {
		case t = <-p.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !p.assign(t) {
			return nil
		}
		var err error
		if t.file != nil {
			err = w.packBlock(ctx, t)
		} else {
			err = w.packUnit(ctx, t)
		}
		if err != nil {
			return err
		}
		t.done <- struct{}{}
	}
}

// assign makes t the next task, or reports that there is none.
func (p *packer) assign(t *task) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil && p.next == len(p.entries) {
		if !p.ended {
			p.ended = true
			close(p.queue)
		}
		return false
	}
	*t = task{out: t.out[:0], done: t.done}
	if p.file == nil && p.entries[p.next].isBig() {
		p.file = newBigFile(p.next, p.entries[p.next].Size)
		p.next++
	}
	if p.file != nil {
		p.assignBlock(t)
	} else {
		p.assignUnit(t)
	}
	p.queue <- t // never blocks: there is room for all tasks
	return true
}

func (p *packer) assignBlock(t *task) {
	f := p.file
	t.first, t.end, t.file = f.entry, f.entry+1, f
	t.content = min(f.left, blockSize)
	f.left -= t.content
	t.last = f.left == 0
	t.turn, t.pass = f.turn, make(chan struct{})
	f.turn = t.pass
	if t.last {
		p.file = nil
	}
}

func (p *packer) assignUnit(t *task) {
	t.first = p.next
	for size := int64(0); p.next < len(p.entries) && !p.entries[p.next].isBig(); p.next++ {
		e := &p.entries[p.next]
		size += localLen + int64(len(e.Name)) + e.Size
		if size > unitSize && p.next > t.first {
			break
		}
		t.content += e.Size
	}
	t.end = p.next
}

// isBig reports whether the entry has more than one block.
func (e *Entry) isBig() bool {
	return e.Mode.IsRegular() && e.Size > blockSize
}

// setOpen notes whether f's content is open, so that run can close what an
// error left.
func (p *packer) setOpen(f *bigFile, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if open {
		p.open[f] = true
	} else {
		delete(p.open, f)
	}
}

// entryError says which entry an error belongs to, and what was being done.
func entryError(name, doing string, err error) error {
	return fmt.Errorf("entry %q: %s: %w", name, doing, err)
}
