package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// measure runs the contenders in turn on a corpus, rounds times after one
// round to warm up, in which archives are held against the tree.
func measure(ctx context.Context, c corpus, list []contender, rounds int, cache string) (res Corpus, err error) {
	dir, t, err := c.folder(ctx, cache)
	if err != nil {
		return res, err
	}
	// Beside the corpora, since edited trees are hard links.
	work, err := os.MkdirTemp(cache, "run-*")
	if err != nil {
		return res, err
	}
	defer os.RemoveAll(work)
	s := session{work: work, dir: dir, tree: t}
	if err := s.count(&res); err != nil {
		return res, err
	}
	res.Name, res.What, res.SHA256, res.own = c.Name, c.what, c.sum, c.own
	for _, con := range list {
		if !c.own || con.Kind != peer {
			res.Results = append(res.Results, Result{Contender: con.Name, Label: con.Label, Workers: con.workers, Verify: con.verify, Spliced: con.Kind == spliced, contender: con})
		}
	}
	for round := range rounds + 1 {
		s.round = round
		for i := range res.Results {
			r := &res.Results[i]
			sample, size, err := s.run(ctx, r.contender)
			if err != nil {
				return res, fmt.Errorf("%s, %s: %w", c.Name, r.Label, err)
			}
			if round > 0 {
				r.Samples = append(r.Samples, sample)
			}
			if r.Size = size; round == 0 {
				fmt.Fprintf(os.Stderr, "zipbench: %s: %s is right\n", c.Name, r.Label)
			}
		}
	}
	for i := range res.Results {
		res.Results[i].Median = median(res.Results[i].Samples)
	}
	return res, nil
}

// A session is the measuring of one corpus.
type session struct {
	work  string // folder for what is written
	dir   string // the corpus
	tree  tree
	round int
}

func (s *session) count(res *Corpus) error {
	for name, n := range s.tree {
		if n.Mode.IsRegular() {
			info, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(name)))
			if err != nil {
				return err
			}
			res.Files++
			res.Bytes += info.Size()
		}
	}
	return nil
}

// run has one contender archive the corpus once.
func (s *session) run(ctx context.Context, c contender) (Sample, int64, error) {
	if c.Kind == spliced {
		return s.splice(ctx, c)
	}
	out := filepath.Join(s.work, c.Name+".zip")
	sample, err := s.archive(ctx, c, s.dir, out)
	if err != nil {
		return sample, 0, err
	}
	defer os.Remove(out)
	if s.round == 0 {
		if err := s.tree.same(out); err != nil {
			return sample, 0, err
		}
	}
	info, err := os.Stat(out)
	if err != nil {
		return sample, 0, err
	}
	return sample, info.Size(), nil
}

// archive runs the contender in dir. extra are options for it.
func (s *session) archive(ctx context.Context, c contender, dir, out string, extra ...string) (Sample, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Sample{}, err
	}
	var top []string
	for _, e := range entries {
		top = append(top, e.Name())
	}
	args := c.args(top, out)
	if len(extra) > 0 {
		args = slices.Concat(args[:len(args)-1], extra, args[len(args)-1:])
	}
	return run(ctx, dir, args)
}

// splice measures an archive of an edited tree, another edit in each round,
// for which the archive of the tree before it is there. It has to be what
// zipper makes of the edited tree from nothing.
func (s *session) splice(ctx context.Context, c contender) (Sample, int64, error) {
	before := filepath.Join(s.work, "before.zip")
	if _, err := os.Stat(before); errors.Is(err, os.ErrNotExist) {
		if _, err := s.archive(ctx, c, s.dir, before, "-info", before+".info"); err != nil {
			return Sample{}, 0, err
		}
	}
	edited := filepath.Join(s.work, "edited")
	if _, err := edit(s.dir, edited, uint64(s.round)); err != nil {
		return Sample{}, 0, err
	}
	out, anew := filepath.Join(s.work, "spliced.zip"), filepath.Join(s.work, "anew.zip")
	defer os.Remove(out)
	defer os.Remove(anew)
	sample, err := s.archive(ctx, c, edited, out, "-earlier", before)
	if err != nil {
		return sample, 0, err
	}
	if _, err := s.archive(ctx, c, edited, anew); err != nil {
		return sample, 0, err
	}
	same, err := sameBytes(out, anew)
	if err != nil {
		return sample, 0, err
	}
	if !same {
		return sample, 0, errors.New("the spliced archive is not what a full build gives")
	}
	info, err := os.Stat(out)
	if err != nil {
		return sample, 0, err
	}
	return sample, info.Size(), nil
}
