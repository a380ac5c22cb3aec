package buildkit

import "regexp"

// userinfo is the "user:password@" of a URL.
var userinfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s"']*@`)

// npmLogin is a login in the form of an .npmrc. pnpm shows those that it has when a
// registry refuses one, with the first letters of each.
var npmLogin = regexp.MustCompile(`(:(?:_authToken|_auth|_password|username)=)\S+`)

// redact hides the credentials of URLs and of npm in s, which a tool or the
// daemon wrote.
func redact(s string) string {
	return npmLogin.ReplaceAllString(userinfo.ReplaceAllString(s, "${1}***@"), "${1}***")
}
