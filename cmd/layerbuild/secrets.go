package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// maxSecret bounds a password: nobody's is as long, but a wrong file may be.
const maxSecret = 64 << 10

// secretLogins are the logins that the configuration's secrets describe, those
// for one port first. Nothing is read or run before a password is needed; ctx
// ends a command that runs then.
func secretLogins(ctx context.Context, config *builder.Config) []runtimes.Login {
	var exact, anyPort []runtimes.Login
	for _, s := range config.Secrets {
		u := &url.URL{Scheme: "https", Host: s.Server}
		from := filepath.Base(config.File)
		l := runtimes.Login{User: s.User, From: fmt.Sprintf("secrets in %s (%s)", from, sourceName(config, s.Password))}
		l.Secret = &secret{fetch: sync.OnceValues(func() (string, error) { return fetchSecret(ctx, config, s) })}
		if l.Scheme, l.Host = runtimes.Server(u); u.Port() == "" {
			l.Host, l.AnyPort = u.Hostname(), true
			anyPort = append(anyPort, l)
		} else {
			exact = append(exact, l)
		}
	}
	return append(exact, anyPort...)
}

// secret is a password of the configuration's, fetched at most once.
type secret struct{ fetch func() (string, error) }

func (s *secret) Password() (string, error) { return s.fetch() }

// sourceName says in few words where a password comes from.
func sourceName(config *builder.Config, source builder.PasswordSource) string {
	switch {
	case source.Env != "":
		return source.Env
	case source.File != "":
		if rel, err := filepath.Rel(config.Root, source.File); err == nil && filepath.IsLocal(rel) {
			return rel
		}
		return source.File
	}
	return "the command " + source.Command[0]
}

// fetchSecret gets one password. Its errors show nothing of it, and are
// [*runtimes.InputError]s but where ctx ended.
func fetchSecret(ctx context.Context, config *builder.Config, s builder.Secret) (string, error) {
	what := "the password for " + s.Server
	text, err := fetchSource(ctx, config, s.Password, "password")
	if err != nil {
		return "", located(err, config.File, s.Line, what)
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		name := sourceName(config, s.Password)
		return "", located(&runtimes.InputError{Problem: name + " gives several lines or control characters",
			Hint: sourceHint(s.Password, name, "password")}, config.File, s.Line, what)
	}
	return text, nil
}

// located says of an error of fetchSource where the configuration asks for what.
func located(err error, file string, line int, what string) error {
	if input := (*runtimes.InputError)(nil); errors.As(err, &input) {
		input.File, input.Line, input.Problem = file, line, what+": "+input.Problem
	}
	return err
}

// fetchSource gets the text that a source has, without line breaks at its end;
// noun says what it is. Its errors show nothing of the text, and are
// [*runtimes.InputError]s but where ctx ended.
func fetchSource(ctx context.Context, config *builder.Config, source builder.PasswordSource, noun string) (string, error) {
	name := sourceName(config, source)
	fail := func(err error, problem string) (string, error) {
		return "", &runtimes.InputError{Problem: problem, Err: err, Hint: sourceHint(source, name, noun)}
	}
	var text string
	var err error
	switch {
	case source.Env != "":
		set := false
		if text, set = os.LookupEnv(source.Env); !set {
			return fail(nil, name+" is not set")
		}
	case source.File != "":
		if text, err = readSecret(source.File); err != nil {
			if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
				err = pathErr.Err // the path is said once
			}
			return fail(err, name+" cannot be read")
		}
	default:
		if text, err = runSecret(ctx, config.Root, source.Command); ctx.Err() != nil {
			return "", ctx.Err()
		} else if err != nil {
			return fail(err, name+" failed")
		}
	}
	switch text = strings.TrimRight(text, "\r\n"); {
	case text == "":
		return fail(nil, name+" is empty")
	case len(text) > maxSecret:
		return fail(nil, fmt.Sprintf("%s gives more than %d bytes", name, maxSecret))
	}
	return text, nil
}

// sourceHint says how a source is used right.
func sourceHint(source builder.PasswordSource, name, noun string) string {
	switch {
	case source.Env != "":
		return "set the variable " + name + " where layerbuild runs"
	case source.File != "":
		return "put the " + noun + ", and nothing else, into the file"
	}
	return "run it by hand: it must print the " + noun + ", and nothing else, to its standard output"
}

// readSecret returns what a regular file holds. Another kind is refused before
// it is opened: a FIFO without a writer would block that, and no end of ctx
// could end it.
func readSecret(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is no regular file")
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	return strings.TrimPrefix(string(data), "\ufeff"), err // a byte order mark, which editors write
}

// waitForPipes is how long what a command started may keep its output open
// after the command itself has ended. Only tests change it.
var waitForPipes = 2 * time.Second

// maxSaid bounds what is shown of a failed command's standard error.
const maxSaid = 4 << 10

// runSecret returns what a command prints. An error shows what it printed to
// its standard error, but nothing of its standard output.
func runSecret(ctx context.Context, dir string, command []string) (string, error) {
	stdout, stderr := &head{limit: maxSecret + 1}, &head{limit: maxSecret + maxSaid}
	// It stays in the process group: one of its own could not ask at the terminal.
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = waitForPipes
	err := ctx.Err()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done(): // which is not to wait for the pipes
		cmd.Process.Kill() // it fails only where the command has ended
		return "", ctx.Err()
	}
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return stdout.String(), nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return "", err
	}
	said := stderr.String()
	if len(said) == stderr.limit { // its last word may be the beginning of one
		said = said[:strings.LastIndexFunc(said, unicode.IsSpace)+1]
	}
	printed := strings.Fields(stdout.String())
	slices.SortFunc(printed, func(a, b string) int { // since one may hold another
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	for _, word := range slices.Compact(printed) {
		said = strings.ReplaceAll(said, word, "***") // a script may trace itself
	}
	said = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.TrimSpace(said))
	if len(said) > maxSaid {
		said = strings.ToValidUTF8(said[:maxSaid], "")
	}
	if said == "" {
		return "", errors.New(exit.String())
	}
	return "", fmt.Errorf("%v: %s", exit, said)
}

// head keeps the beginning of what is written to it, and lets the rest go.
type head struct {
	kept  bytes.Buffer
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	h.kept.Write(p[:min(len(p), h.limit-h.kept.Len())])
	return len(p), nil
}

func (h *head) String() string { return h.kept.String() }
