package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// A version is one in the form that npm and Go take, 1.2.0-rc.1, without the v.
type version string

// Nothing but what both npm and Python have a word for.
var versionForm = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-(alpha|beta|rc|dev)\.(0|[1-9]\d*))?$`)

func parseVersion(text string) (version, error) {
	v := strings.TrimPrefix(text, "v")
	if !versionForm.MatchString(v) {
		return "", fmt.Errorf("%q is no version: 1.2.0 is one, and 1.2.0-alpha.1, with beta, rc or dev as well", text)
	}
	return version(v), nil
}

// python is the version as PEP 440 has it.
func (v version) python() string {
	m := versionForm.FindStringSubmatch(string(v))
	release := strings.Join(m[1:4], ".")
	if m[4] == "" {
		return release
	}
	return release + map[string]string{"alpha": "a", "beta": "b", "rc": "rc", "dev": ".dev"}[m[4]] + m[5]
}

// described is what git describe --long says, of the tag v1.2.0 and 3 commits
// on top of it: v1.2.0-3-g0123abc. Without a tag there is the number of commits.
var described = regexp.MustCompile(`^(.+)-(\d+)-g[0-9a-f]+$`)

// versionOf returns the named version, or that of the commit: its tag's, or a
// development version of what comes next.
func versionOf(ctx context.Context, named string) (version, error) {
	if named != "" {
		return parseVersion(named)
	}
	status, err := git(ctx, "status", "--porcelain")
	if err != nil {
		return "", fmt.Errorf("which version is this? Name it (VERSION=1.2.0): %w", err)
	}
	if status != "" {
		return "", fmt.Errorf("there are changes that no commit has: commit them, or name a version (VERSION=1.2.0)\n%s", status)
	}
	text, err := git(ctx, "describe", "--tags", "--long", "--match", "v[0-9]*")
	if err != nil { // there is no tag
		count, err := git(ctx, "rev-list", "--count", "HEAD")
		if err != nil {
			return "", err
		}
		return parseVersion("0.1.0-dev." + count)
	}
	return fromDescription(text)
}

func fromDescription(text string) (version, error) {
	m := described.FindStringSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("git describe says %q", text)
	}
	v, err := parseVersion(m[1])
	if err != nil || m[2] == "0" {
		return v, err
	}
	parts := versionForm.FindStringSubmatch(string(v))
	if parts[4] != "" { // on the way to it already, and dev comes before alpha
		return "", fmt.Errorf("%s commits after %s: name a version (VERSION=1.2.0)", m[2], m[1])
	}
	patch, err := strconv.Atoi(parts[3])
	if err != nil {
		return "", err
	}
	return parseVersion(fmt.Sprintf("%s.%s.%d-dev.%s", parts[1], parts[2], patch+1, m[2]))
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}
