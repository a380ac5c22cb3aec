package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/layerbuild/layerbuild/runtimes"
)

const filesKind = "files/2"

// keptAnswer is what package indexes said of a request.
type keptAnswer struct {
	Asked string          `json:"asked"` // hash of the indexes' addresses, which may hold credentials
	Files []runtimes.File `json:"files"`
}

// answer finds the files that a lock file names only by hash: in the cache,
// or, at the first sight of such a lock, in the package index.
func (r *run) answer(ctx context.Context, incomplete *runtimes.Incomplete, answers map[string][]runtimes.File) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8) // polite to the index, and enough to hide its latency
	for _, q := range incomplete.Requests {
		g.Go(func() error {
			files, err := r.files(ctx, q)
			if err != nil {
				return fmt.Errorf("find the files of %s %s, which %s locks: %w", q.Name, q.Version, incomplete.LockFile, err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[q.Key()] = files
			return nil
		})
	}
	return g.Wait()
}

// files answers one request. The hashes decide which files are meant, whatever
// index has them; but one that lacks some, as a mirror may, does not answer
// for the others.
func (r *run) files(ctx context.Context, q runtimes.FileRequest) ([]runtimes.File, error) {
	if q.Ecosystem == "git" {
		return r.Index.Files(ctx, q) // it keeps the file itself, and a commit has but one
	}
	var kept keptAnswer
	if data, err := r.Cache.GetValue(ctx, filesKind, q.Key()); err == nil {
		_ = json.Unmarshal(data, &kept) // what cannot be read is asked again
	}
	asked := hexSum([]byte(strings.Join(q.Indexes, "\n")))
	if len(kept.Files) > 0 && (kept.Asked == asked || answersAll(q, kept.Files)) {
		return kept.Files, nil
	}
	files, err := r.Index.Files(ctx, q)
	if err != nil {
		if len(kept.Files) > 0 && ctx.Err() == nil {
			return kept.Files, nil
		}
		return nil, err
	}
	for _, f := range kept.Files {
		if !slices.ContainsFunc(files, func(g runtimes.File) bool { return g.Digest() == f.Digest() }) {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		// Not an answer to keep: perhaps the wrong index was asked.
		err := r.otherFiles(ctx, q)
		if err == nil && q.Ecosystem == "npm" {
			err = &runtimes.NetworkError{URL: q.Name + "@" + q.Version, Err: errors.New("the registry does not have it")}
		}
		return nil, err
	}
	if data, err := json.Marshal(keptAnswer{asked, files}); err == nil {
		if err := r.Cache.PutValue(ctx, filesKind, q.Key(), data); err != nil {
			r.warn(TargetID{}, fmt.Sprintf("the index's answer cannot be kept: %v", err))
		}
	}
	return files, nil
}

// answersAll tells whether files holds one for each hash of the request.
func answersAll(q runtimes.FileRequest, files []runtimes.File) bool {
	return !slices.ContainsFunc(q.Hashes, func(hash string) bool {
		return !slices.ContainsFunc(files, func(f runtimes.File) bool { return f.Digest() == hash })
	})
}

// otherFiles tells a release that was replaced, which has files with other
// hashes than those locked, from one that no index has.
func (r *run) otherFiles(ctx context.Context, q runtimes.FileRequest) error {
	if len(q.Hashes) == 0 {
		return nil
	}
	any := q
	any.Hashes = nil
	others, err := r.Index.Files(ctx, any)
	if err != nil || len(others) == 0 {
		return err
	}
	return &runtimes.DigestError{
		What: q.Name + " " + q.Version,
		Want: strings.Join(q.Hashes[:min(len(q.Hashes), 3)], " or "),
		Got:  fmt.Sprintf("%d files with other hashes, %s of %s", len(others), others[0].Digest(), others[0].Name),
	}
}
