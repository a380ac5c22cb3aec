//go:build e2e

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// searchDaemon looks for secrets in what the testbed's BuildKit has written
// since a time: its history and other records, contents, and the files that
// steps have made.
func searchDaemon(t *testing.T, since time.Time, secrets []string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "layerbuild-testbed", "buildkit")
	if _, err := os.Stat(filepath.Join(dir, "history.db")); err != nil {
		t.Fatalf("the daemon's data are not in the testbed's folder: %v", err)
	}
	searched := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // other builds go on
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.ModTime().Before(since) {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil // likewise
		}
		searched++
		for _, secret := range secrets {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s shows the login", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if searched == 0 {
		t.Error("nothing of the daemon was searched")
	}
	t.Logf("%d files of the daemon were searched", searched)
}
