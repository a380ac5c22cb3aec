package wheelhouse

import (
	"net/http"
	"strconv"
	"sync"
)

// trouble is what an index makes for its clients. Its parts are under the
// index's lock.
type trouble struct {
	stalls map[string]*Stall // by project
	cuts   map[string]int    // by page ("simple/core") or files ("files/core"): how many are to come

	user, password string // that every request must have, unless user is ""
	left           int    // how many requests the login is good for, if it expires
	expires        bool
}

// Stall is a download that does not go on.
type Stall struct {
	Asked    chan struct{} // closed once a client waits for the rest
	Gone     chan struct{} // closed once that client went away
	released chan struct{}
	once     sync.Once
}

// Stall lets the next download of a project's files hang in the middle until
// its client goes away or the stall is released, and so for all that follow
// until Resume.
func (x *Index) Stall(project string) *Stall {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &Stall{Asked: make(chan struct{}), Gone: make(chan struct{}), released: make(chan struct{})}
	x.stalls[project] = s
	return s
}

// Resume ends [Index.Stall] for the downloads to come.
func (x *Index) Resume(project string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.stalls, project)
}

// Release lets the download go on.
func (s *Stall) Release() { close(s.released) }

func (s *Stall) wait(r *http.Request) {
	s.once.Do(func() {
		close(s.Asked)
		select {
		case <-s.released:
		case <-r.Context().Done():
			close(s.Gone)
		}
	})
}

// Always is more often than anybody asks.
const Always = 1 << 30

// Cut breaks the connection in the middle of the next answers: those about a
// project's page, as "simple/core", or of its files, as "files/core".
func (x *Index) Cut(what string, times int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cuts[what] = times
}

// Demand lets the index answer only who has this login.
func (x *Index) Demand(user, password string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.user, x.password, x.expires = user, password, false
}

// Expire lets the login be good for so many requests more.
func (x *Index) Expire(requests int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.left, x.expires = requests, true
}

// admit tells whether a request has the login that the index demands.
func (x *Index) admit(r *http.Request) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	user, password, _ := r.BasicAuth()
	if x.user != "" && (user != x.user || password != x.password) {
		return false
	}
	if x.expires {
		x.left--
	}
	return !x.expires || x.left >= 0
}

// guard asks for the login first.
func (x *Index) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !x.admit(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="wheelhouse"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// send answers with data, whole or in trouble.
func (x *Index) send(w http.ResponseWriter, r *http.Request, kind, project string, data []byte) {
	what := kind + "/" + project
	if r.Method == http.MethodHead { // there is no middle of it
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		return
	}
	x.mu.Lock()
	stall, cut := x.stalls[project], x.cuts[what] > 0
	if cut {
		x.cuts[what]--
	}
	x.mu.Unlock()
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	half := func() {
		w.Write(data[:len(data)/2])
		http.NewResponseController(w).Flush()
		data = data[len(data)/2:]
	}
	switch {
	case cut:
		half()
		panic(http.ErrAbortHandler)
	case stall != nil && kind == "files":
		half()
		stall.wait(r)
	}
	w.Write(data)
}
