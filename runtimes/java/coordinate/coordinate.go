// Package coordinate holds the words in which Maven repositories are asked for
// files: group, artifact and version, and where a file of them lies.
package coordinate

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// Coordinate names a module in one version, or one of its files.
type Coordinate struct {
	Group, Artifact, Version string
	Classifier               string // "" for the main file
	Extension                string // "" for "jar"
}

// maxPart bounds each part of a coordinate: it becomes part of a file name.
const maxPart = 200

// Parse reads "group:artifact:version[:classifier][@extension]".
func Parse(text string) (Coordinate, error) {
	var c Coordinate
	rest, extension, found := strings.Cut(text, "@")
	if found && extension == "" {
		return c, fmt.Errorf("%q: nothing follows the @", text)
	}
	c.Extension = extension
	parts := strings.Split(rest, ":")
	if len(parts) != 3 && len(parts) != 4 {
		return c, fmt.Errorf("%q is not group:artifact:version", text)
	}
	c.Group, c.Artifact, c.Version = parts[0], parts[1], parts[2]
	if len(parts) == 4 {
		if c.Classifier = parts[3]; c.Classifier == "" {
			return c, fmt.Errorf("%q: the classifier is empty", text)
		}
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%q: %w", text, err)
	}
	if c.Extension == "jar" {
		c.Extension = ""
	}
	return c, nil
}

// check refuses what cannot be a part of a path or an address as it is.
func (c Coordinate) check() error {
	if c.Group == "" || c.Artifact == "" || c.Version == "" {
		return errors.New("group, artifact and version must not be empty")
	}
	for _, part := range []string{c.Artifact, c.Version, c.Classifier, c.Extension} {
		if err := checkPart(part); err != nil {
			return err
		}
	}
	for part := range strings.SplitSeq(c.Group, ".") {
		if part == "" {
			return errors.New("the group has an empty part")
		}
		if err := checkPart(part); err != nil {
			return err
		}
	}
	return nil
}

func checkPart(part string) error {
	if len(part) > maxPart {
		return errors.New("a part of it is too long")
	}
	if part == "." || part == ".." {
		return fmt.Errorf("%q is no name", part)
	}
	for i := range len(part) {
		switch b := part[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("._-+~", b) >= 0:
		default:
			return fmt.Errorf("%q has a character that no coordinate has", part)
		}
	}
	return nil
}

// String is the form that [Parse] reads.
func (c Coordinate) String() string {
	text := c.Group + ":" + c.Artifact + ":" + c.Version
	if c.Classifier != "" {
		text += ":" + c.Classifier
	}
	if c.Extension != "" {
		text += "@" + c.Extension
	}
	return text
}

// Module is the coordinate without version: "group:artifact".
func (c Coordinate) Module() string { return c.Group + ":" + c.Artifact }

// Release is the module in its version, without classifier and extension.
func (c Coordinate) Release() Coordinate {
	c.Classifier, c.Extension = "", ""
	return c
}

// FileName is the name that the file has in a repository, if nothing says
// otherwise.
func (c Coordinate) FileName() string {
	name := c.Artifact + "-" + c.Version
	if c.Classifier != "" {
		name += "-" + c.Classifier
	}
	if c.Extension == "" {
		return name + ".jar"
	}
	return name + "." + c.Extension
}

var snapshotTime = regexp.MustCompile(`-\d{8}\.\d{6}-\d+$`)

// base is the version that names the folder: all states of a snapshot, whose
// versions have their times, lie in one.
func (c Coordinate) base() string {
	if at := snapshotTime.FindStringIndex(c.Version); at != nil {
		return c.Version[:at[0]] + "-SNAPSHOT"
	}
	return c.Version
}

// Path is where a file of the release lies below a repository's address. The
// name may lead to another folder ("../1.0-android/x.jar"), never out of the
// repository.
func (c Coordinate) Path(file string) (string, error) {
	folder := strings.ReplaceAll(c.Group, ".", "/") + "/" + c.Artifact + "/" + c.base()
	p := path.Join(folder, file)
	ok := file != "" && !strings.HasSuffix(file, "/") && !path.IsAbs(file) && fs.ValidPath(p)
	for part := range strings.SplitSeq(p, "/") {
		ok = ok && checkPart(part) == nil
	}
	if !ok {
		return "", fmt.Errorf("%q is not a file of %s in a repository", file, c.Release())
	}
	return p, nil
}
