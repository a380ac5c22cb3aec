// Package doctor looks at what a build needs of the machine, the network and the
// servers, and tells what is wrong with it.
//
// The terms:
//
//   - A check looks at one thing: a folder, a server, a tool. It asks as a build
//     would, but changes nothing that stays, but for one small file in a remote
//     that builds may write to.
//   - A finding is what a check has to say. Fail is for what a build cannot do
//     without, Warn for what costs it time or some other thing.
package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Status is how something is.
type Status string

// The kinds of a [Status].
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Finding is what a check says of one thing.
type Finding struct {
	Subject string `json:"subject"` // "engine", "cache", …
	Status  Status `json:"status"`
	Text    string `json:"text"`          // what is so, without credentials
	Fix     string `json:"fix,omitempty"` // what to do about it
	Err     error  `json:"-"`             // the cause, of which people may know more: it may give a Fix
}

// Check looks at one thing.
type Check struct {
	Subject string
	Limit   time.Duration // 0 for the usual
	Look    func(ctx context.Context) []Finding
}

// usualLimit is how long a check may take.
const usualLimit = 10 * time.Second

// Run does all checks at the same time, and returns what they found in their
// order. What does not come to an end in time is a finding, too.
func Run(ctx context.Context, checks []Check) []Finding {
	found := make([][]Finding, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { found[i] = c.run(ctx) })
	}
	wg.Wait()
	var all []Finding
	for _, f := range found {
		all = append(all, f...)
	}
	return all
}

// run does not wait for a check that does not mind its context, as one whose
// file system hangs.
func (c Check) run(ctx context.Context) []Finding {
	limit := c.Limit
	if limit == 0 {
		limit = usualLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan []Finding, 1)
	go func() { done <- c.Look(ctx) }()
	grace := time.NewTimer(limit + time.Second)
	defer grace.Stop()
	select {
	case found := <-done:
		return found
	case <-grace.C:
	}
	return []Finding{{
		Subject: c.Subject, Status: Fail, Text: fmt.Sprintf("gave no answer within %v", limit),
		Fix: "see whether the disk or the server that it is about hangs",
	}}
}

// Broken tells whether something that is needed is.
func Broken(findings []Finding) bool {
	for _, f := range findings {
		if f.Status == Fail {
			return true
		}
	}
	return false
}

func one(subject string, status Status, text, fix string) []Finding {
	return []Finding{{Subject: subject, Status: status, Text: text, Fix: fix}}
}
