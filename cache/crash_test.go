//go:build unix

package cache

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestCrash kills a process that writes and reads a cache, at random moments
// and again and again, while another one is at work on the same folder. Then
// nothing is half there, nothing is wrong, and the dead ones' temporary files
// are gone. LAYERBUILD_SOAK_ROUNDS sets the number of rounds.
func TestCrash(t *testing.T) {
	if dir := os.Getenv("LAYERBUILD_CRASH_DIR"); dir != "" {
		crashWriter(t, dir)
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
	const perFolder = 10 // a new folder now and then, so that Verify stays short
	for done := 0; done < rounds; done += perFolder {
		crashRounds(t, t.TempDir(), min(perFolder, rounds-done))
	}
}

func crashRounds(t *testing.T, dir string, rounds int) {
	survivor := openCache(t, dir)
	for range rounds {
		stop, stopped := make(chan bool), make(chan error)
		go func() {
			for {
				select {
				case <-stop:
					stopped <- nil
					return
				default:
				}
				if err := crashStep(t, survivor, dir); err != nil {
					<-stop
					stopped <- err
					return
				}
			}
		}()
		kill(t, dir)
		close(stop)
		if err := <-stopped; err != nil {
			t.Fatalf("the survivor: %v", err)
		}
		checkCrashed(t, dir)
	}
	if err := survivor.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("tmp/ holds %v, %v", left, err)
	}
}

// kill starts a writer, lets it come to work, and kills it some time later.
func kill(t *testing.T, dir string) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrash$")
	cmd.Env = append(os.Environ(), "LAYERBUILD_CRASH_DIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "at work\n" {
		t.Errorf("the writer said %q, %v", line, err)
	}
	<-time.After(rand.N(20 * time.Millisecond)) // the random moment, which is the test
	if err := cmd.Process.Kill(); err != nil {
		t.Errorf("the writer had ended: %v", err)
	}
	cmd.Wait()
}

// crashWriter is the process that is killed.
func crashWriter(t *testing.T, dir string) {
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("at work")
	watchdog := time.Now().Add(time.Minute)
	for time.Now().Before(watchdog) {
		if err := crashStep(t, c, dir); err != nil {
			t.Fatal(err)
		}
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

const crashKeys = 10

// crashStep stores something and reads it in every way.
func crashStep(t testing.TB, c *Cache, dir string) error {
	k := key(strconv.Itoa(rand.IntN(crashKeys)))
	unlock, err := c.Lock(t.Context(), k)
	if err != nil {
		return err
	}
	defer unlock()
	e := Entry{Key: k, Blobs: map[string]Blob{}}
	for _, role := range []string{"archive", "files"} {
		w, err := c.NewBlob()
		if err != nil {
			return err
		}
		defer w.Abort()
		if _, err := w.Write(crashData(rand.Uint64())); err != nil {
			return err
		}
		if e.Blobs[role], err = w.Commit(); err != nil {
			return err
		}
	}
	if err := c.Store(t.Context(), e); err != nil {
		return err
	}
	if err := c.PutValue(t.Context(), "crash", k.String(), crashData(rand.Uint64())); err != nil {
		return err
	}
	if _, err := c.Deliver(t.Context(), e.Blobs["archive"], filepath.Join(dir, "out")); err != nil {
		return err
	}
	return crashRead(t, c, k)
}

// crashRead reads what there is for a key, which must be all right. That
// there is nothing yet is all right too.
func crashRead(t testing.TB, c *Cache, k Digest) error {
	absent := func(err error) bool { return errors.Is(err, ErrMiss) && errors.Is(err, os.ErrNotExist) }
	if v, err := c.GetValue(t.Context(), "crash", k.String()); err == nil {
		if err := checkData(v); err != nil {
			return err
		}
	} else if !absent(err) {
		return err
	}
	e, err := c.Lookup(t.Context(), k)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, b := range e.Blobs {
		data, err := readBlob(t, c, b) // an entry's blobs are always there
		if err != nil {
			return err
		}
		if err := checkData(data); err != nil {
			return err
		}
	}
	return nil
}

// checkCrashed checks a folder after one of its processes was killed.
func checkCrashed(t *testing.T, dir string) {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Verify(t.Context())
	if err != nil || len(r.Defects) > 0 {
		t.Fatalf("Verify: %+v, %v", r, err)
	}
	for i := range crashKeys {
		if err := crashRead(t, c, key(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := os.ReadFile(filepath.Join(dir, "out")); err == nil {
		if err := checkData(out); err != nil {
			t.Fatalf("output: %v", err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// The survivor's folder and lock, and none of the dead.
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 2 {
		t.Fatalf("tmp/ holds %v, %v", left, err)
	}
}
