package node

import (
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

const pnpmStale = "run `pnpm install`, which brings it up to date"

// checkManifest refuses a lock that does not match a package.json, as `pnpm
// install --frozen-lockfile` does: what it asks for, and as what kind of
// dependency, must be what was locked. The first difference is named.
func (c *pnpmClosure) checkManifest(m *manifest, i *pnpmImporter) error {
	if c.lock.doc.PnpmfileChecksum != "" {
		return nil // a hook, which is not run here, may have changed what is asked for
	}
	for _, kind := range []struct {
		name   string
		asked  map[string]string
		locked map[string]pnpmDirect
	}{
		{"dependencies", c.plainOf(m), i.Dependencies},
		{"optionalDependencies", m.OptionalDependencies, i.OptionalDependencies},
		{"devDependencies", without(m.DevDependencies, m.OptionalDependencies, m.Dependencies), i.DevDependencies},
	} {
		names := slices.Sorted(maps.Keys(merged(kind.asked, specifiersOf(kind.locked))))
		for _, name := range names {
			asked, isAsked := kind.asked[name]
			locked, isLocked := kind.locked[name]
			if difference := c.difference(name, asked, isAsked, locked.Specifier, isLocked); difference != "" {
				return &runtimes.InputError{
					File: c.lock.file, Line: c.lock.lineOf(name), Hint: pnpmStale,
					Problem: fmt.Sprintf("does not match the %s of %s: %s", kind.name, m.file, difference),
				}
			}
		}
	}
	return nil
}

// plainOf are the dependencies that a lock has as such: those that are optional
// are not, and with autoInstallPeers a project's own peers are.
func (c *pnpmClosure) plainOf(m *manifest) map[string]string {
	plain := without(m.Dependencies, m.OptionalDependencies)
	if c.lock.doc.Settings.AutoInstallPeers {
		maps.Copy(plain, without(m.PeerDependencies, m.Dependencies, m.OptionalDependencies, m.DevDependencies))
	}
	return plain
}

// without are the entries of a map whose keys are in none of the others.
func without(m map[string]string, others ...map[string]string) map[string]string {
	rest := map[string]string{}
	for key, value := range m {
		if !slices.ContainsFunc(others, func(other map[string]string) bool { _, is := other[key]; return is }) {
			rest[key] = value
		}
	}
	return rest
}

func specifiersOf(directs map[string]pnpmDirect) map[string]string {
	all := map[string]string{}
	for name, d := range directs {
		all[name] = d.Specifier
	}
	return all
}

// difference says how a dependency differs from what was locked, "" where it
// does not. An override takes the place of what package.json asks for.
func (c *pnpmClosure) difference(name, asked string, isAsked bool, locked string, isLocked bool) string {
	switch {
	case isAsked && isLocked && asked == locked:
		return ""
	case isAsked && strings.HasPrefix(asked, "link:") && c.lock.doc.Settings.ExcludeLinks:
		return ""
	case isAsked:
		for selector, value := range c.lock.doc.Overrides {
			if overridden(selector) == name && (isLocked && value == locked || !isLocked && value == "-") {
				return ""
			}
		}
	}
	switch {
	case !isLocked:
		return fmt.Sprintf("%s %q is not in it", name, asked)
	case !isAsked:
		return fmt.Sprintf("%s is in it, and is asked for no more, or as another kind", name)
	}
	return fmt.Sprintf("%s is asked for as %q and was locked as %q", name, asked, locked)
}

// checkSettings refuses a lock that was made with other settings of the project.
func (c *pnpmClosure) checkSettings() error {
	if c.settings.manifest == nil {
		return nil // then these settings are not where they would be read from
	}
	locked := c.lock.doc.Overrides
	if !slices.ContainsFunc(c.settings.overrides, func(o map[string]string) bool { return maps.Equal(o, locked) }) {
		asked := c.settings.overrides[0]
		for _, name := range slices.Sorted(maps.Keys(merged(asked, locked))) {
			if asked[name] != locked[name] {
				return c.lock.errorf(name, pnpmStale, "does not match the overrides of the project: %s is %q there and was locked as %q", name, asked[name], locked[name])
			}
		}
	}
	for _, catalog := range sortedKeys(c.lock.doc.Catalogs) {
		for _, name := range sortedKeys(c.lock.doc.Catalogs[catalog]) {
			locked := c.lock.doc.Catalogs[catalog][name].Specifier
			if asked := c.settings.catalogs[catalog][name]; asked != locked {
				return c.lock.errorf(name, pnpmStale, "does not match the catalog %s of %s: %s is %q there and was locked as %q",
					catalog, pnpmWorkspaceFile, name, asked, locked)
			}
		}
	}
	return nil
}

// patchOf finds the patch that a package of the lock is installed with, in the
// lock's own words: the most exact entry wins.
func (c *pnpmClosure) patchOf(n *pnpmNode) (key string, patch pnpmPatch, data []byte, err error) {
	l := c.lock
	_, rest, _ := strings.Cut(n.id, "(patch_hash=")
	hash, _, _ := strings.Cut(rest, ")")
	for _, name := range sortedKeys(l.doc.Patches) {
		if p := l.doc.Patches[name]; p.Hash == hash && (name == n.name || strings.HasPrefix(name, n.name+"@")) {
			key, patch = name, p
		}
	}
	if key == "" {
		return "", patch, nil, l.errorf(n.id, pnpmAgain, "%s %s is patched, and the patch is not named", n.name, n.version)
	}
	name := cmp.Or(patch.Path, c.settings.patches[key])
	file, ok := inProject(l.dir, name)
	if name == "" || !ok {
		return "", patch, nil, l.errorf(key, outsideHint, "the patch of %s is outside of the project: %q", key, name)
	}
	if data, err = readFile(c.project, file); err != nil {
		return "", patch, nil, err
	}
	if !slices.Contains(patchHashes(data), patch.Hash) {
		return "", patch, nil, &runtimes.InputError{
			File: file, Problem: fmt.Sprintf("is not the patch of %s that %s was made with", key, path.Base(l.file)), Hint: pnpmStale,
		}
	}
	return key, patch, data, nil
}

// md5Letters is the length of an MD5 in base32.
const md5Letters = 26

// patchHashes are the hashes that the versions of pnpm have of a patch, whatever
// its line ends.
func patchHashes(data []byte) []string {
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	old, sum := md5.Sum([]byte(text)), sha256.Sum256([]byte(text))
	return []string{
		strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(old[:])),
		hex.EncodeToString(sum[:]),
	}
}
