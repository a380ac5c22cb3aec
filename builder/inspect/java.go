package inspect

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/jarfile"
)

// java takes each jar for a package.
func (r *reader) java(known []Known) {
	for _, name := range jarfile.Paths(r.t) {
		if r.owner[name] != nil {
			continue
		}
		a := readJar(name, r.t[name])
		for _, k := range known {
			if k.File == path.Base(name) {
				a.module, a.version = k.Name, k.Version
			}
		}
		p := r.add(Java, a.module, a.version, name)
		p.license(a.license)
		for _, b := range a.natives {
			p.addNative(b, 1)
		}
		for _, platform := range a.others {
			p.addNative(check.Binary{Machine: platform}, 0)
		}
		r.owner[name] = p
	}
}

// artifact is what a jar says of itself.
type artifact struct {
	module, version, license string
	natives                  []check.Binary
	others                   []string // platforms for which it has native libraries, too
}

// The most that is read of a jar's descriptions.
const (
	maxProperties = 64 << 10
	maxPom        = 4 << 20
)

// readJar reads what Maven and the manifest say. A jar that holds others is the
// one that the file's name says, or the only one.
func readJar(name string, f runtimes.TreeFile) artifact {
	stem := strings.TrimSuffix(path.Base(name), ".jar")
	a := artifact{module: stem}
	a.module, a.version = splitStem(stem)
	jar, err := jarfile.Open(f)
	if err != nil {
		return a
	}
	defer jar.Close()
	a.natives, a.others = check.JarNatives(jar)
	var main map[string]string
	var described []map[string]string
	poms := make(map[string]*zip.File)
	for _, f := range jar.Files {
		parts := strings.Split(f.Name, "/")
		switch {
		case strings.EqualFold(f.Name, "META-INF/MANIFEST.MF"):
			main = manifestFields(entry(f, maxPom))
		case len(parts) != 5 || parts[0] != "META-INF" || parts[1] != "maven":
		case parts[4] == "pom.properties":
			described = append(described, properties(entry(f, maxProperties)))
		case parts[4] == "pom.xml":
			poms[parts[2]+":"+parts[3]] = f
		}
	}
	fits := func(p map[string]string) bool {
		return p["artifactId"] != "" && (stem == p["artifactId"] || strings.HasPrefix(stem, p["artifactId"]+"-"+p["version"]))
	}
	i := slices.IndexFunc(described, fits)
	if i < 0 && len(described) == 1 && described[0]["artifactId"] != "" {
		i = 0
	}
	if i >= 0 {
		p := described[i]
		a.module, a.version = p["groupId"]+":"+p["artifactId"], p["version"]
		if pom := poms[a.module]; pom != nil {
			a.license = pomLicense(entry(pom, maxPom))
		}
	} else if a.version == "" {
		a.version = cmp.Or(main["implementation-version"], main["bundle-version"])
	}
	a.license = cmp.Or(a.license, bundleLicense(main["bundle-license"]))
	return a
}

// splitStem splits a jar's name as Maven forms it: artifact-version.
func splitStem(stem string) (module, version string) {
	for i := 1; i < len(stem)-1; i++ {
		if stem[i] == '-' && '0' <= stem[i+1] && stem[i+1] <= '9' {
			return stem[:i], stem[i+1:]
		}
	}
	return stem, ""
}

// entry is the content of a jar's entry, none where it cannot be read or is
// longer than anything of its kind.
func entry(f *zip.File, limit int64) []byte {
	r, err := f.Open()
	if err != nil {
		return nil
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil || int64(len(data)) > limit {
		return nil
	}
	return data
}

// properties reads a file of Java's properties, of which Maven writes no other
// form than name=value.
func properties(data []byte) map[string]string {
	all := make(map[string]string)
	for line := range bytes.Lines(data) {
		name, value, ok := strings.Cut(strings.TrimSpace(string(line)), "=")
		if ok && !strings.HasPrefix(name, "#") {
			all[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return all
}

// manifestFields reads the main section of a jar's manifest. A line that begins
// with a space continues the one before.
func manifestFields(data []byte) map[string]string {
	all, last := make(map[string]string), ""
	for line := range bytes.Lines(data) {
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			break
		}
		if rest, ok := strings.CutPrefix(text, " "); ok {
			all[last] += rest
			continue
		}
		name, value, _ := strings.Cut(text, ":")
		last = strings.ToLower(name)
		all[last] = strings.TrimSpace(value)
	}
	return all
}

// pomLicense joins the licences of a pom, of which one may be chosen. What its
// parent says is not in the jar.
func pomLicense(data []byte) string {
	var pom struct {
		Licenses []struct {
			Name string `xml:"name"`
			URL  string `xml:"url"`
		} `xml:"licenses>license"`
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(charset string, r io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "ISO-8859-1") || strings.EqualFold(charset, "US-ASCII") {
			return r, nil // the names of licences are ASCII
		}
		return nil, fmt.Errorf("unknown charset %q", charset)
	}
	if d.Decode(&pom) != nil {
		return ""
	}
	var names []string
	for _, l := range pom.Licenses {
		if name := cmp.Or(strings.TrimSpace(l.Name), strings.TrimSpace(l.URL)); name != "" {
			names = append(names, wellKnown(name))
		}
	}
	return strings.Join(names, " OR ")
}

// bundleLicense reads the header Bundle-License of OSGi: names or addresses,
// each with attributes.
func bundleLicense(text string) string {
	var names []string
	for one := range strings.SplitSeq(text, ",") {
		name, _, _ := strings.Cut(one, ";")
		if name = strings.Trim(strings.TrimSpace(name), `"`); name != "" {
			names = append(names, wellKnown(name))
		}
	}
	return strings.Join(names, ", ")
}

// wellKnown is the SPDX identifier of the two licences that most jars have under
// many names and addresses, else the name as it is.
func wellKnown(name string) string {
	plain := strings.ToLower(name)
	switch {
	case strings.Contains(plain, "apache.org/licenses/license-2.0"),
		strings.Contains(plain, "apache") && strings.HasSuffix(plain, "2.0"):
		return "Apache-2.0"
	case strings.Contains(plain, "opensource.org/licenses/mit"), plain == "mit license", plain == "the mit license":
		return "MIT"
	}
	return name
}
