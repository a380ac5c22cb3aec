package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/layerbuild/layerbuild/builder"
)

// aged makes a layer look as if nothing of it was used for 40 days.
func aged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: aged LAYER")
	}
	var m builder.Manifest
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(".layerbuild/dist/"+args[0]+".json")), &m))
	entry := cacheFile(ts, "ac", m.Key)
	ageFile(ts, entry)
	for _, blob := range regexp.MustCompile(`"sha256":"([0-9a-f]{64})"`).FindAllStringSubmatch(ts.ReadFile(entry), -1) {
		ageFile(ts, cacheFile(ts, "stamp", blob[1]))
	}
}

func ageFile(ts *testscript.TestScript, path string) {
	then := time.Now().Add(-40 * 24 * time.Hour)
	ts.Check(os.Chtimes(path, then, then))
}

// flip changes one byte of what the cache holds of a file.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	sum := sha256.Sum256([]byte(ts.ReadFile(args[0])))
	path := cacheFile(ts, "cas", hex.EncodeToString(sum[:]))
	data, err := os.ReadFile(path)
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.WriteFile(path, data, 0o666))
}

func cacheFile(ts *testscript.TestScript, space, sum string) string {
	return filepath.Join(ts.Getenv("LAYERBUILD_CACHE_DIR"), space, sum[:2], sum)
}

func TestParseAge(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"30d": 30 * day, "2w": 14 * day, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute,
		"": 0, "0d": 0, "-1d": 0, "-1h": 0, "0s": 0, "30": 0, "1.5d": 0, "99999d": 0, "d": 0,
	} {
		if got, err := parseAge("--older-than", text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Now()
	for age, want := range map[time.Duration]string{
		-time.Hour: "just now", time.Second: "just now", 3 * time.Minute: "3 minutes ago", 119 * time.Minute: "119 minutes ago",
		2 * time.Hour: "2 hours ago", 47 * time.Hour: "47 hours ago", 48 * time.Hour: "2 days ago",
	} {
		if got := ago(now.Add(-age), now); got != want {
			t.Errorf("%v: got %q, want %q", age, got, want)
		}
	}
	if got := ago(time.Time{}, now); got != "never" {
		t.Errorf("got %q", got)
	}
}

// TestCacheFolderOfOthers: a root file system is no cache, whatever somebody
// names as its folder.
func TestCacheFolderOfOthers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"bin", "tmp", "etc"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("LAYERBUILD_CACHE_DIR", dir)
	t.Chdir(t.TempDir())
	if code := run(t.Context(), []string{"cache", "clean"}, nil, os.Stdout, os.Stderr); code != exitInput {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(filepath.Join(dir, "tmp")); errors.Is(err, fs.ErrNotExist) {
		t.Error("a folder is gone")
	}
}
