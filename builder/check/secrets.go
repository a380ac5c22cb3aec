package check

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/jarfile"
)

// The ids of the checks on secrets.
const (
	SecretToken = "secret-token"
	SecretKey   = "secret-key"
	SecretLogin = "secret-login"
)

var secretRules = []Rule{
	{SecretToken, Error, "a token or an access key of a known service", "Whoever may read the layer, or the cache that it is stored in, can use it. Lambda gives a function its secrets by its role, Secrets Manager or environment variables.",
		"revoke it, take it out of the file, or leave the file out with excludeFiles; one that opens nothing can be allowed: check: {allow: [{id: secret-token, files: …, reason: …}]}"},
	{SecretKey, Error, "a private key", "Whoever may read the layer, or the cache that it is stored in, has it. A key for tests does not belong into a layer either.",
		"replace the key where it was in use, and leave the file out with excludeFiles; one that opens nothing can be allowed: check: {allow: [{id: secret-key, files: …, reason: …}]}"},
	{SecretLogin, Error, "a password or token in a URL or a configuration file", "Package managers leave such URLs in what they write, and .npmrc, pip.conf, .netrc or .env get into a folder unseen. Variables (${TOKEN}) and placeholders are no finding.",
		"change the password, and leave the file out with excludeFiles, or name a variable in it; one that opens nothing can be allowed: check: {allow: [{id: secret-login, files: …, reason: …}]}"},
}

const (
	// maxScanned bounds the files that are searched: tokens lie in what people
	// write, not in data sets.
	maxScanned = 16 << 20

	// maxScannedEntry bounds what is searched of a jar's entry.
	maxScannedEntry = 1 << 20

	// textHead is how much of a file tells whether it is text: git's rule.
	textHead = 8000

	// maxSecrets is how many findings of one file are kept: who has more needs
	// no more.
	maxSecrets = 20
)

// secrets searches the files of a tree that are nobody's publication.
func secrets(t runtimes.Tree) []Finding {
	var names []string
	for _, name := range t.Paths() {
		if f := t[name]; f.Mode.IsRegular() && !f.Published && f.Size > 0 {
			names = append(names, name)
		}
	}
	found := make([][]Finding, len(names))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(names)); i = next.Add(1) - 1 {
				found[i] = secretsIn(names[i], t[names[i]])
			}
		})
	}
	workers.Wait()
	return slices.Concat(found...)
}

// HoldsSecrets tells whether a tree that is no layer, but what one is made of,
// has something that the checks on secrets find.
func HoldsSecrets(t runtimes.Tree) bool { return len(secrets(t)) > 0 }

func secretsIn(name string, f runtimes.TreeFile) (found []Finding) {
	switch strings.ToLower(path.Ext(name)) {
	case ".jar":
		return secretsInZip(name, f, maxScannedEntry, writtenByBuilds)
	case ".whl":
		return secretsInZip(name, f, maxScanned, func(*zip.File) bool { return true })
	}
	data, err := readText(f)
	if err != nil {
		return nil // the zipper says so, when it reads the file
	}
	for _, s := range findSecrets(name, data) {
		found = append(found, s.finding(name, f.Package, ""))
	}
	return found
}

// finding says where a secret is, and what it is, and not the secret.
func (s secret) finding(name, pkg, entry string) Finding {
	where := fmt.Sprintf("line %d", s.line)
	if entry != "" {
		where += " of " + printable(entry)
	}
	what := s.rule
	if s.begins != "" {
		what += ", " + s.begins + "…"
	}
	return Finding{ID: s.id, Path: name, Package: pkg, Problem: fmt.Sprintf("holds a secret in %s (%s)", where, what)}
}

// readText is the content of a file, nil where it is no text or is too large.
func readText(f runtimes.TreeFile) ([]byte, error) {
	if f.Size > maxScanned || f.Open == nil {
		return nil, nil
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, f.Size)
	head := data[:min(len(data), textHead)]
	if n, err := io.ReadFull(r, head); err != nil {
		head, data = head[:n], data[:n]
	}
	if isBinary(head) {
		return nil, nil
	}
	n, err := io.ReadFull(r, data[len(head):])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return data[:len(head)+n], err
}

func isBinary(data []byte) bool {
	return bytes.IndexByte(data[:min(len(data), textHead)], 0) >= 0
}

// isManifest tells whether an entry is a jar's manifest.
func isManifest(e *zip.File) bool { return strings.EqualFold(e.Name, "META-INF/MANIFEST.MF") }

// writtenByBuilds tells whether builds write something of their machine into
// such an entry of a jar.
func writtenByBuilds(e *zip.File) bool {
	return isManifest(e) || path.Ext(e.Name) == ".properties"
}

// secretsInZip searches the wanted entries, of at most limit bytes, of a jar or
// a wheel.
func secretsInZip(name string, f runtimes.TreeFile, limit uint64, wanted func(*zip.File) bool) (found []Finding) {
	a, err := jarfile.Open(f)
	if err != nil {
		return nil // JarDamaged, where Java would look for it
	}
	defer a.Close()
	for _, e := range a.Files {
		if !wanted(e) {
			continue
		}
		data := entryText(e, limit)
		if isManifest(e) {
			data = unfold(data)
		}
		for _, s := range findSecrets(e.Name, data) {
			found = append(found, s.finding(name, f.Package, e.Name))
		}
		if len(found) > maxSecrets {
			break
		}
	}
	return found
}

func entryText(e *zip.File, limit uint64) []byte {
	data, err := content(e, limit)
	if err != nil || isBinary(data) {
		return nil
	}
	return data
}

// unfold joins the lines of a jar's manifest, which are cut after 72 bytes. The
// line breaks follow the joined line, so that those after it keep their numbers.
func unfold(manifest []byte) []byte {
	lines := slices.Collect(bytes.Lines(bytes.ReplaceAll(manifest, []byte("\r\n"), []byte("\n"))))
	var out []byte
	for i := 0; i < len(lines); {
		joined := bytes.TrimSuffix(lines[i], []byte("\n"))
		out = append(out, joined...)
		breaks := 1
		for i++; i < len(lines) && lines[i][0] == ' '; i++ {
			out = append(out, bytes.TrimSuffix(lines[i][1:], []byte("\n"))...)
			breaks++
		}
		out = append(out, bytes.Repeat([]byte("\n"), breaks)...)
	}
	return out
}
