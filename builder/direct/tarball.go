package direct

import (
	"context"
	"errors"
	"io"

	"github.com/layerbuild/layerbuild/runtimes"
)

// installTarballs lays npm packages out.
func (e *Engine) installTarballs(_ context.Context, _ runtimes.Recipe, _ io.Writer, _ runtimes.Progress) error {
	return errors.New("the direct engine cannot install npm packages yet")
}
