package node

import (
	"errors"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// FuzzYarnLock reads arbitrary lock files of yarn 1: there is an error that says
// something, or a set whose written lock file can be read again and names
// exactly its packages.
func FuzzYarnLock(f *testing.F) {
	f.Add(yarn1Sample, yarn1Files()["package.json"])
	f.Add("a@1:\n  version \"1\"\n  dependencies:\n    b \"^1\"\n\nb@^1, \"b@>1 <2\":\n  version \"1.2\"\n", `{"dependencies": {"a": "1"}}`)
	f.Add("\"a@file:x\":\n  version \"0\"\n", `{"dependencies": {"a": "file:x"}}`)
	f.Fuzz(func(t *testing.T, lock, manifest string) {
		fuzzYarn(t, yarn1Files(), lock, manifest, func(written string) int {
			l, err := parseYarnLock("written", []byte(written))
			if err != nil {
				t.Fatalf("%v\n%s", err, written)
			}
			found := map[string]bool{}
			for _, e := range l.entries {
				found[e.resolved] = true
			}
			return len(found)
		})
	})
}

// FuzzBerryLock does so for yarn 2 and later.
func FuzzBerryLock(f *testing.F) {
	f.Add(berrySample, berryFiles()["package.json"])
	f.Add("__metadata:\n  version: 6\n  cacheKey: 8\n", `{}`)
	f.Fuzz(func(t *testing.T, lock, manifest string) {
		if !isBerry([]byte(lock)) {
			return
		}
		fuzzYarn(t, berryFiles(), lock, manifest, func(written string) int {
			l, err := parseBerryLock("written", []byte(written))
			if err != nil {
				t.Fatalf("%v\n%s", err, written)
			}
			return len(l.entries)
		})
	})
}

func fuzzYarn(t *testing.T, files map[string]string, lock, manifest string, written func(string) int) {
	files["yarn.lock"], files["package.json"] = lock, manifest
	target := yarnTarget(runtimes.X86_64)
	s, err := readYarnFiles(mapFS(files), target)
	if err != nil {
		var incomplete *runtimes.Incomplete
		if err.Error() == "" || errors.As(err, &incomplete) {
			t.Fatalf("%v", err)
		}
		return
	}
	if len(s.packages) == 0 {
		return
	}
	remote := 0
	for _, p := range s.packages {
		if p.Name == "" || p.Version == "" {
			t.Fatalf("%+v", p)
		}
		if p.File.Local == nil {
			remote++
		}
	}
	text := keyed(t, s, target)["/layerbuild/project/yarn.lock"]
	if strings.ContainsRune(text, '\x00') {
		return
	}
	if n := written(text); n < remote {
		t.Fatalf("%d packages, and the written lock file has %d\n%s", remote, n, text)
	}
}
