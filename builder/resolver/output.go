package resolver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

const hashOption = "--hash="

// writePinned writes a requirement as uv does.
func writePinned(b *strings.Builder, p runtimes.Pinned) {
	b.WriteString(p.Requirement)
	for _, sum := range p.SHA256 {
		b.WriteString(" \\\n    " + hashOption + "sha256:" + sum)
	}
	b.WriteByte('\n')
}

// pinned tells whether p is what its type says.
func pinned(p runtimes.Pinned) bool {
	_, err := pinnedText(p.Requirement)
	return err == nil && oneRequirement(p.Requirement) == nil && !slices.ContainsFunc(p.SHA256, func(sum string) bool { return !isSHA256(sum) })
}

func isSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// parseOutput reads what uv wrote: requirements that name one version or
// address, each with its hashes on lines of their own.
func parseOutput(data []byte) ([]runtimes.Pinned, error) {
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	text = strings.ReplaceAll(text, "\\\n", " ")
	var all []runtimes.Pinned
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p, err := parsePinned(line)
		if err != nil {
			return nil, fmt.Errorf("uv's answer cannot be read: %w", err)
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b runtimes.Pinned) int { return strings.Compare(a.Requirement, b.Requirement) })
	for i := 1; i < len(all); i++ {
		if all[i].Requirement == all[i-1].Requirement {
			return nil, fmt.Errorf("uv's answer cannot be read: %s stands there twice", all[i].Requirement)
		}
	}
	return all, nil
}

func parsePinned(line string) (runtimes.Pinned, error) {
	var p runtimes.Pinned
	text, hashes, _ := strings.Cut(line, " "+hashOption)
	requirement, err := pinnedText(strings.TrimSpace(text))
	if err != nil {
		return p, err
	}
	p.Requirement = requirement
	for _, word := range strings.Fields(strings.ReplaceAll(" "+hashes, " "+hashOption, " ")) {
		kind, sum, _ := strings.Cut(word, ":")
		sum = strings.ToLower(sum)
		if kind != "sha256" {
			continue // another kind of hash of a file
		}
		if !isSHA256(sum) {
			return p, fmt.Errorf("%s: %q is no SHA-256", requirement, word)
		}
		p.SHA256 = append(p.SHA256, sum)
	}
	if len(p.SHA256) == 0 {
		return p, &runtimes.InputError{
			Problem: fmt.Sprintf("the package index gives no SHA-256 of %s", requirement),
			Hint:    "use an index that gives them",
		}
	}
	slices.Sort(p.SHA256)
	p.SHA256 = slices.Compact(p.SHA256)
	return p, nil
}

// pinnedText is a requirement's text in the form that layerbuild.lock has it.
// Its marker stays in uv's words.
func pinnedText(text string) (string, error) {
	req, err := pep.ParseRequirement(text)
	if err != nil {
		return "", err
	}
	pinned := req
	pinned.Extras, pinned.Marker = nil, pep.Marker{}
	if _, ok := req.Specifiers.Pinned(); !ok && req.URL == "" {
		return "", fmt.Errorf("%q names no version", text)
	}
	if req.Marker.IsZero() {
		return pinned.String(), nil
	}
	separator := ";"
	if req.URL != "" {
		separator = " ;" // a URL may hold a semicolon
	}
	_, marker, _ := strings.Cut(text, separator)
	return pinned.String() + " ; " + strings.Join(strings.Fields(marker), " "), nil
}
