package node

import (
	"strings"

	"github.com/layerbuild/layerbuild/runtimes/node/ranges"
)

// specKind says what a dependency's specifier is.
type specKind int

const (
	rangeSpec  specKind = iota // a range of versions: "^1.2.3"
	tagSpec                    // "latest"
	aliasSpec                  // "npm:other@^1"
	folderSpec                 // "file:…", "link:…", a path
	gitSpec                    // "git+ssh://…", "github:…", "user/repository"
	urlSpec                    // "https://…" of a tarball
	otherSpec                  // "workspace:…", "catalog:…": another package manager's
)

// kindOf tells what kind of specifier spec is, as npm does.
func kindOf(spec string) specKind {
	spec = strings.TrimSpace(spec)
	scheme, _, hasScheme := strings.Cut(spec, ":")
	hasScheme = hasScheme && !strings.ContainsAny(scheme, "/# ")
	switch {
	case hasScheme && scheme == "npm":
		return aliasSpec
	case hasScheme && (scheme == "file" || scheme == "link" || scheme == "portal"):
		return folderSpec
	case strings.HasPrefix(spec, "./"), strings.HasPrefix(spec, "../"), strings.HasPrefix(spec, "/"), strings.HasPrefix(spec, "~/"):
		return folderSpec
	case hasScheme && (strings.HasPrefix(scheme, "git") || scheme == "ssh" || scheme == "bitbucket" || scheme == "gist"):
		return gitSpec
	case hasScheme && (scheme == "http" || scheme == "https"):
		if path, _, _ := strings.Cut(spec, "#"); strings.HasSuffix(path, ".git") {
			return gitSpec
		}
		return urlSpec
	case hasScheme:
		return otherSpec
	case ranges.Valid(spec):
		return rangeSpec
	case strings.Contains(spec, "/"):
		return gitSpec
	}
	return tagSpec
}

// splitAlias splits "npm:other@^1" into the package and the range.
func splitAlias(spec string) (name, versions string) {
	spec = strings.TrimPrefix(strings.TrimSpace(spec), "npm:")
	if at := strings.LastIndexByte(spec, '@'); at > 0 {
		return spec[:at], spec[at+1:]
	}
	return spec, ""
}
