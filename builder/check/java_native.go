package check

import (
	"archive/zip"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes/java/jarfile"
)

// maxNative bounds what is read of a native library in a jar: one that is
// larger than a layer is not judged.
const maxNative = 256 << 20

// content is an entry's, of at most limit bytes.
func content(f *zip.File, limit uint64) ([]byte, error) {
	if f.UncompressedSize64 > limit {
		return nil, fmt.Errorf("has %d bytes, more than the %d that can be right", f.UncompressedSize64, limit)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, int64(limit)))
}

// addNative notes for which platform a native library is, and what it needs.
func (j *Jar) addNative(f *zip.File) error {
	n, ok, err := jarfile.NativeOf(f)
	if err != nil || !ok {
		return err
	}
	if n.Arch == "" {
		j.Others = append(j.Others, n.Other)
		return nil
	}
	b := Binary{Path: f.Name, Machine: string(n.Arch)}
	if f.UncompressedSize64 <= maxNative {
		data, err := content(f, maxNative)
		if err != nil {
			return err
		}
		// Of a file that cannot be read, the head has told the platform.
		if full, err := readELF(bytes.NewReader(data)); err == nil {
			b.Musl, b.Needs = full.Musl, full.Needs
		}
	}
	if b.Musl {
		j.Others = append(j.Others, "Linux with musl")
		return nil
	}
	j.Natives = append(j.Natives, b)
	return nil
}

// JarNatives lists the native libraries in a jar that are for Linux on one of
// Lambda's architectures, and in words what else it has some for, as far as the
// jar can be read.
func JarNatives(a *jarfile.Archive) (natives []Binary, others []string) {
	var jar Jar
	for _, f := range a.Files {
		if jarfile.IsNative(f) {
			_ = jar.addNative(f) // of a broken entry the checks tell
		}
	}
	slices.Sort(jar.Others)
	return jar.Natives, slices.Compact(jar.Others)
}

// nativeFindings are jars whose native libraries a target cannot load. What is
// for Windows or macOS only does something that there is only there.
func nativeFindings(jars []Jar, t Target) (found []Finding) {
	fits, others := make(map[string]bool), make(map[string][]string) // by artifact
	for _, jar := range jars {
		at := jar.artifact()
		for _, b := range jar.Natives {
			if b.runsOn(t.Arch) {
				fits[at] = true
			} else {
				others[at] = append(others[at], "Linux on "+b.Machine)
			}
		}
		others[at] = append(others[at], jar.Others...)
	}
	for _, jar := range jars {
		f := Finding{Path: jar.Path, Package: jar.Package}
		at := jar.artifact()
		if has := others[at]; !fits[at] && slices.ContainsFunc(has, isLinux) {
			delete(others, at) // one finding for all of its jars
			slices.Sort(has)
			f.ID = JavaNative
			f.Problem = fmt.Sprintf("has native libraries for %s, and none for Lambda on %s", strings.Join(slices.Compact(has), ", "), t.Arch)
			found = append(found, f)
		}
		if problem := jar.loads(t); problem != "" {
			f.ID, f.Problem = JavaLoads, problem
			found = append(found, f)
		}
	}
	return found
}

func isLinux(platform string) bool { return strings.HasPrefix(platform, "Linux ") }

// loads says what a native library of a jar lacks, "" where each has a file
// that fits.
func (j *Jar) loads(t Target) string {
	fits := make(map[string]bool) // by base name: a jar may have one for older systems, too
	for _, b := range j.Natives {
		if b.runsOn(t.Arch) && b.tooNew(t) == "" {
			fits[path.Base(b.Path)] = true
		}
	}
	for _, b := range j.Natives {
		if b.runsOn(t.Arch) && !fits[path.Base(b.Path)] {
			return fmt.Sprintf("has %s, which %s", b.Path, b.tooNew(t))
		}
	}
	return ""
}

// platformWords are parts of jars' names that tell a platform.
var platformWords = map[string]bool{
	"linux": true, "osx": true, "macos": true, "macosx": true, "mac": true, "darwin": true, "windows": true, "win": true, "win32": true, "win64": true,
	"x86": true, "x64": true, "64": true, "32": true, "amd64": true, "arm64": true, "aarch64": true, "aarch": true, "arm": true, "armv7": true, "arm32": true,
	"musl": true, "gnu": true, "glibc": true, "riscv64": true, "ppc64le": true, "ppcle": true, "s390x": true, "s390": true, "natives": true, "native": true,
}

// artifact is what the jars of one library for several platforms have in
// common: the module's name, or the file's up to the version, without the words
// that tell the platform.
func (j *Jar) artifact() string {
	name := j.Package
	if name == "" {
		name = strings.TrimSuffix(path.Base(j.Path), ".jar")
		for i := 1; i < len(name); i++ {
			if name[i-1] == '-' && name[i] >= '0' && name[i] <= '9' {
				name = name[:i-1]
				break
			}
		}
	}
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("-_.:", r) })
	parts = slices.DeleteFunc(parts, func(part string) bool { return platformWords[part] })
	return cmp.Or(strings.Join(parts, "-"), name)
}
