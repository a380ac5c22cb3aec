package builder

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// defaultUser is the name that package indexes take for a token's owner.
const defaultUser = "__token__"

// Messages here never show what may be a password that was put into the file:
// neither a value in a password's place nor a server with a user before it, and
// of unknown fields those alone that are nearly a known one.

var (
	secretFields = []field[Secret]{
		{"user", userSchema, func(v value, into *Secret) { into.User = v.user() }},
		{"password", passwordSchema, func(v value, into *Secret) { v.password(&into.Password) }},
	}

	sourceFields = []field[PasswordSource]{
		{"env", envSchema, func(v value, into *PasswordSource) { into.Env = v.envName() }},
		{"file", pathSchema, func(v value, into *PasswordSource) { v.setPath(&into.File) }},
		{"command", commandSchema, func(v value, into *PasswordSource) { into.Command = v.command() }},
	}
)

const sourceHint = "name where it comes from: %s: {env: TOKEN}, {file: path} or {command: [program, argument]}"

var passwordHint = fmt.Sprintf(sourceHint, "password")

// secrets reads the mapping of servers to their logins.
func (v value) secrets() []Secret {
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping of servers to their logins")
		return nil
	}
	v.d.private = true
	defer func() { v.d.private = false }()
	var all []Secret
	lines := make(map[string]int)
	for _, e := range v.d.entries(v.node) {
		server, ok := serverName(e.name)
		if !ok {
			v.d.addf(e.line, "write its host, or host:port, alone: packages.example:8443", "secrets has a name that is no server's")
			continue
		}
		entry := value{v.d, "the secret of " + short(server), e.line, e.node}
		if first := lines[server]; first != 0 {
			entry.addf("remove one of them", "secrets has %s twice, first on line %d", short(server), first)
		}
		lines[server] = e.line
		s := Secret{Server: server, Line: e.line, User: defaultUser}
		if e.node.Kind == yaml.ScalarNode && e.node.ShortTag() != "!!null" {
			entry.addf(passwordHint, "%s must be a mapping", entry.name)
		} else if fields := mapping(entry, secretFields, &s); fields != nil && fields["password"] == 0 {
			entry.addf(passwordHint, "%s has no password", entry.name)
		}
		all = append(all, s)
	}
	return all
}

// serverName brings host or host:port into the form that logins have it in.
func serverName(name string) (server string, ok bool) {
	u, err := url.Parse("https://" + name)
	if err != nil || u.Host != name || u.Hostname() == "" || strings.HasSuffix(name, ":") ||
		strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", false
	}
	if u.Port() == "443" { // which is not every port
		return strings.ToLower(name), true
	}
	_, server = runtimes.Server(u)
	return server, true
}

func (v value) user() string {
	s, ok := v.str()
	if ok && strings.ContainsFunc(s, func(r rune) bool { return r == ':' || unicode.IsControl(r) }) {
		v.addf("the password does not belong there", "user holds a colon or a control character")
	}
	return s
}

// password reads where a password comes from.
func (v value) password(into *PasswordSource) { v.source(into, "password") }

// source reads where a secret comes from; noun is what it is, for people.
func (v value) source(into *PasswordSource, noun string) {
	hint := fmt.Sprintf(sourceHint, v.name)
	private := v.d.private
	v.d.private = true
	defer func() { v.d.private = private }()
	if v.node.Kind == yaml.ScalarNode && v.node.ShortTag() != "!!null" || isBraced(v.node) {
		v.addf(hint, "a %s does not belong into the file, which others can read", noun)
		return
	}
	defects := len(v.d.errs)
	if lines := mapping(v, sourceFields, into); len(lines) != 1 && len(v.d.errs) == defects {
		v.addf(hint, "%s must have one source, not %d", v.name, len(lines))
	}
}

// isBraced tells whether a mapping is a word in braces, such as {hush}.
func isBraced(n *yaml.Node) bool {
	return n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[1].ShortTag() == "!!null" &&
		!slices.Contains(names(sourceFields), n.Content[0].Value)
}

var envPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (v value) envName() string {
	if !v.isString() || !envPattern.MatchString(v.node.Value) {
		v.addf("for example env: INDEX_TOKEN", "env must be the name of a variable")
		return ""
	}
	return v.node.Value
}

// command reads a program and its arguments, which may repeat themselves.
func (v value) command() []string {
	if v.node.Kind != yaml.SequenceNode || len(v.node.Content) == 0 {
		v.addf("no shell reads it: command: [program, argument]", "command must be a list of a program and its arguments")
		return nil
	}
	var all []string
	for _, n := range v.node.Content {
		line := cmp.Or(n.Line, v.line)
		if n = v.d.follow(n); n == nil {
			return nil
		}
		item := value{v.d, "an item of command", line, n}
		if s, ok := item.str(); ok {
			all = append(all, s)
		}
	}
	return all
}

func secretsSchema() schema {
	return schema{"type": "object", "propertyNames": schema{"pattern": `^[^/@?#\s]+$`},
		"additionalProperties": schema{"$ref": "#/definitions/secret"}}
}

func secretSchema(describe describer) schema {
	s := objectSchema(secretFields, describe, secretTable)
	s["required"] = []string{"password"}
	return s
}

func sourceSchema(describe describer) schema {
	s := objectSchema(sourceFields, describe, sourceTable)
	s["minProperties"], s["maxProperties"] = 1, 1
	return s
}

func userSchema() schema { return schema{"type": "string", "pattern": `^[^:\x00-\x1f\x7f]+$`} }

func passwordSchema() schema { return schema{"$ref": "#/definitions/password"} }

func envSchema() schema { return schema{"type": "string", "pattern": envPattern.String()} }

func commandSchema() schema {
	return schema{"type": "array", "items": stringSchema(), "minItems": 1}
}
