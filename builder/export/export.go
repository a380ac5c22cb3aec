// Package export says what lies in an output folder in the words of tools that
// deploy it. What it writes depends on the layers alone: no dates, no machine.
package export

import (
	"strings"

	"github.com/layerbuild/layerbuild/builder"
)

// A Layer is an archive to publish.
type Layer struct {
	builder.IndexEntry
	Path string // of the archive, as the tool that reads the export finds it
}

// lambdaName is what Lambda calls the layer: letters, digits, - and _. Targets
// of one layer are layers of their own, or each would be a new version of the
// other.
func (l Layer) lambdaName() string { return strings.ReplaceAll(l.ID(), ".", "-") }
