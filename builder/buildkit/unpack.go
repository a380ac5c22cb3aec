package buildkit

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
)

// unpack returns a writer that takes a tar and hands the content of the file
// name in it on to w. The result of writing goes through end, which adds what
// became of that.
func unpack(w io.Writer, name string) (outer io.Writer, end func(error) error) {
	pr, pw := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := copyFile(w, pr, name)
		pr.CloseWithError(err) // whoever still writes gets to know
		result <- err
	}()
	return pw, func(err error) error {
		pw.CloseWithError(err)
		if copied := <-result; err == nil {
			return copied
		}
		return err
	}
}

// copyFile copies the file name out of a tar, and reads that to its end.
func copyFile(w io.Writer, outer io.Reader, name string) error {
	archive := tar.NewReader(outer)
	for found := false; ; {
		h, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF) && !found:
			return fmt.Errorf("the last step has left no %s", name)
		case errors.Is(err, io.EOF):
			_, err = io.Copy(io.Discard, outer)
			return err
		case err != nil:
			return err
		case h.Typeflag != tar.TypeReg || h.Name != name:
			continue
		}
		found = true
		if _, err := io.Copy(w, archive); err != nil {
			return err
		}
	}
}
