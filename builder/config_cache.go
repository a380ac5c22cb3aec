package builder

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// The values of a remote's push.
const (
	PushAlways = "true"
	PushNever  = "false"
	PushAuto   = "auto"
)

// remoteSchemes begin the addresses of remotes.
var remoteSchemes = []string{"https", "http", "file", "s3", "oci"}

var (
	cacheFields = []field[CacheConfig]{
		{"folder", pathSchema, func(v value, into *CacheConfig) { v.setPath(&into.Folder) }},
		{"maxSize", sizeSchema, func(v value, into *CacheConfig) { into.MaxSize = v.size() }},
		{"remotes", remotesSchema, func(v value, into *CacheConfig) { into.Remotes = v.remotes() }},
		{"trust", trustSchema, func(v value, into *CacheConfig) { into.Trust = v.publicKeys() }},
		{"sign", passwordSchema, func(v value, into *CacheConfig) { into.SignLine = v.line; v.source(&into.Sign, "private key") }},
	}

	remoteFields = []field[RemoteConfig]{
		{"url", remoteURLSchema, func(v value, into *RemoteConfig) { into.URL = v.remoteURL() }},
		{"push", pushSchema, func(v value, into *RemoteConfig) { into.Push = v.push() }},
		{"required", booleanSchema, func(v value, into *RemoteConfig) { into.Required = v.boolean() }},
		{"token", passwordSchema, func(v value, into *RemoteConfig) { v.password(&into.Token) }},
	}
)

const loginHint = "name where it comes from: token: {env: CACHE_TOKEN}, secrets, or ~/.netrc"

// cache reads the path of the local cache, or a mapping that may hold one.
func (v value) cache(into *CacheConfig) {
	if v.isString() {
		v.setPath(&into.Folder)
		return
	}
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a folder (a string) or a mapping")
		return
	}
	mapping(v, cacheFields, into)
}

// size reads a size in bytes that is not 0.
func (v value) size() int64 {
	s, ok := v.str()
	if !ok {
		return 0
	}
	n, err := ParseSize(s)
	var wrong *runtimes.InputError
	switch {
	case errors.As(err, &wrong):
		v.add(wrong)
	case n == 0:
		v.addf("to build without a cache there is --no-cache", "%s is 0", v.name)
	}
	return n
}

func (v value) remotes() []RemoteConfig {
	if v.node.Kind != yaml.SequenceNode {
		v.wrong("a list of mappings, such as [{url: https://cache.example}]")
		return nil
	}
	v.d.private = true
	defer func() { v.d.private = false }()
	var all []RemoteConfig
	lines := make(map[string]int)
	for _, n := range v.node.Content {
		line := cmp.Or(n.Line, v.line)
		if n = v.d.follow(n); n == nil {
			return nil
		}
		item := value{v.d, "a remote", line, n}
		r := RemoteConfig{Line: line, Push: PushNever}
		if n.Kind != yaml.MappingNode {
			item.addf("for example - url: https://cache.example", "a remote must be a mapping")
			continue
		}
		fields := mapping(item, remoteFields, &r)
		if fields["url"] == 0 {
			item.addf("for example url: https://cache.example", "a remote has no url")
		}
		if scheme, _, _ := strings.Cut(r.URL, "://"); fields["token"] != 0 && r.URL != "" && !strings.HasPrefix(scheme, "http") {
			v.d.addf(fields["token"], "s3 and oci take the logins that their own tools have", "token means nothing for %s", r.URL)
		}
		if first := lines[r.URL]; first != 0 && r.URL != "" {
			item.addf("remove one of them", "remotes lists %s twice, first on line %d", r.URL, first)
		}
		lines[r.URL] = line
		all = append(all, r)
	}
	return all
}

// remoteURL reads the address of a remote. No message shows it before it is
// known that it has no login in it.
func (v value) remoteURL() string {
	if !v.isString() {
		v.addf("for example url: https://cache.example", "url must be a string")
		return ""
	}
	u, err := url.Parse(v.node.Value)
	switch {
	case err != nil || !slices.Contains(remoteSchemes, u.Scheme):
		v.addf("they begin with "+strings.Join(remoteSchemes, "://, ")+"://", "url is no address of a cache")
	case u.User != nil:
		v.addf(loginHint, "a login does not belong into the file, which others can read")
	default:
		return v.node.Value
	}
	return ""
}

func (v value) push() string {
	if v.isString() && v.node.Value == PushAuto {
		return PushAuto
	}
	if v.node.Kind != yaml.ScalarNode || v.node.ShortTag() != "!!bool" {
		v.addf("auto pushes only from the continuous integration of a protected or the default branch", "push must be true, false or auto")
		return PushNever
	}
	if v.boolean() {
		return PushAlways
	}
	return PushNever
}

// publicKeys reads a list of keys. No message shows one that is wrong, for it may
// be a private key.
func (v value) publicKeys() []cache.PublicKey {
	if v.node.Kind != yaml.SequenceNode || len(v.node.Content) == 0 {
		v.addf(keyHint, "trust must be a list of public keys")
		return nil
	}
	var all []cache.PublicKey
	for _, n := range v.node.Content {
		item := value{v.d, "an item of trust", cmp.Or(n.Line, v.line), n}
		if item.node = v.d.follow(n); item.node == nil {
			return nil
		}
		if !item.isString() {
			item.addf(keyHint, "an item of trust must be a public key")
			continue
		}
		key, err := cache.ParsePublicKey(item.node.Value)
		switch {
		case err != nil:
			item.addf(keyHint, "an item of trust %v", err)
		case slices.Contains(all, key):
			item.addf("remove one of them", "trust lists a key twice")
		}
		all = append(all, key)
	}
	return all
}

const keyHint = "layerbuild cache key new prints a public key, and key show that of a private one: layerbuild-pub-1:…"

// publicKeyPattern is what ParsePublicKey accepts, but for two bits of the last
// character, which have to be zero.
const publicKeyPattern = "^layerbuild-pub-1:[A-Za-z0-9+/]{43}$"

func trustSchema() schema {
	s := listOf(schema{"type": "string", "pattern": publicKeyPattern})
	s["minItems"] = 1
	return s
}

func cacheSchema() schema {
	return schema{"anyOf": []schema{pathSchema(), {"$ref": "#/definitions/cache"}}}
}

func sizeSchema() schema { return schema{"type": "string", "pattern": sizePattern} }

func remotesSchema() schema {
	return schema{"type": "array", "items": schema{"$ref": "#/definitions/remote"}}
}

func remoteSchema(describe describer) schema {
	s := objectSchema(remoteFields, describe, remoteTable)
	s["required"] = []string{"url"}
	return s
}

func remoteURLSchema() schema {
	return schema{"type": "string", "pattern": "^(" + strings.Join(remoteSchemes, "|") + "):"}
}

func pushSchema() schema { return schema{"enum": []any{true, false, PushAuto}} }
