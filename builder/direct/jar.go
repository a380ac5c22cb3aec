package direct

import (
	"context"
	"errors"
	"io"

	"github.com/layerbuild/layerbuild/runtimes"
)

// installJars lays jars out.
func (e *Engine) installJars(_ context.Context, _ runtimes.Recipe, _ io.Writer, _ runtimes.Progress) error {
	return errors.New("the direct engine cannot install jars yet")
}
