package coordinate

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Checksum is what a file of a release must have.
type Checksum struct {
	Release   Coordinate
	File      string // its name
	Algorithm string // "sha256" or "sha512"
	Sum       string // in lower-case hex
}

// sumSize is the length of a checksum in bytes.
var sumSize = map[string]int{"sha256": 32, "sha512": 64}

// String is the form that [ParseChecksum] reads:
// "group:artifact:version/file.jar sha256:…".
func (c Checksum) String() string {
	return fmt.Sprintf("%s/%s %s:%s", c.Release, c.File, c.Algorithm, c.Sum)
}

// Check says what is wrong with the checksum.
func (c Checksum) Check() error {
	size, known := sumSize[c.Algorithm]
	sum, err := hex.DecodeString(c.Sum)
	if !known || err != nil || len(sum) != size || strings.ToLower(c.Sum) != c.Sum {
		return fmt.Errorf("%q is no %s of %s", c.Sum, c.Algorithm, c.File)
	}
	_, err = c.Release.Path(c.File)
	return err
}

// ParseChecksum reads what [Checksum.String] writes.
func ParseChecksum(text string) (Checksum, error) {
	var c Checksum
	where, what, ok := strings.Cut(text, " ")
	release, file, okFile := strings.Cut(where, "/")
	algorithm, sum, okSum := strings.Cut(what, ":")
	if !ok || !okFile || !okSum {
		return c, fmt.Errorf("%q is no checksum of a file", text)
	}
	var err error
	if c.Release, err = Parse(release); err != nil {
		return c, err
	}
	c.File, c.Algorithm, c.Sum = file, algorithm, sum
	return c, c.Check()
}
