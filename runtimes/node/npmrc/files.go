package npmrc

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
)

// npmFile reads an .npmrc.
func (s settings) npmFile(name string, env map[string]string) error {
	data, err := read(name)
	if err != nil {
		return err
	}
	parseNpmrc(data, env, func(key, value string) {
		if key == "cafile" && !filepath.IsAbs(value) {
			value = filepath.Join(filepath.Dir(name), value)
		}
		s.add(key, value, name)
	})
	return nil
}

// parseNpmrc reads the lines "key = value". Within a file the last one counts.
func parseNpmrc(data []byte, env map[string]string, set func(key, value string)) {
	found := make(map[string]string)
	var order []string
	for line := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == ';' || text[0] == '#' {
			continue
		}
		if text[0] == '[' {
			break // no section means anything to npm
		}
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			continue
		}
		key, value = expand(unquote(key), env), expand(unquote(value), env)
		if _, twice := found[key]; !twice {
			order = append(order, key)
		}
		found[key] = value
	}
	for _, key := range order {
		set(key, found[key])
	}
}

// unquote reads one side of a line, as npm's ini does: in quotes, or up to a
// comment.
func unquote(text string) string {
	text = strings.TrimSpace(text)
	if len(text) >= 2 && (text[0] == '"' || text[0] == '\'') && text[len(text)-1] == text[0] {
		var plain string
		if text[0] == '"' && json.Unmarshal([]byte(text), &plain) == nil {
			return plain
		}
		return text[1 : len(text)-1]
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`\;#`, text[i+1]) >= 0:
			i++
			b.WriteByte(text[i])
		case c == ';' || c == '#':
			return strings.TrimSpace(b.String())
		default:
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(b.String())
}

var variable = regexp.MustCompile(`\$\{([^${}?]+)(\?)?\}`)

// expand puts in the values of "${VAR}". Like npm, it leaves a variable that is
// not set as it is, and makes nothing of "${VAR?}".
func expand(text string, env map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(match string) string {
		parts := variable.FindStringSubmatch(match)
		if value, ok := env[parts[1]]; ok || parts[2] != "" {
			return value
		}
		return match
	})
}
