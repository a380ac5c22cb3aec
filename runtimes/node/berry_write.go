package node

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// berryWriter writes the project that yarn 2 and later installs.
type berryWriter struct {
	*yarnWritten
	reader  *berryReader
	manager manager
	target  runtimes.Target
	root    string            // the locator of the written project
	patches map[string]string // the resolutions of the written project, for its patches
	entries map[string]string // of the written lock file, by their keys
	levels  map[string]bool   // of compression, of all checksums
	err     error             // the first
}

// writeBerry writes the project of a graph.
func writeBerry(r *berryReader, g *yarnGraph, t runtimes.Target) (*set, error) {
	manager, notes, err := r.manager()
	if err != nil {
		return nil, err
	}
	written, err := newYarnWritten(r.yarnProject, g)
	if err != nil {
		return nil, err
	}
	w := &berryWriter{
		yarnWritten: written, reader: r, manager: manager, target: t,
		root: yarnName + "@workspace:.", patches: map[string]string{}, entries: map[string]string{}, levels: map[string]bool{},
	}
	w.lock()
	if w.err != nil {
		return nil, w.err
	}
	w.resolutions = w.patches
	w.optional = true
	w.manifests(w.spec)
	w.add("yarn.lock", w.lockText())
	w.add(".yarnrc.yml", w.settings())
	if _, level, _ := splitCacheKey(r.lock.cacheKey); len(w.levels) == 0 {
		w.levels[level] = true
	}
	w.job.Manager, w.job.Levels = "berry", sortedKeys(w.levels)
	s := yarnSet(t, w.yarnWritten, manager, w.whereabouts(), "berry")
	s.notes = append(s.notes, notes...)
	if r.config.NodeLinker != "node-modules" && (r.config.NodeLinker != "" || r.lock.version > 3) {
		s.notes = append(s.notes, fmt.Sprintf("%s is of a project with nodeLinker: %s; the layer has node_modules, as Lambda needs", r.lock.file, orDefault(r.config.NodeLinker, "pnp")))
	}
	return s, nil
}

func orDefault(text, byDefault string) string {
	if text == "" {
		return byDefault
	}
	return text
}

// plain is an exact version as this yarn writes it in a lock file.
func (w *berryWriter) plain(version string) string {
	if w.reader.lock.version >= 8 {
		return "npm:" + version
	}
	return version
}

// spec is the specifier by which the written project asks for a package.
func (w *berryWriter) spec(e yarnEdge) string {
	n := e.to
	switch {
	case n.member != nil:
		return "workspace:" + w.folders[n]
	case n.file.Local != nil:
		return localSpec(n)
	case n.file.URL != "" && !n.remote:
		return n.file.URL
	case n.name != e.name:
		return "npm:" + n.name + "@" + n.version
	}
	return w.plain(n.version)
}

// lock makes the entries of the written lock file.
func (w *berryWriter) lock() {
	w.workspace(w.graph.root, yarnName)
	for _, n := range append([]*yarnNode{w.graph.root}, w.graph.nodes...) {
		if n.member != nil && n != w.graph.root {
			w.workspace(n, n.name)
		}
		for _, e := range n.edges {
			if e.to.member == nil {
				w.entry(e)
			}
		}
	}
}

// workspace is the entry of the root or of a member.
func (w *berryWriter) workspace(n *yarnNode, name string) {
	locator := name + "@workspace:" + w.folders[n]
	var b bytes.Buffer
	fmt.Fprintf(&b, "  version: 0.0.0-use.local\n  resolution: %s\n", berryWord(locator))
	w.writeDeps(&b, n.edges)
	w.writeOptional(&b, slices.DeleteFunc(slices.Clone(n.edges), func(e yarnEdge) bool { return !e.optional }))
	b.WriteString("  languageName: unknown\n  linkType: soft\n")
	w.entries[locator] = b.String()
}

func (w *berryWriter) writeDeps(b *bytes.Buffer, edges []yarnEdge) {
	title := "  dependencies:\n"
	for _, e := range edges { // sorted by name
		fmt.Fprintf(b, "%s    %s: %s\n", title, berryWord(e.name), berryWord(w.spec(e)))
		title = ""
	}
}

func (w *berryWriter) writeOptional(b *bytes.Buffer, edges []yarnEdge) {
	title := "  dependenciesMeta:\n"
	for _, e := range edges {
		fmt.Fprintf(b, "%s    %s:\n      optional: true\n", title, berryWord(e.name))
		title = ""
	}
}

// entry is the entry of a package, with that of the one that it is a patch of.
func (w *berryWriter) entry(e yarnEdge) {
	n, entry := e.to, e.to.entry.(*berryEntry)
	key := e.name + "@" + w.spec(e)
	if n.remote && n.name == e.name {
		key = e.name + "@npm:" + n.version
	}
	resolution := entry.resolution
	switch {
	case n.base != nil:
		patch, patched := w.patch(e, entry)
		w.put(key, n, n.base, n.base.resolution)
		w.put(patch, n, entry, patched)
		return
	case n.file.Local != nil:
		_, reference := splitYarnKey(resolution)
		ref := parseBerryReference(reference)
		w.add("tarballs/"+n.file.Name, mustLocal(n.file))
		key += "::locator=" + escapeBerry(w.root)
		resolution = fmt.Sprintf("%s@%s#%s::hash=%s&locator=%s", n.name, localSpec(n), strings.TrimPrefix(localSpec(n), "file:"), ref.params.Get("hash"), escapeBerry(w.root))
	}
	w.put(key, n, entry, resolution)
}

// put adds an entry to the written lock file, under a key.
func (w *berryWriter) put(key string, n *yarnNode, e *berryEntry, resolution string) {
	checksum := w.checksum(n, e)
	var b bytes.Buffer
	fmt.Fprintf(&b, "  version: %s\n  resolution: %s\n", berryWord(e.version), berryWord(resolution))
	edges := slices.DeleteFunc(slices.Clone(n.edges), func(d yarnEdge) bool { return n.base == e && e.dependencies[d.name] == "" })
	w.writeDeps(&b, edges)
	w.writeSection(&b, e, "peerDependencies")
	w.writeOptional(&b, slices.DeleteFunc(edges, func(d yarnEdge) bool { return !d.optional }))
	w.writeSection(&b, e, "peerDependenciesMeta")
	w.writeSection(&b, e, "bin")
	b.WriteString(checksum)
	if e.conditions != "" {
		fmt.Fprintf(&b, "  conditions: %s\n", berryWord(e.conditions))
	}
	b.WriteString("  languageName: node\n  linkType: hard\n")
	if other, ok := w.entries[key]; ok && other != b.String() && w.err == nil {
		w.err = &runtimes.InputError{
			File: w.reader.lock.file, Line: e.line,
			Problem: fmt.Sprintf("%s %s is needed both patched and unpatched, or by two addresses", n.name, n.version),
			Hint:    "have all packages use one of them, by resolutions in package.json",
		}
	}
	w.entries[key] = b.String()
}

func (w *berryWriter) writeSection(b *bytes.Buffer, e *berryEntry, name string) {
	for _, section := range e.rest {
		if section.name == name {
			fmt.Fprintf(b, "  %s:\n", name)
			writeBerryMap(b, section.node, "    ")
		}
	}
}

// writeBerryMap writes a mapping as yarn does, sorted by its keys.
func writeBerryMap(b *bytes.Buffer, node *yaml.Node, indent string) {
	scalars, maps := berryScalars(node), map[string]*yaml.Node{}
	keys := sortedKeys(scalars)
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i+1].Kind == yaml.MappingNode {
			maps[node.Content[i].Value] = node.Content[i+1]
			keys = append(keys, node.Content[i].Value)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		if maps[key] == nil {
			fmt.Fprintf(b, "%s%s: %s\n", indent, berryWord(key), berryWord(scalars[key]))
		} else if len(indent) < 12 { // nothing that yarn writes is deeper
			fmt.Fprintf(b, "%s%s:\n", indent, berryWord(key))
			writeBerryMap(b, maps[key], indent+"  ")
		}
	}
}

// checksum is the line with an entry's checksum, in the form of the yarn that
// reads it. yarn locks none for packages of one platform.
func (w *berryWriter) checksum(n *yarnNode, e *berryEntry) string {
	if e.checksum == "" {
		if e.conditions == "" && w.err == nil {
			w.err = &runtimes.InputError{
				File: w.reader.lock.file, Line: e.line, Problem: fmt.Sprintf("%s %s is locked without a checksum", n.name, n.version),
				Hint: "remove its entry and run `yarn install`",
			}
		}
		return ""
	}
	key, digits, ok := strings.Cut(e.checksum, "/")
	if !ok {
		key, digits = w.reader.lock.cacheKey, e.checksum
	}
	archive, level, ok := splitCacheKey(key)
	if own, _, _ := splitCacheKey(w.reader.lock.cacheKey); (!ok || archive != own) && w.err == nil {
		w.err = &runtimes.InputError{
			File: w.reader.lock.file, Line: e.line,
			Problem: fmt.Sprintf("the checksum of %s %s is of an archive that only another yarn makes (%s, and not %s), so that nothing can be held against it", n.name, n.version, yarnClip(key), w.reader.lock.cacheKey),
			Hint:    "remove its checksum and run `yarn install`",
		}
	}
	w.levels[level] = true
	if atLeast(w.manager.version, "4.1.0") {
		digits = key + "/" + digits
	}
	return "  checksum: " + digits + "\n"
}

// lockText is the written lock file.
func (w *berryWriter) lockText() []byte {
	var b bytes.Buffer
	b.WriteString("# This file is generated by running \"yarn install\" inside your project.\n# Manual changes might be lost - proceed with caution!\n\n")
	fmt.Fprintf(&b, "__metadata:\n  version: %d\n  cacheKey: %s\n", w.reader.lock.version, w.reader.lock.cacheKey)
	for _, key := range sortedKeys(w.entries) {
		fmt.Fprintf(&b, "\n%s:\n%s", berryWord(key), w.entries[key])
	}
	return b.Bytes()
}

// patch is the key and the locator of a patched package in the written lock
// file, and adds the patches. yarn's own need none; those of the project are
// said by the resolutions of the written package.json.
func (w *berryWriter) patch(e yarnEdge, entry *berryEntry) (key, resolution string) {
	n := e.to
	_, reference := splitYarnKey(entry.resolution)
	ref := parseBerryReference(reference)
	asked := e.name + "@" + w.spec(e)
	key = e.name + "@patch:" + escapePatch(asked) + "#"
	if strings.Contains(ref.selector, "builtin<") && !strings.Contains(ref.selector, "&") {
		if e.name != n.name {
			w.unsupported(entry, "yarn's own patch of a package under an alias")
		}
		return key + ref.selector, entry.resolution
	}
	selector, ok := w.patchFiles(ref, n, entry)
	if !ok || e.name != n.name {
		w.unsupported(entry, "a patch of this kind")
		return "", ""
	}
	key = e.name + "@patch:" + escapePatch(n.base.resolution) + "#" + selector
	w.patches[asked] = strings.TrimPrefix(key, e.name+"@")
	key += "::locator=" + escapeBerry(w.root)
	resolution = fmt.Sprintf("%s@patch:%s#%s::version=%s&hash=%s&locator=%s",
		n.name, escapePatch(n.base.resolution), selector, escapeBerry(n.version), ref.params.Get("hash"), escapeBerry(w.root))
	return key, resolution
}

func (w *berryWriter) unsupported(e *berryEntry, what string) {
	if w.err == nil {
		w.err = &runtimes.InputError{
			File: w.reader.lock.file, Line: e.line, Problem: fmt.Sprintf("%s is %s, which cannot be installed yet", yarnClip(e.keys[0]), what),
			Hint: "exclude the package, or publish the patched one",
		}
	}
}

// patchFiles adds the files of a patch to the written project, and gives the
// selector that names them there.
func (w *berryWriter) patchFiles(ref berryReference, n *yarnNode, e *berryEntry) (string, bool) {
	dir := w.reader.members[0].dir
	if locator := ref.params.Get("locator"); locator != "" {
		var ok bool
		if dir, ok = w.reader.folderOf(locator, 0); !ok {
			return "", false
		}
	}
	var written []string
	for _, part := range strings.Split(ref.selector, "&") {
		name := strings.TrimPrefix(part, "optional!")
		from := dir
		if rest, ok := strings.CutPrefix(name, "~/"); ok && w.reader.lock.version >= 7 {
			name, from = rest, w.reader.members[0].dir
		}
		at, ok := inProject(from, name)
		if !ok || strings.Contains(name, "builtin<") {
			return "", false
		}
		data, err := readFile(w.reader.fs, at)
		if err != nil {
			if w.err == nil {
				w.err = err
			}
			return "", false
		}
		to := fmt.Sprintf("patches/%s-%s-%d.patch", strings.ReplaceAll(n.name, "/", "+"), n.version, len(written))
		w.add(to, data)
		written = append(written, "./"+to)
	}
	return strings.Join(written, "&"), true
}

// escapePatch writes a locator within a patch's as yarn does.
func escapePatch(text string) string {
	return strings.NewReplacer("%", "%25", ":", "%3A", "#", "%23").Replace(text)
}

// berryWord is a word of the lock file, in quotes where it needs them.
func berryWord(word string) string {
	plain := word != "" && !strings.ContainsRune("-?:,][{}#&*!|>'\"%@` \t\r\n", rune(word[0])) &&
		!strings.ContainsAny(word[1:], ",][{}:#\r\n") && word == strings.TrimRight(word, " \t")
	if plain {
		return word
	}
	return quoted(word)
}

// settings are the written .yarnrc.yml. yarn refuses those that it does not
// know, so they depend on its version.
func (w *berryWriter) settings() []byte {
	v := w.manager.version
	lines := []string{
		"nodeLinker: node-modules",
		"checksumBehavior: throw",
		"enableColors: false",
		"enableGlobalCache: true",
		"enableProgressBars: false",
		"enableScripts: false",
		"enableTelemetry: false",
		"globalFolder: " + workFolder + "/cache/berry",
		"httpTimeout: 120000",
	}
	if limits := w.reader.config.HoistingLimits; limits != "" {
		lines = append(lines, "nmHoistingLimits: "+berryWord(limits))
	}
	if atLeast(v, "3.1.0") {
		lines = append(lines, "nmSelfReferences: false", "supportedArchitectures:", "  os: [linux]", "  cpu: ["+targetCPU(w.target.Arch)+"]", "  libc: [glibc]")
	}
	if atLeast(v, "4.0.0") {
		lines = append(lines, "enableHardenedMode: false")
	}
	if atLeast(v, "4.10.0") {
		lines = append(lines, "npmMinimalAgeGate: 0")
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// whereabouts are the registries, in the .yarnrc.yml of the step's home folder:
// those that the user configured on this machine, else the project's.
func (w *berryWriter) whereabouts() runtimes.InlineFile {
	config := map[string]any{}
	general, scopes := w.reader.config.Registry, map[string]string{}
	for scope, s := range w.reader.config.Scopes {
		scopes[scope] = s.Registry
	}
	for _, line := range w.target.Indexes {
		key, value, _ := strings.Cut(line, "=")
		if scope, ok := strings.CutSuffix(strings.TrimSpace(key), ":registry"); ok {
			scopes[strings.TrimPrefix(scope, "@")] = strings.TrimSpace(value)
		} else if strings.TrimSpace(key) == "registry" {
			general = strings.TrimSpace(value)
		}
	}
	var hosts []string
	add := func(to map[string]any, registry string) bool {
		if registry == "" || strings.Contains(registry, "${") {
			return false
		}
		to["npmRegistryServer"] = registry
		if rest, ok := strings.CutPrefix(registry, "http://"); ok {
			host, _, _ := strings.Cut(rest, "/")
			host, _, _ = strings.Cut(host, ":")
			hosts = append(hosts, host)
		}
		return true
	}
	add(config, general)
	named := map[string]any{}
	for _, scope := range sortedKeys(scopes) {
		if one := map[string]any{}; add(one, scopes[scope]) {
			named[scope] = one
		}
	}
	if len(named) > 0 {
		config["npmScopes"] = named
	}
	if len(hosts) > 0 {
		slices.Sort(hosts)
		config["unsafeHttpWhitelist"] = slices.Compact(hosts)
	}
	data, _ := yaml.Marshal(config) // strings cannot fail to marshal
	return runtimes.InlineFile{Path: path.Join(stepHome, ".yarnrc.yml"), Data: data, Whereabouts: true, Logins: runtimes.YarnrcYML}
}
