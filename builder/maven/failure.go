package maven

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// How Maven says what it lacks. The words are those of Maven 3.
var (
	missingParent   = regexp.MustCompile(`Non-resolvable parent POM(?: for \S+)?: (.*?) and 'parent\.relativePath' points at (?:wrong local POM|no local POM)(?: @ line (\d+))?`)
	missingImport   = regexp.MustCompile(`Non-resolvable import POM: (.*?)(?: @ |$)`)
	missingArtifact = regexp.MustCompile(`Could not find artifact (\S+) in (\S+) \(([^)]*)\)`)
	noVersions      = regexp.MustCompile(`No versions available for (\S+) within specified range`)
	noVersion       = regexp.MustCompile(`'dependencies\.dependency\.version' for (\S+) is missing`)
	transferFailed  = regexp.MustCompile(`Could not transfer (?:artifact|metadata) (\S+) from/to (\S+) \(([^)]*)\): (.*)`)
	statusCode      = regexp.MustCompile(`(?i)status code: (\d{3})|status: (\d{3}) `)
	blockedMirror   = regexp.MustCompile(`Blocked mirror for repositories: \[([^\]]*)\]`)
	untrusted       = regexp.MustCompile(`unable to find valid certification path|PKIX path building failed|PKIX path validation failed`)
	expired         = regexp.MustCompile(`CertificateExpiredException|CertificateNotYetValidException|NotAfter:`)
	modelError      = regexp.MustCompile(`^\[(?:ERROR|FATAL)\] (?:\[(?:ERROR|FATAL)\] )?(.*)$`)
)

// explain turns what a run of Maven printed into an error of a kind that the
// user is told what to do about.
func (r run) explain(err error) error {
	var lines []string
	var step *runtimes.InstallError
	var own *failure
	switch {
	case errors.As(err, &step):
		lines = step.Lines
	case errors.As(err, &own):
		lines = own.lines
	default:
		return err
	}
	text := strings.Join(lines, "\n")
	if m := blockedMirror.FindStringSubmatch(text); m != nil {
		return &runtimes.InputError{File: r.job.Module, Problem: "Maven asks no repository by http: " + m[1],
			Hint: "name it by https, or a mirror of it in ~/.m2/settings.xml"}
	}
	if cause := networkCause(text, r.logins); cause != nil {
		return cause
	}
	problem := &runtimes.InputError{File: r.job.Module, Problem: "cannot be resolved"}
	switch {
	case missingParent.MatchString(text):
		m := missingParent.FindStringSubmatch(text)
		problem.Problem = "its parent is neither in the project nor in a repository: " + subject(m[1])
		problem.Hint = "correct <relativePath>; it must not lead out of the folder of layerbuild.yaml. Or deploy the parent to a repository"
	case missingImport.MatchString(text):
		problem.Problem = "the list of versions that it imports is neither in the project nor in a repository: " + subject(missingImport.FindStringSubmatch(text)[1])
		problem.Hint = "correct its version, or deploy it to a repository"
	case missingArtifact.MatchString(text):
		m := missingArtifact.FindStringSubmatch(text)
		problem.Problem = ""
		problem.Err = &runtimes.NetworkError{URL: m[3], Err: fmt.Errorf("the repository %s does not have %s", m[2], m[1])}
		problem.Hint = "correct its version; if it is a module of another project, deploy it to a repository"
	case noVersions.MatchString(text):
		problem.Problem = "no version is within the range of " + noVersions.FindStringSubmatch(text)[1]
		problem.Hint = "widen the range"
	case noVersion.MatchString(text):
		problem.Problem = noVersion.FindStringSubmatch(text)[1] + " has no version"
		problem.Hint = "name one, or import a list of versions that has it"
	default:
		problem.Err = errors.New(explanation(lines))
		problem.Hint = "try it: mvn -f " + r.job.Module + " dependency:list"
	}
	return problem
}

// subject shortens Maven's "Could not find artifact g:a:pom:1 in central (…)".
func subject(text string) string {
	if m := missingArtifact.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return text
}

// networkCause finds why a repository gave nothing, nil where it answered.
func networkCause(text string, logins []runtimes.Login) error {
	m := transferFailed.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	why := strings.TrimSuffix(m[4], " -> [Help 1]")
	host, u := m[3], new(url.URL)
	if at, err := url.Parse(m[3]); err == nil && at.Host != "" {
		u = at
		_, host = runtimes.Server(u)
	}
	switch status := statusOf(why); {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return &runtimes.NetworkError{URL: m[1] + " from " + m[3], Err: runtimes.RefusedBy("java", runtimes.Refused(logins, u, status))}
	case status == http.StatusProxyAuthRequired:
		return &runtimes.LoginError{Host: "the proxy", Status: status}
	case untrusted.MatchString(why):
		return fmt.Errorf("the certificate of %s is not trusted: %w", host, x509.UnknownAuthorityError{})
	case expired.MatchString(why):
		return x509.CertificateInvalidError{Reason: x509.Expired, Detail: "that of " + host}
	}
	return &runtimes.NetworkError{URL: m[1] + " from " + m[3], Err: errors.New(why)}
}

func statusOf(why string) int {
	m := statusCode.FindStringSubmatch(why)
	if m == nil {
		return 0
	}
	status, _ := strconv.Atoi(m[1] + m[2])
	return status
}

// maxLines bounds what is shown of Maven's explanation.
const maxLines = 20

// explanation is what Maven printed as errors, but for its advice.
func explanation(lines []string) string {
	var kept []string
	for _, line := range lines {
		m := modelError.FindStringSubmatch(line)
		if m == nil || strings.TrimSpace(m[1]) == "" || strings.Contains(m[1], "[Help ") && strings.HasPrefix(m[1], "[Help ") {
			continue
		}
		if strings.HasPrefix(m[1], "To see the full stack trace") || strings.HasPrefix(m[1], "Re-run Maven") || strings.HasPrefix(m[1], "For more information") {
			continue
		}
		text, _, _ := strings.Cut(m[1], " -> [Help")
		if !slices.Contains(kept, text) {
			kept = append(kept, text)
		}
	}
	if len(kept) > maxLines {
		kept = append(kept[:maxLines], "…")
	}
	if len(kept) == 0 {
		return "Maven failed"
	}
	return strings.Join(kept, "\n")
}
