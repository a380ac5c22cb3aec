package node

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// berryLock is a yarn.lock as yarn 2 and later write it.
type berryLock struct {
	file     string
	version  int    // of the format
	cacheKey string // of the checksums: "10c0"
	entries  []*berryEntry
	byKey    map[string]*berryEntry // by descriptor: "ms@npm:^2.0.0"
}

// berryEntry is a package of a [berryLock].
type berryEntry struct {
	line       int
	keys       []string // descriptors
	version    string
	resolution string // the locator: "ms@npm:2.1.3"
	checksum   string
	conditions string
	linkType   string

	dependencies map[string]string
	optional     map[string]bool // those that may be absent
	rest         []berrySection  // what is handed on as it is
}

// berrySection is a part of an entry that decides nothing here: peer
// dependencies and commands.
type berrySection struct {
	name string
	node *yaml.Node
}

// The versions of the format that can be read.
const (
	berryOldest = 5 // of yarn 3.1, the first that installs for another platform
	berryNewest = 10
)

// maxBerryLock bounds what is given to the YAML parser, which takes many times
// the memory.
const maxBerryLock = 16 << 20

// parseBerryLock reads a lock file of yarn 2 or later.
func parseBerryLock(file string, data []byte) (*berryLock, error) {
	if len(data) > maxBerryLock {
		return nil, &runtimes.InputError{File: file, Problem: fmt.Sprintf("larger than %d MiB, which no such file is", maxBerryLock>>20)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, berryProblem(file, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, &runtimes.InputError{File: file, Problem: "is no lock file of yarn's", Hint: yarnInstallHint}
	}
	lock := &berryLock{file: file, byKey: map[string]*berryEntry{}}
	pairs := doc.Content[0].Content
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i].Value == "__metadata" {
			if err := lock.metadata(pairs[i+1]); err != nil {
				return nil, err
			}
		}
	}
	if lock.version == 0 {
		return nil, &runtimes.InputError{File: file, Problem: "does not say which version of the format it has", Hint: yarnInstallHint}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i].Value == "__metadata" {
			continue
		}
		if err := lock.add(pairs[i], pairs[i+1]); err != nil {
			return nil, err
		}
	}
	return lock, nil
}

// yamlLine finds the line in an error of yaml.v3.
var yamlLine = regexp.MustCompile(`line (\d+): `)

func berryProblem(file string, err error) error {
	problem := &runtimes.InputError{File: file, Problem: "is no YAML", Hint: "restore it; " + yarnInstallHint}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		problem.Line, _ = strconv.Atoi(m[1])
		text = strings.Replace(text, m[0], "", 1)
	}
	problem.Err = errors.New(text)
	return problem
}

func (l *berryLock) metadata(node *yaml.Node) error {
	fields := berryScalars(node)
	version, err := strconv.Atoi(fields["version"])
	l.version, l.cacheKey = version, fields["cacheKey"]
	switch {
	case err != nil || version < 1:
		return &runtimes.InputError{File: l.file, Line: node.Line, Problem: "does not say which version of the format it has", Hint: yarnInstallHint}
	case version > berryNewest:
		return &runtimes.InputError{
			File: l.file, Line: node.Line,
			Problem: fmt.Sprintf("has version %d of the format, and %d is the newest that is known", version, berryNewest),
			Hint:    "use a newer layerbuild, or lock with an older yarn: `yarn set version 4.12.0 && yarn install`",
		}
	case version < berryOldest:
		return &runtimes.InputError{
			File: l.file, Line: node.Line,
			Problem: fmt.Sprintf("has version %d of the format, and %d is the oldest that can be read", version, berryOldest),
			Hint:    "`yarn set version stable && yarn install` makes it anew",
		}
	}
	return nil
}

// add reads an entry: its descriptors, separated by commas, and what they came
// to.
func (l *berryLock) add(key, value *yaml.Node) error {
	e := &berryEntry{line: key.Line, keys: splitBerryKeys(key.Value), optional: map[string]bool{}}
	fields := berryScalars(value)
	e.version, e.resolution, e.checksum = fields["version"], fields["resolution"], fields["checksum"]
	e.conditions, e.linkType = fields["conditions"], fields["linkType"]
	if key.Kind != yaml.ScalarNode || value.Kind != yaml.MappingNode || e.resolution == "" || e.version == "" {
		return &runtimes.InputError{File: l.file, Line: key.Line, Problem: yarnClip(key.Value) + " is no entry with a version and a resolution", Hint: yarnInstallHint}
	}
	for i := 0; i+1 < len(value.Content); i += 2 {
		name, part := value.Content[i].Value, value.Content[i+1]
		switch name {
		case "dependencies":
			e.dependencies = berryScalars(part)
		case "dependenciesMeta":
			for name, meta := range berryMappings(part) {
				if meta["optional"] == "true" {
					e.optional[name] = true
				}
			}
		case "peerDependencies", "peerDependenciesMeta", "bin":
			e.rest = append(e.rest, berrySection{name, part})
		}
	}
	for _, k := range e.keys {
		if l.byKey[k] != nil {
			return &runtimes.InputError{File: l.file, Line: key.Line, Problem: yarnClip(k) + " is locked twice", Hint: yarnInstallHint}
		}
		l.byKey[k] = e
	}
	l.entries = append(l.entries, e)
	return nil
}

// splitBerryKeys splits the descriptors of an entry.
func splitBerryKeys(text string) []string {
	keys := strings.Split(text, ",")
	for i := range keys {
		keys[i] = strings.TrimSpace(keys[i])
	}
	return keys
}

// berryScalars are the scalars of a mapping, by their keys. Aliases, which yarn
// never writes, are none.
func berryScalars(node *yaml.Node) map[string]string {
	fields := map[string]string{}
	if node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i+1].Kind == yaml.ScalarNode {
				fields[node.Content[i].Value] = node.Content[i+1].Value
			}
		}
	}
	return fields
}

func berryMappings(node *yaml.Node) map[string]map[string]string {
	all := map[string]map[string]string{}
	if node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			all[node.Content[i].Value] = berryScalars(node.Content[i+1])
		}
	}
	return all
}

// berryConditions reads "os=linux & cpu=x64 & (libc=glibc | libc=musl)".
func berryConditions(text string) *runtimes.Platform {
	if text == "" {
		return nil
	}
	words := map[string][]string{}
	for _, m := range berryCondition.FindAllStringSubmatch(text, -1) {
		words[m[2]] = append(words[m[2]], m[1]+m[3])
	}
	return &runtimes.Platform{OS: words["os"], CPU: words["cpu"], Libc: words["libc"]}
}

var berryCondition = regexp.MustCompile(`(!?)\b(os|cpu|libc)=([0-9A-Za-z_-]+)`)

// berryReference is what a locator says behind the package's name.
type berryReference struct {
	protocol string // "npm", "patch", "workspace"; "" for an address
	source   string // of a patch, the locator or descriptor that it is for
	selector string // behind the "#"
	path     string // the rest
	params   url.Values
}

// parseBerryReference splits "patch:ms@npm%3A2.1.2#./ms.patch::version=2.1.2".
func parseBerryReference(text string) berryReference {
	var r berryReference
	text, params, _ := strings.Cut(text, "::")
	r.params, _ = url.ParseQuery(params)
	text, r.selector, _ = strings.Cut(text, "#")
	protocol, rest, ok := strings.Cut(text, ":")
	if !ok || strings.Contains(protocol, "/") || protocol == "http" || protocol == "https" {
		r.path = text
		return r
	}
	r.protocol, r.path = protocol, rest
	if protocol == "patch" {
		if r.source, ok = unescape(rest); !ok {
			r.source = rest
		}
	}
	return r
}

func unescape(text string) (string, bool) {
	plain, err := url.PathUnescape(text)
	return plain, err == nil
}

// escapeBerry writes a locator within another as yarn does, by JavaScript's
// encodeURIComponent.
func escapeBerry(text string) string {
	text = strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	for _, c := range []string{"!", "'", "(", ")", "*"} {
		text = strings.ReplaceAll(text, url.QueryEscape(c), c)
	}
	return text
}

// sortedDeps lists an entry's dependencies by name.
func (e *berryEntry) sortedDeps() []dependency {
	deps := make([]dependency, 0, len(e.dependencies))
	for _, name := range slices.Sorted(maps.Keys(e.dependencies)) {
		deps = append(deps, dependency{name: name, spec: e.dependencies[name], optional: e.optional[name]})
	}
	return deps
}
