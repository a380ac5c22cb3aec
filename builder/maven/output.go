package maven

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// output is what a run of Maven gives.
type output struct {
	list       []byte            // what the dependency plugin wrote
	repository string            // the local repository's folder
	sums       map[string]string // SHA-256 in hex, by path below the local repository
}

// listed is one line of the plugin's list: an artifact with its file.
type listed struct {
	group, name, classifier string
	file                    string // "" where there is none
}

// line is one artifact: group:artifact:type[:classifier]:version:scope, with the
// file and, from Java 9 on, what Java calls it as a module.
var line = regexp.MustCompile(`^   ([^:\s]+):([^:\s]+):([^:\s]+)(?::([^:\s]+))?:([^:\s]+):(?:compile|runtime)(?::(.*?))?(?: \(optional\) ?)?(?: -- module .*)?$`)

// parseList reads the plugin's list.
func parseList(data []byte) ([]listed, error) {
	var all []listed
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		text := strings.TrimRight(lines.Text(), " \r")
		if !strings.HasPrefix(text, "   ") || strings.TrimSpace(text) == "none" {
			continue // a heading
		}
		m := line.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("a line of Maven's list cannot be read: %q", text)
		}
		all = append(all, listed{group: m[1], name: m[2], classifier: m[4], file: m[6]})
	}
	return all, lines.Err()
}

// read gives the files of a run. Modules of the project that are not built are
// an error that names them.
func (r run) read(out output) ([]file, error) {
	all, err := parseList(out.list)
	if err != nil {
		return nil, err
	}
	var files []file
	var unbuilt []string
	for _, l := range all {
		in, ok := strings.CutPrefix(strings.ReplaceAll(l.file, `\`, "/"), strings.ReplaceAll(out.repository, `\`, "/")+"/")
		if !ok {
			unbuilt = append(unbuilt, l.group+":"+l.name)
			continue
		}
		c, err := l.coordinate(in)
		if err != nil {
			return nil, err
		}
		if c.Extension == "pom" {
			continue // it only brings others
		}
		sum := out.sums[in]
		if raw, err := hex.DecodeString(sum); err != nil || len(raw) != 32 {
			return nil, fmt.Errorf("the hash of %s is not known", in)
		}
		files = append(files, file{c, sum})
	}
	if len(unbuilt) > 0 {
		slices.Sort(unbuilt)
		return nil, &runtimes.InputError{
			File:    r.job.Module,
			Problem: "needs at run time what no repository has: " + strings.Join(unbuilt, ", ") + ", modules of the project that are not built",
			Hint:    "deploy them to a repository, or exclude them (exclude: [" + unbuilt[0] + "], with what they depend on) and add their jars with include",
		}
	}
	return files, nil
}

// coordinate reads an artifact's coordinate out of its file's path below the
// local repository, which has a snapshot's time where its version has not.
func (l listed) coordinate(in string) (coordinate.Coordinate, error) {
	c := coordinate.Coordinate{Group: l.group, Artifact: l.name, Classifier: l.classifier}
	base := path.Base(path.Dir(in))
	rest, ok := strings.CutPrefix(path.Base(in), l.name+"-")
	if ok {
		c.Version, rest, ok = cutVersion(rest, base)
	}
	if ok && l.classifier != "" {
		rest, ok = strings.CutPrefix(rest, "-"+l.classifier)
	}
	if ok {
		c.Extension, ok = strings.CutPrefix(rest, ".")
	}
	if !ok {
		return c, fmt.Errorf("not a file of %s:%s as Maven names them: %s", l.group, l.name, in)
	}
	if c.Extension == "jar" {
		c.Extension = ""
	}
	return coordinate.Parse(c.String())
}

var snapshotTime = regexp.MustCompile(`^\d{8}\.\d{6}-\d+`)

// cutVersion takes a version, whose folder is named base, off a file's name.
func cutVersion(name, base string) (version, rest string, ok bool) {
	if rest, ok := strings.CutPrefix(name, base); ok {
		return base, rest, true
	}
	stem, snapshot := strings.CutSuffix(base, "SNAPSHOT")
	rest, ok = strings.CutPrefix(name, stem)
	time := snapshotTime.FindString(rest)
	if !snapshot || !ok || time == "" {
		return "", "", false
	}
	return stem + time, rest[len(time):], true
}

// parseSums reads what sha256sum wrote.
func parseSums(data []byte, repository string) map[string]string {
	sums := make(map[string]string)
	for text := range strings.Lines(string(data)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(text), "  ")
		if in, ok := strings.CutPrefix(name, repository+"/"); ok {
			sums[in] = sum
		}
	}
	return sums
}
