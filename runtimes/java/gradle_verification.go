package java

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// gradleVerification is Gradle's file of that name, in the folder gradle of the
// root project.
const gradleVerification = "gradle/verification-metadata.xml"

// maxVerification bounds the file, which may list thousands of artifacts.
const maxVerification = 64 << 20

// verification is what verification-metadata.xml says.
type verification struct {
	file       string
	components map[coordinate.Coordinate][]verifiedArtifact
	metadata   bool // POMs and module metadata are verified, too
}

// verifiedArtifact is a file and the checksums that it may have.
type verifiedArtifact struct {
	name string
	sums []coordinate.Checksum
}

// verificationDocument is the part of the file that is read.
type verificationDocument struct {
	XMLName        xml.Name `xml:"verification-metadata"`
	VerifyMetadata string   `xml:"configuration>verify-metadata"`
	Components     []struct {
		Group     string `xml:"group,attr"`
		Name      string `xml:"name,attr"`
		Version   string `xml:"version,attr"`
		Artifacts []struct {
			Name   string        `xml:"name,attr"`
			SHA256 []verifiedSum `xml:"sha256"`
			SHA512 []verifiedSum `xml:"sha512"`
		} `xml:"artifact"`
	} `xml:"components>component"`
}

type verifiedSum struct {
	Value string `xml:"value,attr"`
	Also  []struct {
		Value string `xml:"value,attr"`
	} `xml:"also-trust"`
}

// parseVerification reads verification-metadata.xml. Checksums weaker than
// SHA-256, and signatures, are passed over.
func parseVerification(file string, data []byte) (*verification, error) {
	problem := func(err error) error {
		input := &runtimes.InputError{File: file, Problem: "cannot be read", Err: err, Hint: "have Gradle write it anew: gradle --write-verification-metadata sha256"}
		if syntax, ok := err.(*xml.SyntaxError); ok {
			input.Line = syntax.Line
		}
		return input
	}
	var doc verificationDocument
	if err := xml.NewDecoder(bytes.NewReader(data)).Decode(&doc); err != nil {
		return nil, problem(err)
	}
	v := &verification{
		file: file, components: make(map[coordinate.Coordinate][]verifiedArtifact),
		metadata: strings.TrimSpace(doc.VerifyMetadata) != "false",
	}
	for _, component := range doc.Components {
		release := coordinate.Coordinate{Group: component.Group, Artifact: component.Name, Version: component.Version}
		if parsed, err := coordinate.Parse(release.String()); err != nil || parsed != release {
			return nil, problem(fmt.Errorf("%q is not group:artifact:version", release))
		}
		for _, a := range component.Artifacts {
			artifact := verifiedArtifact{name: a.Name}
			for algorithm, sums := range map[string][]verifiedSum{"sha256": a.SHA256, "sha512": a.SHA512} {
				for _, sum := range sums {
					values := []string{sum.Value}
					for _, also := range sum.Also {
						values = append(values, also.Value)
					}
					for _, value := range values {
						artifact.sums = append(artifact.sums, coordinate.Checksum{
							Release: release, File: a.Name, Algorithm: algorithm, Sum: strings.ToLower(strings.TrimSpace(value)),
						})
					}
				}
			}
			for _, sum := range artifact.sums {
				if err := sum.Check(); err != nil {
					return nil, problem(fmt.Errorf("%s: %w", release, err))
				}
			}
			v.components[release] = append(v.components[release], artifact)
		}
	}
	return v, nil
}

// checksums lists, sorted, those of a module's files.
func (v *verification) checksums(release coordinate.Coordinate) []string {
	if v == nil {
		return nil
	}
	var all []string
	for _, a := range v.components[release] {
		if ext := path.Ext(a.name); !v.metadata && (ext == ".pom" || ext == ".module") {
			continue
		}
		for _, sum := range a.sums {
			all = append(all, sum.String())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// otherClassifiers are those of files that no program runs with.
var otherClassifiers = []string{"sources", "javadoc", "tests", "test", "test-sources", "test-fixtures", "groovydoc", "kdoc"}

// classifiers lists the classifiers of a module's jars, as far as they may be
// on a run time's class path, and whether the main jar is listed, too.
func (v *verification) classifiers(release coordinate.Coordinate) (classifiers []string, main bool) {
	if v == nil {
		return nil, false
	}
	for _, a := range v.components[release] {
		if a.name == release.FileName() {
			main = true
			continue
		}
		name, isJar := strings.CutSuffix(a.name, ".jar")
		classifier, ok := strings.CutPrefix(name, release.Artifact+"-"+release.Version+"-")
		if isJar && ok && classifier != "" && !slices.Contains(otherClassifiers, classifier) {
			classifiers = append(classifiers, classifier)
		}
	}
	slices.Sort(classifiers)
	return slices.Compact(classifiers), main
}

// readVerification reads the file of the root project to which the project in
// dir belongs; nil where there is none.
func readVerification(project fs.FS, dir string) (*verification, error) {
	file := findAbove(project, dir, gradleVerification)
	if file == "" {
		return nil, nil
	}
	data, err := readBounded(project, file, maxVerification)
	if err != nil {
		return nil, err
	}
	return parseVerification(file, data)
}

// findAbove finds a file of the root project: in dir, or in the nearest folder
// above it, up to the one of the configuration; "" where there is none.
func findAbove(project fs.FS, dir, name string) string {
	for {
		file := path.Join(dir, name)
		if info, err := fs.Stat(project, file); err == nil && info.Mode().IsRegular() {
			return file
		}
		if dir == "." || dir == "/" {
			return ""
		}
		dir = path.Dir(dir)
	}
}
