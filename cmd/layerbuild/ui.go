package main

// The rules of the user interface:
//
//   - stdout is for results: what a script or a pipe wants. Everything else,
//     progress included, goes to stderr.
//   - Messages begin with "layerbuild: " and their kind, "error: ", "warning: "
//     or "note: ", in lower case, without a full stop. An error says what is
//     wrong and where; what to do about it follows as "layerbuild: hint: ".
//   - On a terminal each running target has a line at the bottom that is
//     redrawn, and one that stays when it ends; both fit the terminal's width.
//     Nothing moves where stderr is no terminal, and colour is never the only
//     carrier of a meaning. NO_COLOR is honoured.
//   - Prose and tables fit 100 columns, or a narrower terminal; the variable
//     COLUMNS sets another width where there is none. Text is broken at spaces
//     only, so a path or an address that is longer still has a line of its own.
//     What a tool printed, code to be piped and JSON stay as they are.
//   - Exit codes are chosen here alone, in exitCode.

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/builder/smoke"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitInput       = 2 // usage, configuration or lock file
	exitDigest      = 3 // something is not what was locked
	exitUnreachable = 4 // no container engine answers
	exitInterrupted = 130
)

// exitCode is the one place that turns a kind of error into an exit code. Of
// several errors the gravest counts.
func exitCode(ctx context.Context, err error) int {
	var (
		digest      *runtimes.DigestError
		unreachable *runtimes.UnreachableError
		network     *runtimes.NetworkError
		input       *runtimes.InputError
		damaged     *damagedError
	)
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &digest), errors.As(err, &damaged):
		return exitDigest
	case errors.As(err, &unreachable):
		return exitUnreachable
	case errors.As(err, &network):
		return exitFailed // though a lock file may name what no server has
	case errors.As(err, &input):
		return exitInput
	}
	return exitFailed
}

// hint is the one place that knows what to do about an error, "" where there
// is nothing to say.
func hint(err error) string {
	var (
		input       *runtimes.InputError
		digest      *runtimes.DigestError
		unreachable *runtimes.UnreachableError
		pkg         *runtimes.PackageError
		network     *runtimes.NetworkError
		findings    *check.FindingsError
		unloaded    *smoke.FailedError
		authority   x509.UnknownAuthorityError
		invalid     x509.CertificateInvalidError
		login       *runtimes.LoginError
		install     *runtimes.InstallError
		remote      *cache.RemoteError
		damaged     *damagedError
		budget      *budgetError
	)
	switch {
	case errors.As(err, &budget):
		return "leave packages out with exclude or excludeFiles, split the layer, or raise --budget; layerbuild why LAYER PACKAGE says what pulls one in"
	case errors.As(err, &remote):
		return "without required: true it costs a warning and no build; --cache-from none and --cache-to none leave it out for a run"
	case errors.As(err, &input) && input.Hint != "":
		return input.Hint
	case errors.As(err, &digest):
		return "somebody changed the file at its source, or the lock file is wrong: find out which before you lock it anew"
	case errors.As(err, &damaged):
		return "it is built or downloaded again when it is needed; if this happens again, see whether the disk is failing"
	case errors.As(err, &unreachable) && unreachable.Needed != "":
		return "start BuildKit or Docker, and name it with --builder or BUILDKIT_HOST where it is not found"
	case errors.As(err, &unreachable):
		return "start BuildKit and name it with --builder or BUILDKIT_HOST, or build without containers: --engine direct"
	case errors.As(err, &pkg):
		return "the file is the one that was locked, so it is broken or hostile at its source: lock another version"
	case errors.As(err, &authority):
		return "behind a TLS proxy, name its certificates with caBundle in layerbuild.yaml or with SSL_CERT_FILE"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "see whether this machine's clock is right; if it is, the server needs a new certificate"
	case errors.As(err, &login) && login.Status == http.StatusProxyAuthRequired:
		return "the variable HTTPS_PROXY takes them: http://user:password@proxy.example:3128"
	case errors.As(err, &login) && login.Of == runtimes.OfImages:
		return "logins of image registries are Docker's: run docker login " + login.Host + ", or name a credential helper for it in config.json, in ~/.docker or the folder DOCKER_CONFIG"
	case errors.As(err, &login) && login.Lacks != "":
		return "set the variable " + login.Lacks + " where layerbuild runs"
	case errors.As(err, &login) && login.From == "":
		return "give " + login.Host + " a login: under secrets in layerbuild.yaml" + otherLogins(login)
	case errors.As(err, &login) && login.Token:
		return "it may be wrong or expired, or lack the right to read: renew it where it comes from: " + login.From
	case errors.As(err, &login):
		return "the password may be wrong or expired, or lack the right to read: renew it where it comes from: " + login.From
	case errors.As(err, &network):
		return "see whether the address is right and can be reached from here"
	case errors.As(err, &findings):
		return findings.Rule.Hint
	case errors.As(err, &unloaded):
		return "see whether excludeFiles, exclude or slim leave out what is needed; what is never loaded in Lambda is passed over by check: {import: true, skip: [" + unloaded.Failures[0].Name + "]}"
	case errors.As(err, &install) && missingModule(install) != "":
		name, _, _ := strings.Cut(strings.TrimPrefix(install.Step, "build "), " ")
		return fmt.Sprintf("what a build needs beyond its pyproject.toml is listed under buildRequires, for example: buildRequires: {%s: [%s]}", name, missingModule(install))
	case errors.As(err, &install):
		return "layerbuild build -v prints all that the step printed; what the image lacks a command of setup may install"
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full there: free some space; LAYERBUILD_CACHE_DIR moves the cache, TMPDIR what is unpacked meanwhile"
	case errors.As(err, &input) && input.Line > 0:
		return "correct that line, or have what wrote " + input.File + " write it anew"
	case errors.As(err, &input) && input.File != "" && (errors.Is(input, fs.ErrNotExist) || errors.Is(input, fs.ErrPermission) || errors.Is(input, syscall.EISDIR)):
		return "see whether " + input.File + " is there, a file, and one that this user may read"
	case errors.As(err, &input) && input.File != "":
		return "correct " + input.File + ", or have what wrote it write it anew"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist), errors.Is(err, syscall.ENOTDIR):
		return "see whether the path is right, and each part of it a folder: --output names the output, LAYERBUILD_CACHE_DIR the cache, TMPDIR what is unpacked meanwhile"
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES):
		return "let this user write there, or name another folder: --output moves the output, LAYERBUILD_CACHE_DIR the cache, TMPDIR what is unpacked meanwhile"
	}
	return ""
}

// otherLogins says where a login is looked for beside layerbuild.yaml.
func otherLogins(e *runtimes.LoginError) string {
	switch e.Of {
	case "nodejs":
		return ", in .npmrc of the project or ~/.npmrc (//" + e.Host + "/:_authToken=${NPM_TOKEN}), or as npmAuthToken in .yarnrc.yml"
	case "java":
		return ", or under servers in ~/.m2/settings.xml, by the id of the repository or of its mirror"
	}
	return ", in ~/.netrc, in the index's address in pip.conf, or with UV_INDEX_<NAME>_USERNAME and _PASSWORD"
}

var noModule = regexp.MustCompile(`(?:ModuleNotFoundError|ImportError): No module named '?(\w+)`)

// missingModule is the Python module for want of which a build failed, or "".
func missingModule(install *runtimes.InstallError) string {
	if !strings.HasPrefix(install.Step, "build ") {
		return ""
	}
	if m := noModule.FindStringSubmatch(strings.Join(install.Lines, "\n")); m != nil {
		return m[1]
	}
	return ""
}

// ui writes to the user.
type ui struct {
	stdout    io.Writer
	quiet     bool
	verbose   bool
	colour    bool // on stdout
	colourErr bool // on stderr
	live      bool // stderr is a terminal that can be redrawn
	github    *github
	project   string // the folder of the configuration, once that is known

	mu     sync.Mutex
	stderr io.Writer
	spoke  bool // something was written to stderr
}

func newUI(stdout, stderr io.Writer) *ui {
	dumb := os.Getenv("TERM") == "dumb"
	colour := !dumb && os.Getenv("NO_COLOR") == ""
	return &ui{
		stdout:    stdout,
		stderr:    stderr,
		colour:    isTerminal(stdout) && colour,
		colourErr: isTerminal(stderr) && colour,
		live:      isTerminal(stderr) && !dumb && !inCI(),
		github:    onGitHub(os.Getenv),
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// message writes text for people to stderr, folded to its width.
func (ui *ui) message(text string) { ui.line(fold(text, proseWidth(ui.stderr), hanging)) }

// warn writes a warning, which GitHub shows on the job's page, too.
func (ui *ui) warn(text string) {
	ui.message("layerbuild: " + paint(ui.colourErr, yellow, "warning:") + " " + text)
	ui.annotateWarning(text)
}

// annotateWarning has GitHub show a warning on the job's page.
func (ui *ui) annotateWarning(text string) {
	if ui.github != nil {
		ui.line(annotation("warning", "", 0, text))
	}
}

// line writes a whole line, or several, to stderr as they are.
func (ui *ui) line(text string) {
	ui.mu.Lock()
	defer ui.mu.Unlock()
	ui.spoke = true
	// Nothing can be done where stderr is gone.
	_, _ = io.WriteString(ui.stderr, text+"\n")
}

// print writes text for people to stdout, folded to its width.
func (ui *ui) print(format string, args ...any) error {
	_, err := io.WriteString(ui.stdout, fold(fmt.Sprintf(format, args...), proseWidth(ui.stdout), hanging))
	return err
}

// prompt writes to stderr what waits for an answer, on the same line.
func (ui *ui) prompt(text string) {
	ui.mu.Lock()
	defer ui.mu.Unlock()
	ui.spoke = true
	_, _ = io.WriteString(ui.stderr, text)
}

// gap parts what was said from a result below it, on a terminal.
func (ui *ui) gap() {
	ui.mu.Lock()
	defer ui.mu.Unlock()
	if ui.spoke && ui.live && isTerminal(ui.stdout) {
		_, _ = io.WriteString(ui.stderr, "\n")
	}
}

// printJSON prints a result for scripts.
func (ui *ui) printJSON(v any) error {
	e := json.NewEncoder(ui.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// end reports how the command ended and returns its exit code.
func (ui *ui) end(ctx context.Context, err error) int {
	code := exitCode(ctx, err)
	switch code {
	case exitOK:
	case exitInterrupted:
		ui.message("layerbuild: interrupted")
	default:
		for _, e := range flatten(err) {
			ui.message(errorText(e, ui.colourErr))
			if ui.github != nil {
				ui.line(ui.github.annotateError(e, ui.project))
			}
		}
	}
	return code
}

// flatten lists the errors that errors.Join joined. An error that wraps
// several with words of its own stays whole.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	var texts []string
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
		texts = append(texts, e.Error())
	}
	if strings.Join(texts, "\n") != err.Error() {
		return []error{err}
	}
	return all
}

// errorText is an error with what a tool printed and what to do.
func errorText(err error, colour bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "layerbuild: %s %v", paint(colour, red, "error:"), err)
	var install *runtimes.InstallError
	if errors.As(err, &install) {
		for _, line := range install.Lines {
			fmt.Fprintf(&b, "\n  | %s", line)
		}
	}
	if h := strings.TrimRight(hint(err), "\n"); h != "" {
		fmt.Fprintf(&b, "\nlayerbuild: %s %s", paint(colour, bold, "hint:"), h)
	}
	return b.String()
}

// shortPath shows a path from the working folder, where it lies in it.
func shortPath(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil || !filepath.IsLocal(rel) {
		return path
	}
	return rel
}
