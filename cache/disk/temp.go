package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// A session is where one process keeps its temporary files: the folder
// tmp/<id>, alive as long as somebody holds a lock on the file tmp/<id>.lock.
// The operating system drops the lock with the process, however it dies; a
// process id or an age would only be a guess, above all between containers.
type session struct {
	dir  string
	lock *flock.Flock
	n    int // temporary files made so far
}

// newSession makes a session below tmp. The lock is taken first, so that a
// folder never lies there without one.
func newSession(tmp string) (*session, error) {
	if err := os.MkdirAll(tmp, 0o777); err != nil {
		return nil, err
	}
	for {
		dir := filepath.Join(tmp, strings.ToLower(rand.Text()))
		lock := newFlock(dir+".lock", os.O_CREATE|os.O_EXCL)
		ok, err := lock.TryLock()
		if err != nil {
			// A file system without locks. The file could not be told from
			// a dead process's, so there is to be none.
			os.Remove(dir + ".lock")
			return nil, fmt.Errorf("locking %s.lock: %w", dir, err)
		}
		if !ok || !isFile(lock) {
			// Another process came between our creating and our locking
			// it, and took it for a dead one's.
			lock.Unlock()
			continue
		}
		if err := os.Mkdir(dir, 0o777); err != nil {
			lock.Unlock()
			return nil, err
		}
		return &session{dir: dir, lock: lock}, nil
	}
}

// remove ends a session: its files, then its lock.
func (s *session) remove() error {
	err := os.RemoveAll(s.dir)
	return errors.Join(err, removeLock(s.lock))
}

// clearDead removes the sessions whose lock nobody holds. It is a matter of
// space only: whatever fails is left for the next one to try.
func (s *Store) clearDead() {
	tmp := filepath.Join(s.dir, "tmp")
	files, err := os.ReadDir(tmp)
	if err != nil {
		return
	}
	for _, file := range files {
		id, isLock := strings.CutSuffix(file.Name(), ".lock")
		if !isLock {
			continue
		}
		lock := newFlock(filepath.Join(tmp, file.Name()), 0)
		if ok, err := lock.TryLock(); !ok || err != nil {
			continue
		}
		if isFile(lock) {
			(&session{dir: filepath.Join(tmp, id), lock: lock}).remove()
		} else {
			lock.Unlock()
		}
	}
}

// newFlock returns a lock on path, not yet taken, which opens the file with
// the given flags. Network file systems want a writable file.
func newFlock(path string, flags int) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_RDWR|flags), flock.SetPermissions(0o666))
}

// isFile reports whether the file that lock holds is still the one at its
// path: who removes a lock file holds it, so after this the lock is ours.
func isFile(lock *flock.Flock) bool {
	held, err := lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(lock.Path())
	return err == nil && os.SameFile(held, there)
}

// A Temp is a file in the store's file system that has no name in it yet. It
// ends with Commit or Abort.
type Temp struct {
	*os.File
	store *Store
	done  bool
}

// NewTemp makes an empty temporary file.
func (s *Store) NewTemp() (*Temp, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.create()
	if errors.Is(err, fs.ErrNotExist) {
		// Somebody removed the whole folder while we were at work.
		if s.session != nil {
			s.session.lock.Unlock()
			s.session = nil
		}
		f, err = s.create()
	}
	if err != nil {
		return nil, err
	}
	return &Temp{File: f, store: s}, nil
}

// begin makes the session of this process, unless it has one.
func (s *Store) begin() error {
	if s.session != nil {
		return nil
	}
	made, err := newSession(filepath.Join(s.dir, "tmp"))
	if err != nil {
		return err
	}
	s.session = made
	return nil
}

func (s *Store) create() (*os.File, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	s.session.n++
	path := filepath.Join(s.session.dir, strconv.Itoa(s.session.n))
	return openFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

// Publish gives the file its name, and leaves it open. Sync it before if it has to
// outlive the power.
func (t *Temp) Publish(name string) error {
	path, err := t.store.Path(name)
	if err != nil {
		return err
	}
	if Space(name) == "cas" { // which was announced
		err = rename(t.Name(), path, true)
	} else {
		err = t.store.publishMark(name, func() error { return rename(t.Name(), path, false) })
	}
	if err == nil {
		t.done = true
	}
	return err
}

// Commit is Publish and Close.
func (t *Temp) Commit(name string) error {
	if err := t.Publish(name); err != nil {
		return err
	}
	t.Close() // all of it was written long ago
	return nil
}

// Abort closes the file, and removes it unless it was published. It may be
// called at any time, more than once.
func (t *Temp) Abort() {
	t.Close()
	if !t.done {
		t.done = true
		os.Remove(t.Name())
	}
}
