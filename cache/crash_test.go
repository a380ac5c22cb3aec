//go:build unix

package cache

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// The roles of the processes of TestCrash, which runs itself.
const (
	crashDir  = "LAYERBUILD_CRASH_DIR"
	crashRole = "LAYERBUILD_CRASH_ROLE"

	roleVictim  = "victim"  // is killed
	roleWorker  = "worker"  // writes and reads, and is not
	roleTrimmer = "trimmer" // removes what no process uses
)

// crashOthers are at work on the folder while another one is killed.
const crashOthers = 8

// TestCrash kills a process that writes, reads and trims a cache, at random
// moments and again and again, while eight others are at work on the same
// folder, one of which trims it all the time, as if everything was too large and
// any use long ago. Nothing is ever half there or wrong, what a process uses is
// not taken from it, and the dead ones' temporary files are gone.
// LAYERBUILD_SOAK_ROUNDS sets the number of rounds.
func TestCrash(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashProcess(t, dir, os.Getenv(crashRole))
		return
	}
	rounds := 50
	if s := os.Getenv("LAYERBUILD_SOAK_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("LAYERBUILD_SOAK_ROUNDS: %v", err)
		}
		rounds = n
	}
	const perFolder = 25 // a new folder now and then: what is in it differs each time
	var done crashDone
	for i := 0; i < rounds; i += perFolder {
		done.add(crashRounds(t, t.TempDir(), min(perFolder, rounds-i)))
	}
	t.Logf("%d rounds; the others made %d steps and removed %d names", rounds, done.Steps, done.Removed)
	if done.Removed == 0 || done.Steps == 0 {
		t.Error("nothing was trimmed, or nothing done")
	}
}

// crashDone is what the processes that were not killed did.
type crashDone struct{ Steps, Removed int }

func (d *crashDone) add(more crashDone) {
	d.Steps += more.Steps
	d.Removed += more.Removed
}

func crashRounds(t *testing.T, dir string, rounds int) (done crashDone) {
	var others []*crashOther
	for i := range crashOthers {
		role := roleWorker
		if i == 0 {
			role = roleTrimmer
		}
		others = append(others, startCrash(t, dir, role))
	}
	for range rounds {
		victim := startCrash(t, dir, roleVictim)
		<-time.After(rand.N(20 * time.Millisecond)) // the random moment, which is the test
		victim.kill(t)
		checkCrashed(t, dir)
		if t.Failed() {
			break
		}
	}
	for _, o := range others {
		done.add(o.end(t))
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("tmp/ holds %v, %v", left, err)
	}
	c := openCache(t, dir)
	if r, err := c.Verify(t.Context()); err != nil || len(r.Defects) > 0 {
		t.Errorf("Verify, at the end: %+v, %v", r, err)
	}
	return done
}

// crashOther is a process at work, until its standard input ends.
type crashOther struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
}

// startCrash starts a process and lets it come to work.
func startCrash(t *testing.T, dir, role string) *crashOther {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrash$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashRole+"="+role)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o := &crashOther{cmd, stdin, bufio.NewReader(out)}
	if line, err := o.out.ReadString('\n'); err != nil || line != "at work\n" {
		t.Errorf("the %s said %q, %v", role, line, err)
	}
	return o
}

func (o *crashOther) kill(t *testing.T) {
	t.Helper()
	if err := o.cmd.Process.Kill(); err != nil {
		t.Errorf("the victim had ended: %v", err)
	}
	o.cmd.Wait()
	if status, ok := o.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		said, _ := io.ReadAll(o.out)
		t.Errorf("the victim ended by itself: %v\n%s", o.cmd.ProcessState, said)
	}
}

func (o *crashOther) end(t *testing.T) (done crashDone) {
	t.Helper()
	o.stdin.Close()
	said, _ := io.ReadAll(o.out)
	if err := o.cmd.Wait(); err != nil {
		t.Errorf("one of the others: %v\n%s", err, said)
		return done
	}
	if _, err := fmt.Sscanf(string(said), "%d %d", &done.Steps, &done.Removed); err != nil {
		t.Errorf("one of the others said %q: %v", said, err)
	}
	return done
}

// crashProcess is one of the processes.
func crashProcess(t *testing.T, dir, role string) {
	over, end := context.WithCancel(t.Context())
	go func() {
		io.Copy(io.Discard, os.Stdin) // until whoever started this one is gone, too
		end()
	}()
	fmt.Println("at work")
	var done crashDone
	for over.Err() == nil {
		if err := crashSession(t, over, dir, role, &done); err != nil {
			t.Fatalf("%s: %v", role, err)
		}
	}
	fmt.Println(done.Steps, done.Removed)
}

// crashSession is the life of a process, from Open to Close. All that it uses
// must be there until it closes.
func crashSession(t *testing.T, over context.Context, dir, role string, done *crashDone) error {
	c, err := Open(dir)
	if err != nil {
		return err
	}
	c.local.UseEvery = 0 // each use is marked, and protects only who is alive
	var used []Blob
	for range rand.IntN(20) {
		if over.Err() != nil {
			break
		}
		if role == roleTrimmer || role == roleVictim && rand.IntN(10) == 0 {
			trimmed, err := c.Trim(t.Context(), TrimOptions{MaxSize: 0})
			if err != nil && !errors.Is(err, context.DeadlineExceeded) { // so many mark that there is no moment for it
				return fmt.Errorf("trimming: %w", err)
			}
			done.Removed += trimmed.Removed.Entries + trimmed.Removed.Values + trimmed.Removed.Blobs
			pause(role)
			continue
		}
		e, err := crashStep(t, c, dir)
		if err != nil {
			return err
		}
		done.Steps++
		for _, b := range e.Blobs {
			used = append(used, b)
		}
		pause(role)
	}
	for _, b := range used {
		if _, err := readBlob(t, c, b); err != nil {
			return fmt.Errorf("taken from who uses it: %w", err)
		}
	}
	return c.Close()
}

// pause leaves the machine to the victim.
func pause(role string) {
	if role != roleVictim {
		<-time.After(rand.N(40 * time.Millisecond))
	}
}

// crashData tells by its first bytes what all of it has to be.
func crashData(seed uint64) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, seed), noise(seed, int(seed%50_000))...)
}

func checkData(data []byte) error {
	if len(data) < 8 || string(crashData(binary.LittleEndian.Uint64(data))) != string(data) {
		return errors.New("bytes that nobody wrote")
	}
	return nil
}

// crashKey is one of a few keys that are used all the time, or one of many that
// are used now and then.
func crashKey() Digest {
	if rand.IntN(4) == 0 {
		return key("cold" + strconv.Itoa(rand.IntN(500)))
	}
	return key(strconv.Itoa(rand.IntN(crashKeys)))
}

const crashKeys = 10

// crashStep stores something and reads it in every way.
func crashStep(t testing.TB, c *Cache, dir string) (Entry, error) {
	k := crashKey()
	unlock, err := c.Lock(t.Context(), k)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	if rand.IntN(2) == 0 {
		if e, err := crashRead(t, c, k); err != nil || len(e.Blobs) > 0 {
			return e, err
		}
	}
	e := Entry{Key: k, Blobs: map[string]Blob{}}
	for _, role := range []string{"archive", "files"} {
		w, err := c.NewBlob()
		if err != nil {
			return e, err
		}
		defer w.Abort()
		// One of so many, so that some are there already.
		if _, err := w.Write(crashData(uint64(rand.IntN(300)))); err != nil {
			return e, err
		}
		if e.Blobs[role], err = w.Commit(); err != nil {
			return e, err
		}
	}
	if err := c.Store(t.Context(), e); err != nil {
		return e, err
	}
	if err := c.PutValue(t.Context(), "crash", k.String(), crashData(rand.Uint64())); err != nil {
		return e, err
	}
	if _, err := c.Deliver(t.Context(), e.Blobs["archive"], filepath.Join(dir, "out")); err != nil {
		return e, err
	}
	got, err := crashRead(t, c, k)
	if err == nil && len(got.Blobs) == 0 {
		err = errors.New("what was just stored is not there")
	}
	return e, err
}

// crashRead reads what there is for a key, which must be all right. That
// there is nothing yet, or nothing any more, is all right too.
func crashRead(t testing.TB, c *Cache, k Digest) (Entry, error) {
	absent := func(err error) bool { return errors.Is(err, ErrMiss) && errors.Is(err, os.ErrNotExist) }
	if v, err := c.GetValue(t.Context(), "crash", k.String()); err == nil {
		if err := checkData(v); err != nil {
			return Entry{}, err
		}
	} else if !absent(err) {
		return Entry{}, err
	}
	e, err := c.Lookup(t.Context(), k)
	if absent(err) {
		return Entry{}, nil
	}
	if err != nil {
		return e, err
	}
	for _, b := range e.Blobs {
		data, err := readBlob(t, c, b) // an entry's blobs are always there
		if err != nil {
			return e, err
		}
		if err := checkData(data); err != nil {
			return e, err
		}
	}
	return e, nil
}

// checkCrashed checks a folder after one of its processes was killed, while the
// others go on.
func checkCrashed(t *testing.T, dir string) {
	t.Helper()
	c := openCache(t, dir)
	c.local.UseEvery = 0
	r, err := c.Verify(t.Context())
	if err != nil || len(r.Defects) > 0 {
		t.Fatalf("Verify: %+v, %v", r, err)
	}
	for i := range crashKeys {
		k := key(strconv.Itoa(i))
		unlock, err := c.Lock(t.Context(), k) // a dead process holds none
		if err != nil {
			t.Fatal(err)
		}
		_, err = crashRead(t, c, k)
		unlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	if out, err := os.ReadFile(filepath.Join(dir, "out")); err == nil {
		if err := checkData(out); err != nil {
			t.Fatalf("output: %v", err)
		}
	}
	if bad, err := os.ReadDir(filepath.Join(dir, "bad")); err == nil && len(bad) > 0 {
		t.Fatalf("bad/ holds %v", bad)
	}
	// Open has removed what the dead left: that of the others, and of this one.
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 2*(crashOthers+1) {
		t.Fatalf("tmp/ holds %v, %v", left, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
