package check

import (
	"bytes"
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"

	_ "embed"

	"github.com/pelletier/go-toml/v2"
)

// A secret is what findSecrets has found, without the secret.
type secret struct {
	id     string // of the check
	rule   string // of those that say what a secret looks like
	line   int
	begins string // its first characters, "" where they would say too much
}

// A secretRule says what a secret looks like.
type secretRule struct {
	id       string // of the check
	name     string
	regex    *regexp.Regexp // the secret is the first group that took part, or all
	entropy  float64        // what the secret's must be above, in bits per character
	allow    []*regexp.Regexp
	keywords []string                       // of which one lies within reach of each secret
	reach    int                            // bytes after a keyword
	is       func(secret []byte) bool       // nil: all are
	in       func(folder, base string) bool // which files; nil: all
	hidden   bool                           // no character of it is shown
}

//go:embed gitleaks.toml
var gitleaksRules []byte

// before and after are how far around a keyword a token may reach: the longest
// of gitleaks.toml have 400 characters.
const (
	before = 128
	after  = 1024
)

// tokenRules are the rules for tokens and keys that show by themselves what
// they are, and what finds their keywords.
var tokenRules = sync.OnceValues(func() ([]secretRule, *keywords) {
	var file struct {
		Rules []struct {
			ID, Regex string
			Entropy   float64
			Keywords  []string
			Allow     []string
		}
	}
	if err := toml.Unmarshal(gitleaksRules, &file); err != nil {
		panic(err) // a test reads it
	}
	var all []secretRule
	for _, r := range file.Rules {
		rule := secretRule{id: SecretToken, name: r.ID, regex: regexp.MustCompile(r.Regex), entropy: r.Entropy, keywords: r.Keywords, reach: after}
		for _, a := range r.Allow {
			rule.allow = append(rule.allow, regexp.MustCompile(a))
		}
		if r.ID == "private-key" {
			rule.id, rule.reach, rule.is, rule.hidden = SecretKey, 16<<10, hasKeyBody, true
		}
		all = append(all, rule)
	}
	all = append(all, awsSecretRule)
	var words []string
	var owner []int
	for i, r := range all {
		for _, k := range r.keywords {
			words, owner = append(words, k), append(owner, i)
		}
	}
	return all, newKeywords(words, owner)
})

// findSecrets searches a text, the file of that name.
func findSecrets(name string, data []byte) []secret {
	s := search{data: data}
	rules, words := tokenRules()
	near := make([]region, len(rules))
	words.each(data, func(owner, end int) bool {
		r := &rules[owner]
		from, to := max(0, end-before), min(len(data), end+r.reach)
		if n := &near[owner]; from <= n.to {
			n.to = to
		} else {
			s.apply(r, n.from, n.to)
			*n = region{from, to}
		}
		return len(s.found) < maxSecrets
	})
	for i, n := range near {
		s.apply(&rules[i], n.from, n.to)
	}
	folder, base := splitFolded(name)
	for i := range loginRules {
		if r := &loginRules[i]; r.in(folder, base) {
			s.apply(r, 0, len(data))
		}
	}
	return s.secrets()
}

// region is a part of a text in which a rule's keywords lie so close to each
// other that it is searched at once.
type region struct{ from, to int }

// splitFolded is a path's folder and its file's name, in lower case.
func splitFolded(name string) (folder, base string) {
	name = strings.ToLower(name)
	i := strings.LastIndexByte(name, '/')
	return name[:i+1], name[i+1:]
}

// search is that of one text.
type search struct {
	data  []byte
	found []span
}

// span is where a secret is in a text, and of what rule.
type span struct {
	start, end int
	rule       *secretRule
}

// apply looks for a rule's secrets in a part of the text. Of two that lie over
// each other the first one found counts.
func (s *search) apply(r *secretRule, from, to int) {
	for len(s.found) < maxSecrets {
		m := r.regex.FindSubmatchIndex(s.data[from:to])
		if m == nil {
			return
		}
		start, end := group(m)
		p := span{from + start, from + end, r}
		over := func(q span) bool { return p.start < q.end && q.start < p.end }
		if !slices.ContainsFunc(s.found, over) && r.accepts(s.data[p.start:p.end]) {
			s.found = append(s.found, p)
		}
		from += max(m[0]+1, end)
	}
}

// group is the first group of a match that took part and is not empty, or all.
func group(m []int) (start, end int) {
	for i := 2; i+1 < len(m); i += 2 {
		if m[i] >= 0 && m[i+1] > m[i] {
			return m[i], m[i+1]
		}
	}
	return m[0], m[1]
}

// accepts tells whether what looks like a secret is one.
func (r *secretRule) accepts(secret []byte) bool {
	if r.entropy > 0 && entropy(secret) <= r.entropy || r.is != nil && !r.is(secret) || isFiller(secret) {
		return false
	}
	return !slices.ContainsFunc(r.allow, func(a *regexp.Regexp) bool { return a.Match(secret) })
}

// isFiller tells whether a text stands for a token in documentation: one
// character again and again, or the alphabet. These are gitleaks' global
// allowances, as far as a token can look like one.
func isFiller(secret []byte) bool {
	lower := bytes.ToLower(secret)
	return len(bytes.Trim(lower, string(lower[:1]))) == 0 || bytes.Contains(lower, []byte("abcdefghijklmnopqrstuvwxyz"))
}

// entropy is Shannon's, in bits per byte.
func entropy(data []byte) (bits float64) {
	var counts [256]int
	for _, c := range data {
		counts[c]++
	}
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(data))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}

// begin is how many characters of a secret are shown, and minShown how long it
// is for that.
const (
	begin    = 4
	minShown = 20
)

// secrets are those found, in order, with their lines.
func (s *search) secrets() []secret {
	slices.SortFunc(s.found, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	all := make([]secret, 0, len(s.found))
	line, at := 1, 0
	for _, p := range s.found {
		line += bytes.Count(s.data[at:p.start], []byte("\n"))
		at = p.start
		one := secret{id: p.rule.id, rule: p.rule.name, line: line}
		if !p.rule.hidden && p.end-p.start >= minShown {
			one.begins = string(s.data[p.start : p.start+begin])
		}
		all = append(all, one)
	}
	return all
}
