package builder

import (
	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// CheckConfig says how a layer's checks are taken.
type CheckConfig struct {
	Allow []Allowance

	// What the function's other layers and its own code weigh, unzipped.
	OtherLayers int64 `json:",omitempty"`
	Function    int64 `json:",omitempty"`

	Import bool     `json:",omitempty"` // load what the packages have, in the runtime's image
	Skip   []string `json:",omitempty"` // what is not loaded: names, or patterns with *
}

// Allowance accepts what a check finds.
type Allowance struct {
	ID     string // of the check
	Files  string // a pattern for paths in the layer, "" for all
	Reason string
}

func (a Allowance) covers(f check.Finding) bool {
	return f.ID == a.ID && (a.Files == "" || runtimes.MatchFile(a.Files, f.Path))
}

// checkedFor is what the checks have to know of who uses the layer.
func (l Layer) checkedFor(info runtimes.Info, arch runtimes.Arch) check.Target {
	return check.Target{
		Runtime:   info,
		Arch:      arch,
		Beside:    l.Check.OtherLayers + l.Check.Function,
		Elsewhere: l.Exclude,
	}
}

// judge holds what is known of an archive against all that a target serves.
func (r *run) judge(res *resolved, facts check.Facts) (warnings []check.Finding, err error) {
	var targets []check.Target
	for _, combo := range res.combos {
		targets = append(targets, res.layer.checkedFor(combo.Runtime, combo.Arch))
	}
	allowed := func(f check.Finding) bool {
		for _, a := range res.layer.Check.Allow {
			if a.covers(f) {
				return true
			}
		}
		return false
	}
	return facts.Judge(targets, allowed)
}

// refused says why none of the targets takes an archive that is about to be
// zipped: that work would be for nothing.
func (r *run) refused(res *resolved, facts check.Facts) error {
	_, first := r.judge(res, facts)
	for _, other := range res.sharing {
		if _, err := r.judge(other, facts); err == nil {
			return nil
		}
	}
	return first
}

// pass judges an archive that is about to be delivered, and tells the warnings.
func (r *run) pass(res *resolved, facts check.Facts) error {
	warnings, err := r.judge(res, facts)
	for _, w := range warnings {
		r.warn(res.id, w.String()+" ["+w.ID+"]")
	}
	return err
}
