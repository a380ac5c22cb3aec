package buildkit

import "regexp"

// userinfo is the "user:password@" of a URL.
var userinfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s"']*@`)

// redact hides the credentials of URLs in s, which a tool or the daemon wrote.
func redact(s string) string {
	return userinfo.ReplaceAllString(s, "${1}***@")
}
