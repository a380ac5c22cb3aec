package node

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Bounds of a local package: more is hardly its source.
const (
	maxPackBytes  = 64 << 20
	maxPackFiles  = 20_000
	maxIgnoreFile = 1 << 20
)

// packJob is a folder that is packed as `npm pack` does.
type packJob struct {
	folder   string // in the project
	above    string // its workspace's, whose ignore files hold, too
	manifest *manifest
}

// neverPacked are rules of what is never in a package, whatever its files say;
// the first ones are npm's.
var neverPacked = []string{
	"/.git", "/node_modules", ".npmrc", "/package-lock.json", "/yarn.lock", "/pnpm-lock.yaml", "/bun.lockb",
	"/bun.lock", "/.layerbuild", "/layerbuild.lock", "/layerbuild.yaml",
}

// notPacked are npm's rules of what is in no package unless something says so.
var notPacked = []string{
	".npmignore", ".gitignore", ".git", ".svn", ".hg", "CVS", "/.lock-wscript", "/.wafpickle-*", "/build/config.gypi",
	"npm-debug.log", ".npmrc", ".*.swp", ".DS_Store", "._*", "*.orig", "/archived-packages/**",
}

// packAt packs the package in a folder of the project.
func packAt(project fs.FS, folder, above string) (runtimes.File, error) {
	m, err := readManifest(project, folder)
	if err != nil {
		return runtimes.File{}, err
	}
	return packFolder(project, packJob{folder, above, m})
}

// packFolder is a folder of the project as a package's tarball: what `npm pack`
// takes, sorted, with fixed times and owners, and not compressed, so that its
// bytes are the same whichever library wrote them.
func packFolder(project fs.FS, job packJob) (runtimes.File, error) {
	w := &packWalker{project: project, job: job}
	if err := w.start(); err != nil {
		return runtimes.File{}, err
	}
	if err := w.walk(job.folder, w.rules, 0); err != nil {
		return runtimes.File{}, err
	}
	slices.SortFunc(w.files, func(a, b packedFile) int { return strings.Compare(a.name, b.name) })
	data, err := w.pack()
	if err != nil {
		return runtimes.File{}, err
	}
	return archiveFile(job.folder, data), nil
}

// archiveFile is a tarball of the project.
func archiveFile(name string, data []byte) runtimes.File {
	sum := sha512.Sum512(data)
	return runtimes.File{
		Name: path.Base(name), Integrity: "sha512-" + base64.StdEncoding.EncodeToString(sum[:]), Size: int64(len(data)),
		Local: &runtimes.LocalFile{Path: name, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}},
	}
}

type packedFile struct {
	name       string // below the folder
	size       int64
	executable bool
}

type packWalker struct {
	project fs.FS
	job     packJob
	rules   []gitignore.Pattern // in their order: the last that matches decides
	never   []gitignore.Pattern
	listed  bool // package.json lists files, so the ignore files beside it do not count
	files   []packedFile
	bytes   int64
}

// start gathers the rules that hold in the whole folder.
func (w *packWalker) start() error {
	m := w.job.manifest
	w.rules = parseRules(notPacked, nil)
	for _, dir := range foldersBetween(w.job.above, w.job.folder) {
		rules, err := ignoreRules(w.project, dir, w.job.folder)
		if err != nil {
			return err
		}
		w.rules = append(w.rules, rules...)
	}
	for _, member := range m.Workspaces {
		w.rules = append(w.rules, parseRules([]string{"/" + strings.TrimPrefix(member, "./")}, nil)...)
	}
	if m.Files != nil {
		w.listed = true
		lines := []string{"*"}
		for _, name := range m.Files {
			lines = append(lines, listedRules(name)...)
		}
		w.rules = append(w.rules, parseRules(lines, nil)...)
	}
	w.never = parseRules(neverPacked, nil)
	return nil
}

// listedRules are the rules by which an entry of package.json's files is packed.
func listedRules(name string) []string {
	not := ""
	if strings.HasPrefix(name, "!") {
		not, name = "!", name[1:]
	}
	name = "/" + strings.Trim(strings.TrimPrefix(name, "./"), "/")
	if strings.HasSuffix(name, "/*") {
		name += "*"
	}
	if name == "/" || name == "/." {
		name = "/**"
	}
	if not != "" {
		return []string{name}
	}
	return []string{"!" + name, "!" + name + "/**"}
}

// foldersBetween lists the folders from top down to above folder.
func foldersBetween(top, folder string) []string {
	var dirs []string
	for at := folder; at != top && at != "."; {
		at = path.Dir(at)
		dirs = append(dirs, at)
	}
	slices.Reverse(dirs)
	return dirs
}

// ignoreRules reads a folder's .npmignore, or else its .gitignore. Its rules
// are written for paths below base.
func ignoreRules(project fs.FS, dir, base string) ([]gitignore.Pattern, error) {
	for _, name := range []string{".npmignore", ".gitignore"} {
		file := path.Join(dir, name)
		info, err := fs.Stat(project, file)
		if err != nil || info.IsDir() {
			continue
		}
		if info.Size() > maxIgnoreFile {
			return nil, &runtimes.InputError{File: file, Problem: fmt.Sprintf("larger than %d MiB, which no such file is", maxIgnoreFile>>20)}
		}
		data, err := readFile(project, file)
		if err != nil {
			return nil, err
		}
		var lines []string
		for line := range strings.Lines(string(data)) {
			lines = append(lines, strings.TrimSpace(line))
		}
		var domain []string
		if below, ok := strings.CutPrefix(dir, base+"/"); ok || base == "." && dir != "." {
			if base == "." {
				below = dir
			}
			domain = strings.Split(below, "/")
		} else if dir != base {
			// A folder above: only what it says of any depth holds here.
			lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(strings.TrimSuffix(line, "/"), "/") })
		}
		return parseRules(lines, domain), nil
	}
	return nil, nil
}

func parseRules(lines, domain []string) []gitignore.Pattern {
	var rules []gitignore.Pattern
	for _, line := range lines {
		if line != "" && line[0] != '#' {
			rules = append(rules, gitignore.ParsePattern(line, domain))
		}
	}
	return rules
}

// walk gathers the files of a folder and those below it.
func (w *packWalker) walk(dir string, rules []gitignore.Pattern, depth int) error {
	if depth > maxNPMDepth {
		return &runtimes.InputError{File: w.job.folder, Problem: "nests folders deeper than any package does"}
	}
	entries, err := fs.ReadDir(w.project, dir)
	if err != nil {
		return &runtimes.InputError{File: dir, Problem: "cannot be read", Err: reason(err)}
	}
	if depth > 0 || !w.listed {
		own, err := ignoreRules(w.project, dir, w.job.folder)
		if err != nil {
			return err
		}
		rules = slices.Concat(rules, own)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		below := strings.TrimPrefix(name, w.job.folder+"/")
		parts := strings.Split(below, "/")
		switch {
		case matchLast(w.never, parts, e.IsDir()) == gitignore.Exclude:
		case e.IsDir():
			if e.Name() != ".git" {
				err = w.walk(name, rules, depth+1)
			}
		case e.Type().IsRegular() && (w.must(below) || matchLast(rules, parts, false) != gitignore.Exclude):
			err = w.add(name, below, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// matchLast is what the last rule says that matches a path, or one of the
// folders that it lies in.
func matchLast(rules []gitignore.Pattern, parts []string, isDir bool) gitignore.MatchResult {
	for i := len(rules) - 1; i >= 0; i-- {
		if m := rules[i].Match(parts, isDir); m != gitignore.NoMatch {
			return m
		}
		for n := 1; n < len(parts); n++ {
			if rules[i].Match(parts[:n], true) == gitignore.Exclude {
				return gitignore.Exclude
			}
		}
	}
	return gitignore.NoMatch
}

// must tells whether npm packs a file whatever the ignore files say.
func (w *packWalker) must(below string) bool {
	lower := strings.ToLower(below)
	for _, prefix := range []string{"readme", "copying", "license", "licence"} {
		if rest, ok := strings.CutPrefix(lower, prefix); ok && (rest == "" || rest[0] == '.' && !strings.HasSuffix(rest, "~") && !strings.HasSuffix(rest, "$")) && !strings.Contains(below, "/") {
			return true
		}
	}
	m := w.job.manifest
	named := append([]string{"package.json", string(m.Main), string(m.Browser)}, m.Bin...)
	return slices.ContainsFunc(named, func(name string) bool { return name != "" && path.Clean(name) == below })
}

func (w *packWalker) add(name, below string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return &runtimes.InputError{File: name, Problem: "cannot be read", Err: reason(err)}
	}
	w.files = append(w.files, packedFile{below, info.Size(), info.Mode()&0o111 != 0})
	if w.bytes += info.Size(); w.bytes > maxPackBytes || len(w.files) > maxPackFiles {
		return w.tooLarge()
	}
	return nil
}

func (w *packWalker) tooLarge() error {
	largest := slices.MaxFunc(w.files, func(a, b packedFile) int { return cmp.Compare(a.size, b.size) })
	return &runtimes.InputError{
		File: w.job.folder,
		Problem: fmt.Sprintf("holds more than %d MiB or %d files, which is no package's source; the largest that was met is %s with %d bytes",
			maxPackBytes>>20, maxPackFiles, largest.name, largest.size),
		Hint: "say in the files of its package.json, or in an .npmignore, what belongs into the package",
	}
}

// pack reads the files into a tarball.
func (w *packWalker) pack() ([]byte, error) {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, f := range w.files {
		name := path.Join(w.job.folder, f.name)
		data, err := fs.ReadFile(w.project, name)
		if err != nil {
			return nil, &runtimes.InputError{File: name, Problem: "cannot be read", Err: reason(err)}
		}
		// It may have grown since; nothing larger is ever handed on.
		if w.bytes += int64(len(data)) - f.size; w.bytes > maxPackBytes {
			return nil, w.tooLarge()
		}
		mode := int64(0o644)
		if f.executable {
			mode = 0o755
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: "package/" + f.name, Size: int64(len(data)), Mode: mode, ModTime: packTime}
		if err := t.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
		_, _ = t.Write(data) // into memory
	}
	if err := t.Close(); err != nil {
		return nil, fmt.Errorf("pack %s: %w", w.job.folder, err)
	}
	return storedGzip(b.Bytes()), nil
}

// packTime is the time of all that is packed, npm's own choice.
var packTime = time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)

// storedGzip wraps data in gzip's form (RFC 1952) without compressing it.
func storedGzip(data []byte) []byte {
	const block = 0xffff
	out := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}
	for rest := data; ; {
		n := min(len(rest), block)
		last := byte(0)
		if n == len(rest) {
			last = 1
		}
		out = append(out, last)
		out = binary.LittleEndian.AppendUint16(out, uint16(n))
		out = binary.LittleEndian.AppendUint16(out, ^uint16(n))
		out = append(out, rest[:n]...)
		if rest = rest[n:]; last == 1 {
			break
		}
	}
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(data))
	return binary.LittleEndian.AppendUint32(out, uint32(len(data)))
}
