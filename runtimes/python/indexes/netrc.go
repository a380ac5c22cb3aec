package indexes

import (
	"path/filepath"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// readNetrc reads the logins of the file that NETRC names, else of ~/.netrc.
// They are for hosts, on any port, and only by https: what is for everybody
// ("default") and for http is passed over, since lock files name hosts too.
// An index that was configured with http gets its login by its exact address.
func readNetrc(m Machine) ([]runtimes.Login, error) {
	name := m.Getenv("NETRC")
	if name == "" {
		if m.Home == "" {
			return nil, nil
		}
		name = filepath.Join(m.Home, ".netrc")
	}
	data, err := read(name)
	if err != nil {
		return nil, err
	}
	return parseNetrc(string(data), name), nil
}

// parseNetrc reads what can be read, as other tools do.
func parseNetrc(text, from string) []runtimes.Login {
	var logins []runtimes.Login
	var current *runtimes.Login // nil outside a machine's entry
	end := func() {
		if current != nil && current.Host != "" && current.Password != "" {
			logins = append(logins, *current)
		}
		current = nil
	}
	t := netrcTokens{rest: text}
	for {
		token, ok := t.next()
		if !ok {
			break
		}
		switch token {
		case "machine":
			end()
			host := t.value()
			current = &runtimes.Login{Scheme: "https", Host: strings.ToLower(host), AnyPort: true, From: from}
		case "default":
			end()
		case "login", "password", "account":
			value := t.value()
			if current != nil && token == "login" {
				current.User = value
			}
			if current != nil && token == "password" {
				current.Password = value
			}
		case "macdef":
			t.skipMacro()
		}
	}
	end()
	return logins
}

// netrcTokens cuts a netrc into words. A word may stand in double quotes; \
// takes the next character as it is; # begins a comment where a keyword could
// stand.
type netrcTokens struct{ rest string }

func (t *netrcTokens) next() (string, bool) {
	for {
		t.rest = strings.TrimLeft(t.rest, " \t\r\n")
		if t.rest == "" {
			return "", false
		}
		if t.rest[0] != '#' {
			break
		}
		_, t.rest, _ = strings.Cut(t.rest, "\n")
	}
	return t.word(), true
}

// value reads the word after a keyword, which may begin with #.
func (t *netrcTokens) value() string {
	t.rest = strings.TrimLeft(t.rest, " \t\r\n")
	if t.rest == "" {
		return ""
	}
	return t.word()
}

func (t *netrcTokens) word() string {
	var b strings.Builder
	quoted := t.rest[0] == '"'
	i := 0
	if quoted {
		i++
	}
	for ; i < len(t.rest); i++ {
		c := t.rest[i]
		if c == '\\' && i+1 < len(t.rest) {
			i++
			b.WriteByte(t.rest[i])
			continue
		}
		if quoted && c == '"' {
			i++
			break
		}
		if !quoted && strings.IndexByte(" \t\r\n", c) >= 0 {
			break
		}
		b.WriteByte(c)
	}
	t.rest = t.rest[i:]
	return b.String()
}

// skipMacro passes over a macro: up to the first empty line.
func (t *netrcTokens) skipMacro() {
	if _, after, ok := strings.Cut(strings.ReplaceAll(t.rest, "\r", ""), "\n\n"); ok {
		t.rest = after
		return
	}
	t.rest = ""
}
