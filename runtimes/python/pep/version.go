package pep

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Version is a version of a project (PEP 440). Numbers may have any length:
// dates with a time in them pass 64 bits.
type Version struct {
	epoch   number
	release []number
	pre     suffix // label "a", "b" or "rc"
	post    suffix // label "post"
	dev     suffix // label "dev"
	local   []string
}

// number is a decimal number without leading zeros.
type number string

// suffix is a label with its number; the label is empty where there is none.
type suffix struct {
	label string
	n     number
}

func (n number) compare(m number) int {
	if c := cmp.Compare(len(n), len(m)); c != 0 {
		return c
	}
	return strings.Compare(string(n), string(m))
}

func toNumber(digits string) number {
	if s := strings.TrimLeft(digits, "0"); s != "" {
		return number(s)
	}
	return "0"
}

// ParseVersion reads a version in any spelling that PEP 440 knows.
func ParseVersion(s string) (Version, error) {
	v, rest, err := scanVersion(strings.TrimSpace(s))
	if err == nil && rest != "" {
		err = fmt.Errorf("unexpected %q", rest)
	}
	if err != nil {
		return Version{}, fmt.Errorf("version %q: %w", s, err)
	}
	return v, nil
}

// scanVersion reads the version that s starts with and returns what follows.
func scanVersion(s string) (Version, string, error) {
	v := Version{epoch: "0"}
	sc := scanner{rest: strings.ToLower(s)}
	if !isASCII(s) {
		return v, "", errors.New("not ASCII")
	}
	sc.accept("v")
	n, ok := sc.digits()
	if !ok {
		return v, "", errors.New("does not start with a number")
	}
	if sc.accept("!") {
		v.epoch = n
		if n, ok = sc.digits(); !ok {
			return v, "", errors.New("no number after the epoch")
		}
	}
	v.release = append(v.release, n)
	for len(sc.rest) > 1 && sc.rest[0] == '.' && isDigit(sc.rest[1]) {
		sc.rest = sc.rest[1:]
		n, _ = sc.digits()
		v.release = append(v.release, n)
	}
	v.pre = sc.suffix(preLabels)
	v.post = sc.post()
	v.dev = sc.suffix(devLabels)
	v.local = sc.local()
	return v, s[len(s)-len(sc.rest):], nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// spelling pairs a way to write a label with the label.
type spelling struct{ text, label string }

// Longer spellings come before those that they start with.
var (
	preLabels = []spelling{
		{"alpha", "a"}, {"a", "a"}, {"beta", "b"}, {"b", "b"},
		{"preview", "rc"}, {"pre", "rc"}, {"c", "rc"}, {"rc", "rc"},
	}
	postLabels = []spelling{{"post", "post"}, {"rev", "post"}, {"r", "post"}}
	devLabels  = []spelling{{"dev", "dev"}}
)

// scanner holds what of a lower-case version is still to be read.
type scanner struct{ rest string }

func (sc *scanner) accept(prefix string) bool {
	rest, ok := strings.CutPrefix(sc.rest, prefix)
	sc.rest = rest
	return ok
}

func (sc *scanner) digits() (number, bool) {
	n := 0
	for n < len(sc.rest) && isDigit(sc.rest[n]) {
		n++
	}
	if n == 0 {
		return "0", false
	}
	digits := sc.rest[:n]
	sc.rest = sc.rest[n:]
	return toNumber(digits), true
}

func (sc *scanner) separator() {
	if sc.rest != "" && strings.IndexByte("-_.", sc.rest[0]) >= 0 {
		sc.rest = sc.rest[1:]
	}
}

// suffix reads a separator, one of the labels, a separator and a number; only
// the label must be there.
func (sc *scanner) suffix(labels []spelling) suffix {
	start := sc.rest
	sc.separator()
	for _, l := range labels {
		if sc.accept(l.text) {
			sc.separator()
			n, _ := sc.digits()
			return suffix{l.label, n}
		}
	}
	sc.rest = start
	return suffix{}
}

// post reads a post-release, which may be just "-1".
func (sc *scanner) post() suffix {
	if len(sc.rest) > 1 && sc.rest[0] == '-' && isDigit(sc.rest[1]) {
		sc.rest = sc.rest[1:]
		n, _ := sc.digits()
		return suffix{"post", n}
	}
	return sc.suffix(postLabels)
}

// local reads a local version, "+cu118.1". Its numbers lose leading zeros, so
// that equal versions print alike.
func (sc *scanner) local() []string {
	if len(sc.rest) < 2 || sc.rest[0] != '+' || !isAlnum(sc.rest[1]) {
		return nil
	}
	var parts []string
	for {
		sc.rest = sc.rest[1:]
		n := 0
		for n < len(sc.rest) && isAlnum(sc.rest[n]) {
			n++
		}
		part := sc.rest[:n]
		if isNumber(part) {
			part = string(toNumber(part))
		}
		parts = append(parts, part)
		sc.rest = sc.rest[n:]
		if len(sc.rest) < 2 || strings.IndexByte("-_.", sc.rest[0]) < 0 || !isAlnum(sc.rest[1]) {
			return parts
		}
	}
}

func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// String is the version's normal form.
func (v Version) String() string {
	var b strings.Builder
	v.writePublic(&b)
	if len(v.local) > 0 {
		b.WriteByte('+')
		b.WriteString(strings.Join(v.local, "."))
	}
	return b.String()
}

func (v Version) writePublic(b *strings.Builder) {
	if v.epoch != "0" && v.epoch != "" {
		b.WriteString(string(v.epoch) + "!")
	}
	for i, n := range v.release {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(string(n))
	}
	b.WriteString(v.pre.label + string(v.pre.n))
	for _, s := range []suffix{v.post, v.dev} {
		if s.label != "" {
			b.WriteString("." + s.label + string(s.n))
		}
	}
}

// IsZero tells whether v is the zero Version, which ParseVersion never gives.
func (v Version) IsZero() bool { return len(v.release) == 0 }

// IsPrerelease tells whether v is a pre-release or a development release.
func (v Version) IsPrerelease() bool { return v.pre.label != "" || v.dev.label != "" }

// Public returns v without its local version.
func (v Version) Public() Version {
	v.local = nil
	return v
}

func (v Version) base() Version { return Version{epoch: v.epoch, release: v.release} }

// Compare orders versions by PEP 440; "1.0" and "1" are equal.
func (v Version) Compare(w Version) int {
	if c := v.epoch.compare(w.epoch); c != 0 {
		return c
	}
	if c := compareRelease(v.release, w.release); c != 0 {
		return c
	}
	if c := v.compareSuffixes(w); c != 0 {
		return c
	}
	return compareLocal(v.local, w.local)
}

func compareRelease(v, w []number) int {
	for i := range max(len(v), len(w)) {
		if c := segment(v, i).compare(segment(w, i)); c != 0 {
			return c
		}
	}
	return 0
}

// segment is a part of a release, 0 beyond its end.
func segment(release []number, i int) number {
	if i < len(release) {
		return release[i]
	}
	return "0"
}

func (v Version) compareSuffixes(w Version) int {
	// A label sorts by its rank: 1.dev0 < 1a0 < 1b0 < 1rc0 < 1 < 1.post0.
	if c := cmp.Compare(v.preRank(), w.preRank()); c != 0 {
		return c
	}
	if c := v.pre.n.compare(w.pre.n); c != 0 {
		return c
	}
	// No post-release sorts before any, and no development release after any.
	if c := cmp.Compare(len(v.post.label), len(w.post.label)); c != 0 {
		return c
	}
	if c := v.post.n.compare(w.post.n); c != 0 {
		return c
	}
	if c := cmp.Compare(len(w.dev.label), len(v.dev.label)); c != 0 {
		return c
	}
	return v.dev.n.compare(w.dev.n)
}

func (v Version) preRank() int {
	switch {
	case v.pre.label != "":
		return strings.Index("abrc", v.pre.label)
	case v.post.label == "" && v.dev.label != "":
		return -1
	}
	return 3
}

// compareLocal orders local versions: none first, then part by part, words
// before numbers, and the shorter first where one starts with the other.
func compareLocal(v, w []string) int {
	for i := range min(len(v), len(w)) {
		vn, wn := isNumber(v[i]), isNumber(w[i])
		var c int
		switch {
		case vn && wn:
			c = number(v[i]).compare(number(w[i]))
		case vn:
			c = 1
		case wn:
			c = -1
		default:
			c = strings.Compare(v[i], w[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(v), len(w))
}
