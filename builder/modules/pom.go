package modules

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// pom is what a POM says of the module's own file.
type pom struct {
	packaging  string                 // "jar" where it says nothing, "" where only Maven could tell
	relocation *coordinate.Coordinate // the module that took the place of this one
	redirects  bool                   // module metadata is there, and goes before the POM
}

// redirectMark is what Gradle writes into the POM of a module that it
// published with module metadata.
const redirectMark = "published-with-gradle-metadata"

// pomDocument is the part of a POM that is read.
type pomDocument struct {
	XMLName    xml.Name    `xml:"project"`
	Packaging  string      `xml:"packaging"`
	Properties propertyMap `xml:"properties"`
	Relocation *struct {
		Group    string `xml:"groupId"`
		Artifact string `xml:"artifactId"`
		Version  string `xml:"version"`
	} `xml:"distributionManagement>relocation"`
}

// propertyMap is <properties>, whose elements are the names.
type propertyMap map[string]string

func (m *propertyMap) UnmarshalXML(d *xml.Decoder, _ xml.StartElement) error {
	*m = make(propertyMap)
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch e := token.(type) {
		case xml.StartElement:
			var value string
			if err := d.DecodeElement(&value, &e); err != nil {
				return err
			}
			(*m)[e.Name.Local] = strings.TrimSpace(value)
		case xml.EndElement:
			return nil
		}
	}
}

// parsePOM reads the POM of a module.
func parsePOM(of coordinate.Coordinate, data []byte) (pom, error) {
	var doc pomDocument
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = false // old ones name characters as HTML does
	d.Entity = xml.HTMLEntity
	d.CharsetReader = singleBytes
	if err := d.Decode(&doc); err != nil {
		return pom{}, fmt.Errorf("its POM cannot be read: %w", err)
	}
	p := pom{packaging: "jar", redirects: bytes.Contains(data, []byte(redirectMark))}
	if packaging := doc.expand(of, doc.Packaging); packaging != "" {
		p.packaging = packaging
	}
	if strings.Contains(p.packaging, "${") {
		p.packaging = ""
	}
	if r := doc.Relocation; r != nil {
		to := coordinate.Coordinate{
			Group:    cmp.Or(doc.expand(of, r.Group), of.Group),
			Artifact: cmp.Or(doc.expand(of, r.Artifact), of.Artifact),
			Version:  cmp.Or(doc.expand(of, r.Version), of.Version),
		}
		to, err := coordinate.Parse(to.String())
		if err != nil {
			return pom{}, fmt.Errorf("its POM relocates it to %w", err)
		}
		p.relocation = &to
	}
	return p, nil
}

// expand fills in the properties that the POM itself has. Those of a parent
// stay as they are written.
func (doc *pomDocument) expand(of coordinate.Coordinate, text string) string {
	text = strings.TrimSpace(text)
	for range 4 { // one property may name another
		name, found := "", false
		if _, rest, ok := strings.Cut(text, "${"); ok {
			name, _, found = strings.Cut(rest, "}")
		}
		if !found {
			return text
		}
		value, known := doc.Properties[name]
		switch strings.TrimPrefix(strings.TrimPrefix(name, "project."), "pom.") {
		case "groupId":
			value, known = of.Group, true
		case "artifactId":
			value, known = of.Artifact, true
		case "version":
			value, known = of.Version, true
		}
		if !known || len(value) > maxProperty {
			return text
		}
		if text = strings.ReplaceAll(text, "${"+name+"}", value); len(text) > maxProperty {
			return text
		}
	}
	return text
}

// maxProperty bounds what properties are filled in with.
const maxProperty = 1000

// singleBytes reads every encoding but UTF-8 as ISO 8859-1: what is read of a
// POM has ASCII letters only, which are the same in all that POMs are written in.
func singleBytes(_ string, r io.Reader) (io.Reader, error) {
	data, err := io.ReadAll(r) // in memory already
	if err != nil {
		return nil, err
	}
	runes := make([]rune, len(data))
	for i, b := range data {
		runes[i] = rune(b)
	}
	return strings.NewReader(string(runes)), nil
}

// jarPackagings are those whose file is a jar, by another name.
var jarPackagings = map[string]bool{"jar": true, "ejb": true, "bundle": true, "maven-plugin": true, "eclipse-plugin": true}
