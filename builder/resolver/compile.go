package resolver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// compilation is one question on its way to uv.
type compilation struct {
	question     runtimes.Question
	requirements []string
	earlier      []runtimes.Pinned
	upgrade      []string
	place        runtimes.Place // that uv is asked for now

	resolver *Resolver
	logins   []runtimes.Login // with the passwords for the question's indexes
	program  string           // uv's path
	folder   string           // empty at first, and uv's working folder
}

// maxSources bounds how many packages without wheels an answer may have: each
// one takes a run more.
const maxSources = 100

// resolve asks uv for each place. The answer for one is what those for the next
// prefer, so that they differ only where they must.
func (c *compilation) resolve(ctx context.Context) ([]runtimes.Pinned, error) {
	var answers []answer
	for _, place := range c.question.Places {
		c.place = place
		packages, err := c.resolvePlace(ctx)
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer{place, packages})
		c.earlier, c.upgrade = prefer(packages, c.earlier), nil
	}
	return join(answers)
}

// resolvePlace asks uv until it names no more packages that have no wheel.
func (c *compilation) resolvePlace(ctx context.Context) ([]runtimes.Pinned, error) {
	sources := make(map[string]source)
	for {
		output, err := c.run(ctx, sources)
		if err == nil {
			return parseOutput(output)
		}
		var failed *failure
		if !errors.As(err, &failed) {
			return nil, err
		}
		names := slices.DeleteFunc(failed.withoutWheels(), func(name string) bool {
			_, known := sources[name]
			return known
		})
		if len(names) == 0 || len(sources) >= maxSources {
			return nil, c.explain(failed)
		}
		for _, name := range names {
			if sources[name], err = c.source(ctx, name); err != nil {
				return nil, err
			}
		}
	}
}

// run asks uv once and returns its answer, or a *failure.
func (c *compilation) run(ctx context.Context, sources map[string]source) (output []byte, err error) {
	config, err := configFile(sources)
	if err != nil {
		return nil, err
	}
	constraints := slices.Clone(c.question.Constraints)
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		constraints = append(constraints, name+"=="+sources[name].version)
	}
	var before strings.Builder
	for _, p := range c.earlier {
		// Anything else in layerbuild.lock is nothing that uv should read.
		if p, ok := at(c.place, p); ok && pinned(p) {
			writePinned(&before, p)
		}
	}
	for name, content := range map[string]string{
		"requirements.in": lines(c.requirements),
		"constraints.txt": lines(constraints),
		"output.txt":      before.String(), // which uv prefers to keep
		"uv.toml":         config,
	} {
		if err := os.WriteFile(filepath.Join(c.folder, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, c.program, c.arguments(sources)...)
	cmd.Dir = c.folder
	cmd.Env = c.environment()
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = 5 * time.Second // for a Python of its own that outlives it
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &exit):
		return nil, &failure{text: c.redact(said.String()), exit: exit}
	case err != nil:
		return nil, fmt.Errorf("run uv: %w", err)
	}
	return os.ReadFile(filepath.Join(c.folder, "output.txt"))
}

func lines(list []string) string {
	var b strings.Builder
	for _, line := range list {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// arguments are uv's.
func (c *compilation) arguments(sources map[string]source) []string {
	args := []string{
		"pip", "compile", "requirements.in",
		"--constraints", "constraints.txt",
		"--output-file", "output.txt",
		"--python-version", c.place.Runtime.Version, "--python-platform", uvPlatform(c.place),
		"--generate-hashes", "--no-header", "--no-annotate",
		// Some Python must be there, but none is looked for in the project's
		// environment, and none is fetched.
		"--system", "--no-python-downloads",
		// Nothing is built. A package that has no wheel is excepted in the
		// configuration file, which holds all that a build would tell; were
		// one built all the same, it would lack its own requirements' hashes.
		"--only-binary", ":all:", "--require-build-hashes",
		"--config-file", "uv.toml",
		"--cache-dir", filepath.Join(c.resolver.Folder, "uv-cache"),
		"--quiet", "--no-progress", "--color", "never",
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		args = append(args, "--no-binary", name)
	}
	if slices.Contains(c.question.Options, "--no-deps") {
		args = append(args, "--no-deps")
	}
	if c.question.Prereleases {
		args = append(args, "--prerelease", "allow")
	}
	if c.resolver.CABundle == "" {
		args = append(args, "--system-certs")
	}
	for _, name := range c.upgrade {
		if name == "*" {
			args = append(args, "--upgrade")
		} else {
			args = append(args, "--upgrade-package="+name)
		}
	}
	if len(c.upgrade) > 0 {
		args = append(args, "--refresh") // who upgrades wants to see what came out a minute ago
	}
	return append(args, indexOptions(c.question.Indexes)...)
}

// indexOptions say where uv is to ask. The default index comes last to it, and
// the others in their order; "" stands for uv's own default. Of several, the
// first that has a package answers for it alone, so that nobody can slip a
// newer one of the same name in at another.
func indexOptions(indexes []string) []string {
	var options []string
	last := len(indexes) - 1
	for i, index := range indexes {
		switch {
		case index == "":
		case i == last && !slices.Contains(indexes, ""):
			options = append(options, "--default-index", indexName(i)+"="+index)
		default:
			options = append(options, "--index", indexName(i)+"="+index)
		}
	}
	return options
}

// indexName is how an index and its login find each other.
func indexName(i int) string { return "layerbuild" + strconv.Itoa(i) }

// environment is all that uv sees of the user's: what finds a Python and the
// way into the network. Logins go by it, too, since a process's environment is
// for its user's eyes only and leaves nothing on the disk.
func (c *compilation) environment() []string {
	env := []string{
		"NO_COLOR=1",
		"NETRC=" + os.DevNull,
		"UV_CREDENTIALS_DIR=" + filepath.Join(c.folder, "credentials"), // there are none
	}
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	env = append(env, noProxy()...)
	if c.resolver.CABundle != "" {
		env = append(env, "SSL_CERT_FILE="+c.resolver.CABundle)
	}
	for i, index := range c.question.Indexes {
		u, err := url.Parse(index)
		if err != nil {
			continue // uv says what is wrong
		}
		if login, ok := runtimes.FindLogin(c.logins, u); ok {
			prefix := "UV_INDEX_" + strings.ToUpper(indexName(i))
			env = append(env, prefix+"_USERNAME="+login.User, prefix+"_PASSWORD="+login.Password)
		}
	}
	return env
}

// inherited are the variables that uv gets as they are: the last line's are
// those without which nothing runs on Windows.
var inherited = []string{
	"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SSL_CERT_DIR",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
	"SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PATHEXT", "COMSPEC",
}

// noProxy keeps loopback addresses from the proxy, as the direct engine does.
func noProxy() []string {
	exceptions := os.Getenv("NO_PROXY")
	if exceptions == "" {
		exceptions = os.Getenv("no_proxy")
	}
	if exceptions != "*" {
		exceptions = strings.TrimPrefix(exceptions+",localhost,127.0.0.1,::1", ",")
	}
	return []string{"NO_PROXY=" + exceptions, "no_proxy=" + exceptions}
}
