// Package git fetches what a lock file pins by a commit of a Git repository.
//
// The machine's own git does it, as the package managers have it: it knows the
// user's logins, keys and proxies. Nothing of a repository is run: no hook, no
// filter, no submodule.
package git

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Files keeps files by their SHA-256 in hex, and serves none unverified.
type Files interface {
	// Open returns an error that wraps fs.ErrNotExist where the file is absent.
	Open(ctx context.Context, sha256 string) (io.ReadCloser, error)
	Save(ctx context.Context, sha256 string, data []byte) error
}

// Values keeps small values by a kind and a key.
type Values interface {
	GetValue(ctx context.Context, kind, key string) ([]byte, error)
	PutValue(ctx context.Context, kind, key string, data []byte) error
}

// Repositories answers requests of the ecosystem "git": the name is the
// address of a repository, the version a commit in hex. The one file is a zip
// archive of all that the commit holds, sorted, with fixed times.
type Repositories struct {
	Store    Files
	Values   Values
	CABundle string // a PEM file, or "" for what git has
}

const valueKind = "git/1"

// known is what is kept of a commit.
type known struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// Files implements the builder's index of files.
func (r *Repositories) Files(ctx context.Context, q runtimes.FileRequest) ([]runtimes.File, error) {
	if err := check(q.Name, q.Version); err != nil {
		return nil, err
	}
	key := q.Name + " " + q.Version
	var k known
	if data, err := r.Values.GetValue(ctx, valueKind, key); err == nil && json.Unmarshal(data, &k) == nil {
		if f, err := r.Store.Open(ctx, k.SHA256); err == nil {
			f.Close()
			return []runtimes.File{r.file(ctx, q, k, nil)}, nil
		}
	}
	data, err := r.fetch(ctx, q.Name, q.Version)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	k = known{hex.EncodeToString(sum[:]), int64(len(data))}
	if err := r.Store.Save(ctx, k.SHA256, data); err != nil {
		return []runtimes.File{r.file(ctx, q, k, data)}, nil // the next run fetches it again
	}
	if value, err := json.Marshal(k); err == nil {
		_ = r.Values.PutValue(ctx, valueKind, key, value) // likewise
	}
	return []runtimes.File{r.file(ctx, q, k, nil)}, nil
}

// file is a commit's archive, which is in data or, where that is nil, in the store.
func (r *Repositories) file(ctx context.Context, q runtimes.FileRequest, k known, data []byte) runtimes.File {
	name := strings.TrimSuffix(path.Base(q.Name), ".git") + "-" + q.Version + ".zip"
	ctx = context.WithoutCancel(ctx) // it is opened after what asked for it has ended
	return runtimes.File{
		Name: name, SHA256: k.SHA256, Size: k.Size,
		Local: &runtimes.LocalFile{Path: q.Name + "@" + q.Version, Open: func() (io.ReadCloser, error) {
			if data != nil {
				return io.NopCloser(bytes.NewReader(data)), nil
			}
			return r.Store.Open(ctx, k.SHA256)
		}},
	}
}

var (
	commitPattern  = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	addressPattern = regexp.MustCompile(`^(https?|ssh|git)://[^-\s][^\s]*$`)
)

func check(address, commit string) error {
	if !commitPattern.MatchString(commit) {
		return &runtimes.InputError{Problem: fmt.Sprintf("%q is no commit of %s: all its 40 digits are needed", commit, address),
			Hint: "git ls-remote tells them"}
	}
	if !addressPattern.MatchString(address) {
		return &runtimes.InputError{
			Problem: fmt.Sprintf("%q is no address of a Git repository that can be fetched from", address),
			Hint:    "https://, http://, ssh:// and git:// can be",
		}
	}
	return nil
}

// fetch brings a commit and packs it.
func (r *Repositories) fetch(ctx context.Context, address, commit string) ([]byte, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, &runtimes.InputError{
			Problem: "git is needed to fetch " + address + ", and there is none", Err: err,
			Hint: "install git, or take the package from an index",
		}
	}
	folder, err := os.MkdirTemp("", "layerbuild-git-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	repo := repository{folder: folder, env: r.environment()}
	if _, err := repo.run(ctx, nil, "init", "--quiet", "--bare", "."); err != nil {
		return nil, err
	}
	if err := repo.bring(ctx, address, commit); err != nil {
		return nil, err
	}
	return repo.pack(ctx, address, commit)
}

// environment is git's: the user's, without what would make it ask or run
// something.
func (r *Repositories) environment() []string {
	env := append(os.Environ(),
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=", "GIT_LFS_SKIP_SMUDGE=1",
		"GIT_ALLOW_PROTOCOL=https:http:ssh:git", "LC_ALL=C",
	)
	if os.Getenv("GIT_SSH_COMMAND") == "" && os.Getenv("GIT_SSH") == "" {
		env = append(env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes")
	}
	if r.CABundle != "" && os.Getenv("GIT_SSL_CAINFO") == "" {
		env = append(env, "GIT_SSL_CAINFO="+r.CABundle)
	}
	// A hook or a test may run inside of a repository of its own.
	return deleteVariables(env, "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")
}

func deleteVariables(env []string, names ...string) []string {
	var kept []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		drop := false
		for _, n := range names {
			drop = drop || n == name
		}
		if !drop {
			kept = append(kept, kv)
		}
	}
	return kept
}

// repository is a passing one.
type repository struct {
	folder string
	env    []string
}

// waitForPipes is how long what git has started may keep its output open after git
// has ended: the connection that ssh keeps for the next time may do so for hours, and
// one that gets no answer does when git is told to stop.
const waitForPipes = 2 * time.Second

// run runs git and returns what it prints.
func (r repository) run(ctx context.Context, in io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin = r.folder, r.env, in
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	cmd.WaitDelay = waitForPipes
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &commandError{said: lastLine(problems.String()), err: err}
	}
	return out.Bytes(), nil
}

// commandError is a failure of git, with what it said last.
type commandError struct {
	said string
	err  error
}

func (e *commandError) Error() string {
	if e.said == "" {
		return "git: " + e.err.Error()
	}
	return "git: " + e.said
}

func (e *commandError) Unwrap() error { return e.err }

// lastLine is the last line that says something, without "fatal: ".
func lastLine(text string) string {
	last := ""
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			last = line
		}
	}
	last = strings.TrimPrefix(strings.TrimPrefix(last, "fatal: "), "error: ")
	const limit = 300
	return last[:min(len(last), limit)]
}

// bring fetches the commit: alone, or, where the server gives no commit by its
// name, with all that it has.
func (r repository) bring(ctx context.Context, address, commit string) error {
	_, err := r.run(ctx, nil, "fetch", "--quiet", "--no-tags", "--depth", "1", "--", address, commit)
	if err == nil {
		return nil
	}
	var failed *commandError
	if !errors.As(err, &failed) {
		return err
	}
	if !strings.Contains(failed.said, "not our ref") && !strings.Contains(failed.said, "unadvertised object") {
		return &runtimes.NetworkError{URL: address, Err: failed}
	}
	if _, err := r.run(ctx, nil, "fetch", "--quiet", "--tags", "--", address, "+refs/heads/*:refs/heads/*"); err != nil {
		return &runtimes.NetworkError{URL: address, Err: err}
	}
	if _, err := r.run(ctx, nil, "cat-file", "-e", commit+"^{commit}"); err != nil {
		if errors.As(err, &failed) {
			return &runtimes.InputError{
				Problem: fmt.Sprintf("%s has no commit %s", address, commit),
				Hint:    "lock the package again: the branch was perhaps rewritten",
				Err:     fs.ErrNotExist,
			}
		}
		return err
	}
	return nil
}
