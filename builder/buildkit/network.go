package buildkit

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// How uv, pip, Maven and the package managers of Node.js tell that an index wants another login, that its certificate
// is not valid now or not trusted, and that a proxy wants a login.
var (
	lineURL       = regexp.MustCompile("https?://[^\\s()`'\"<>]+")
	lineStatus    = regexp.MustCompile(`\b(?:401 Unauthorized|401 Client Error|403 Forbidden|403 Client Error)|status code: 40[13]|FETCH_40[13]\b|\bfetch GET 40[13]\b|\b(?:GET|for) \S+ - 40[13]$|Response Code: 40[13]`)
	lineUntrusted = regexp.MustCompile(`invalid peer certificate|CERTIFICATE_VERIFY_FAILED|certificate verify failed|unable to find valid certification path`)
	lineInvalid   = regexp.MustCompile(`certificate expired|certificate has expired|certificate not valid yet|certificate is not yet valid|CertificateExpiredException|CertificateNotYetValidException`)
	lineProxy     = regexp.MustCompile(`407 Proxy Authentication Required|proxy authorization required|status code: 407`)
)

// networkCause finds in the last lines of a failed step why an index gave
// nothing. It returns nil where they do not tell.
func networkCause(lines []string, logins []runtimes.Login) error {
	address := strings.TrimRight(lineURL.FindString(strings.Join(lines, "\n")), ".,:;") // yarn names it behind the answer
	for _, line := range lines {
		if m := lineURL.FindString(line); m != "" {
			address = strings.TrimRight(m, ".,:;")
		}
		u, err := url.Parse(address)
		if err != nil {
			continue
		}
		_, host := runtimes.Server(u)
		switch status := lineStatus.FindString(line); {
		case lineInvalid.MatchString(line):
			return x509.CertificateInvalidError{Reason: x509.Expired, Detail: "that of " + host}
		case lineUntrusted.MatchString(line):
			return fmt.Errorf("the certificate of %s is not trusted: %w", host, x509.UnknownAuthorityError{})
		case lineProxy.MatchString(line):
			return &runtimes.LoginError{Host: "the proxy", Status: http.StatusProxyAuthRequired}
		case status != "":
			code := http.StatusUnauthorized
			if strings.LastIndex(status, "403") > strings.LastIndex(status, "401") { // a port may hold either
				code = http.StatusForbidden
			}
			return runtimes.Refused(logins, u, code)
		}
	}
	return nil
}

// How uv and Maven name the package whose file did not come, and how it says that the
// connection is to blame; and how the drivers of steps say both.
var (
	lineFile  = regexp.MustCompile("Failed to download `([^`=]+)==([^`]+)`")
	lineLost  = regexp.MustCompile(`error reading a body|error sending request|connection error|timed out`)
	lineMaven = regexp.MustCompile(`Could not (?:find|transfer) artifact (\S+) (?:in|from/to) \S+ \(([^)]+)\)`)
	lineFetch = regexp.MustCompile(`error: (\S+) cannot be fetched: .* for url (\S+)`)
)

// lostFile adds to a step's error which file did not come and from where, which
// uv does not say, if its last lines tell that the connection was lost.
func lostFile(lines []string, r runtimes.Recipe, err error) error {
	text := strings.Join(lines, "\n")
	if m := lineFetch.FindStringSubmatch(text); m != nil {
		return &runtimes.NetworkError{URL: m[1] + " from " + redact(m[2]), Err: err}
	}
	if m := lineMaven.FindStringSubmatch(text); m != nil {
		return &runtimes.NetworkError{URL: m[1] + " from " + redact(m[2]), Err: err}
	}
	m := lineFile.FindStringSubmatch(text)
	if m == nil || !lineLost.MatchString(text) {
		return err
	}
	for _, p := range r.Packages {
		if p.Name != m[1] || p.Version != m[2] {
			continue
		}
		from := redact(p.File.URL)
		if r.Mirrored || from == "" {
			from = p.File.Name + " from " + redact(strings.Join(r.Indexes, " or "))
		}
		return &runtimes.NetworkError{URL: from, Err: err}
	}
	return err
}
