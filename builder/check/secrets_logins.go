package check

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// awsSecretRule is for the longer half of AWS's access keys, which has no
// prefix: it shows by the name before it. AWS's own examples end in EXAMPLEKEY.
var awsSecretRule = secretRule{
	id: SecretToken, name: "aws-secret-access-key", entropy: 4, hidden: true,
	regex:    regexp.MustCompile(`(?i)secret_?access_?key["']?\s{0,3}[:=]\s{0,3}["']?([a-z0-9/+]{40})(?:[^a-z0-9/+=]|$)`),
	allow:    []*regexp.Regexp{regexp.MustCompile(`EXAMPLE`)},
	keywords: []string{"secret_access_key", "SECRET_ACCESS_KEY", "SecretAccessKey", "secretAccessKey"}, reach: 128,
}

// keyBody is a line of a key, not what a program that writes keys has there.
var keyBody = regexp.MustCompile(`[A-Za-z0-9+/=]{40,}`)

// hasKeyBody tells whether something lies between the lines that begin and end
// a private key.
func hasKeyBody(key []byte) bool {
	body := keyBody.Find(key)
	return body != nil && entropy(body) > 3
}

// loginRules are for passwords and tokens that show by where they are: in a URL,
// or behind a name in a file that is known to have them.
var loginRules = []secretRule{
	login("url-password", isMetadata, `[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/@:"'<>]{0,100}:([^\s/@"'<>]{1,200})@[a-zA-Z0-9\[]`),
	token("url-token", isMetadata, 3.5, `(?:https?|ssh)://([^\s/@:"'<>]{20,200})@[a-zA-Z0-9\[]`),
	login("npmrc-login", named(".npmrc", "npmrc"), `(?im)(?:^|:)_?(?:authToken|auth|password)[ \t]*=[ \t]*["']?([^\s"']+)`),
	login("yarnrc-login", named(".yarnrc.yml"), `(?m)^\s*npmAuth(?:Token|Ident)["']?:[ \t]*["']?([^\s"']+)`),
	login("netrc-password", named(".netrc", "_netrc"), `\bpassword\s+(\S+)`),
	login("pypirc-password", named(".pypirc"), `(?im)^\s*password[ \t]*[=:][ \t]*(\S+)`),
	login("docker-login", isDockerConfig, `"(?:auth|identitytoken|registrytoken)"\s*:\s*"([^"\s]+)"`),
	login("maven-password", named("settings.xml", "settings-security.xml"), `<(?:password|passphrase)>\s*([^<\s]+)\s*</`),
	token("env-secret", isEnv, 3, `(?im)^\s*(?:export\s+)?\w*(?:secret|token|password|passwd|api_?key|access_key|private_key)[ \t]*=[ \t]*["']?([^\s"'#]{8,200})`),
	properties("properties-secret", `(?im)^[ \t]*[\w.-]*(?:secret|token|password|passwd|api[._-]?key|access[._-]?key|private[._-]?key)[ \t]*[=:][ \t]*([^\s"']{8,200})[ \t]*\r?$`),
}

func login(name string, in func(folder, base string) bool, regex string) secretRule {
	return secretRule{id: SecretLogin, name: name, in: in, regex: regexp.MustCompile(regex), is: isPassword, hidden: true}
}

// token is for what is found by a name that need not mean a secret.
func token(name string, in func(folder, base string) bool, bits float64, regex string) secretRule {
	r := login(name, in, regex)
	r.entropy = bits
	r.is = func(s []byte) bool { return isPassword(s) && !isAddress(s) }
	return r
}

// properties are texts for people, too: a secret has digits and letters.
func properties(name, regex string) secretRule {
	r := token(name, func(_, base string) bool { return strings.HasSuffix(base, ".properties") }, 3, regex)
	is := r.is
	r.is = func(s []byte) bool {
		return is(s) && bytes.ContainsAny(s, "0123456789") && bytes.ContainsFunc(s, func(c rune) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' })
	}
	return r
}

// stand are words that stand for a password in examples.
var stand = []string{"password", "passwd", "pass", "pw", "pwd", "secret", "token", "changeme", "change_me", "hunter2", "none", "null", "true", "false", "proxypass", "repopwd", "user", "username", "mypassword", "mytoken", "apikey"}

// holder is what only a placeholder has in it.
var holder = regexp.MustCompile(`(?i)\$\{|\$\(|%\(|\{\{|\}\}|^\$|^<|^%\w+%$|^\{|^@\w+@$|^\[|\.\.\.|…|your[-_]?|example|placeholder|redacted|dummy|xxxx|\*\*\*`)

// isPassword tells whether what stands where a password belongs is one, and not
// a variable or a placeholder.
func isPassword(s []byte) bool {
	return !slices.Contains(stand, strings.ToLower(string(s))) && !holder.Match(s)
}

// isAddress tells whether a value says where a secret is: a path, a URL, a name
// in AWS.
func isAddress(s []byte) bool {
	for _, prefix := range []string{"/", "./", "../", "~/", "arn:", "ssm:", "op://", "vault:"} {
		if bytes.HasPrefix(s, []byte(prefix)) {
			return true
		}
	}
	return bytes.Contains(s, []byte("://"))
}

func named(names ...string) func(folder, base string) bool {
	return func(_, base string) bool { return slices.Contains(names, base) }
}

// metadata are files in which package managers and people write where packages
// come from. Names are in lower case.
var metadata = []string{
	"direct_url.json", "metadata", "pkg-info", "pyproject.toml", "pipfile", "pip.conf", "pip.ini", "uv.toml", ".pypirc",
	"package.json", ".package-lock.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", ".npmrc", "npmrc", ".yarnrc", ".yarnrc.yml", ".yarn-state.yml", ".yarn-integrity", ".modules.yaml",
	"pom.xml", "settings.xml", "manifest.mf", ".netrc", "_netrc", ".git-credentials", ".gitconfig", ".gitmodules",
}

func isMetadata(folder, base string) bool {
	switch {
	case slices.Contains(metadata, base), isEnv(folder, base), base == "config" && strings.HasSuffix(folder, ".git/"):
		return true
	case strings.HasPrefix(base, "requirements") && strings.HasSuffix(base, ".txt"),
		strings.HasPrefix(base, "pylock.") && strings.HasSuffix(base, ".toml"):
		return true
	}
	return strings.HasSuffix(base, ".lock") || strings.HasSuffix(base, ".lockfile") || strings.HasSuffix(base, ".properties")
}

// isEnv tells whether a file sets variables, and is no example of one.
func isEnv(_, base string) bool {
	if base != ".env" && !strings.HasPrefix(base, ".env.") && !strings.HasSuffix(base, ".env") {
		return false
	}
	return !slices.ContainsFunc([]string{"example", "sample", "template", "dist"}, func(w string) bool { return strings.Contains(base, w) })
}

func isDockerConfig(folder, base string) bool {
	return base == ".dockercfg" || base == ".dockerconfigjson" || base == "config.json" && strings.HasSuffix(folder, ".docker/")
}
