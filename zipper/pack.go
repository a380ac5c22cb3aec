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
	first, end int // the entries it belongs to; one, if file or splice is set

	splice *place        // the record that takes the entry's place, if there is one
	file   *bigFile      // the file whose block it is, if it is a block
	last   bool          // whether it is the file's last block
	turn   chan struct{} // closed when the block before has been read
	pass   chan struct{} // to be closed when this one has been read

	content int64  // bytes of content in it
	out     []byte // whole records of small entries, or a compressed block
	done    bool   // whether out is ready
}

// A packer runs the workers of one Write. Its tasks circulate: a worker takes
// a free one, fills and queues it under mu, so that the queue has archive
// order, and works on it. Whoever has done the first task of the queue writes
// it and all done ones after it, and frees them, while the others go on. So
// there is no thread besides the workers, and none of them waits for another
// unless it is all tasks ahead.
type packer struct {
	opts    Options
	entries []Entry
	infos   []EntryInfo // by entry; each set by the task that finishes it
	earlier *earlier
	out     *assembler

	free chan *task

	mu      sync.Mutex
	next    int      // the first entry that is in no task yet
	file    *bigFile // the file being cut into blocks, if any
	open    map[*bigFile]bool
	queue   []*task // in archive order, from the first that is not written
	writing bool    // whether a worker is writing, or has failed to
}

func newPacker(w io.Writer, sorted []Entry, before *earlier, opts Options) *packer {
	n := opts.workers() * tasksPerWorker
	p := &packer{
		opts:    opts,
		entries: sorted,
		infos:   make([]EntryInfo, len(sorted)),
		earlier: before,
		free:    make(chan *task, n),
		open:    make(map[*bigFile]bool),
	}
	p.out = newAssembler(p, w)
	for i := range sorted {
		p.infos[i].Name, p.infos[i].Mode, p.infos[i].Size = sorted[i].Name, sorted[i].Mode, sorted[i].Size
	}
	for range n {
		p.free <- new(task)
	}
	return p
}

// run starts the workers, waits for all of them, and ends the archive.
func (p *packer) run(ctx context.Context) (info Info, err error) {
	defer func() {
		if cerr := p.out.close(); err == nil {
			err = cerr
		}
	}()
	if err := p.spliceBig(ctx); err != nil {
		return Info{}, err
	}
	g, ctx := errgroup.WithContext(ctx)
	for range p.opts.workers() {
		g.Go(func() error { return p.work(ctx) })
	}
	err = g.Wait()
	for f := range p.open { // only after an error
		f.content.Close()
	}
	if err != nil {
		return Info{}, err
	}
	return p.out.finish()
}

// work does tasks until there are no more.
func (p *packer) work(ctx context.Context) error {
	w := newWorker(p)
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
			p.free <- t // so that no other worker waits for it
			return nil
		}
		if err := w.do(ctx, t); err != nil {
			return err
		}
		if err := p.finished(ctx, t); err != nil {
			return err
		}
	}
}

// assign makes t the next task, or reports that there is none.
func (p *packer) assign(t *task) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil && p.next == len(p.entries) {
		return false
	}
	*t = task{out: t.out[:0]}
	switch {
	case p.file != nil:
		p.assignBlock(t)
	case p.earlier.big[p.next] != nil:
		t.first, t.end = p.next, p.next+1
		t.splice, t.content = p.earlier.big[p.next], p.entries[p.next].Size
		p.next++
	case p.entries[p.next].isBig():
		p.file = newBigFile(p.next, p.entries[p.next].Size)
		p.next++
		p.assignBlock(t)
	default:
		p.assignUnit(t)
	}
	p.queue = append(p.queue, t)
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

// finished notes that t is done and writes what can be written now, unless
// another worker is writing: then that one will come upon t.
func (p *packer) finished(ctx context.Context, t *task) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.done = true
	if p.writing {
		return nil
	}
	p.writing = true
	for len(p.queue) > 0 && p.queue[0].done {
		first := p.queue[0]
		p.queue = p.queue[1:]
		if err := p.write(ctx, first); err != nil {
			return err // and p.writing stays: nobody else is to go on
		}
	}
	p.writing = false
	return nil
}

// write writes a task's result with mu unlocked, and frees the task.
func (p *packer) write(ctx context.Context, t *task) error {
	p.mu.Unlock()
	defer p.mu.Lock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.out.add(ctx, t); err != nil {
		return err
	}
	p.free <- t // never blocks: there is room for all tasks
	return nil
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
