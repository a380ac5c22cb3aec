package builder

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const wholeLock = lockHeader + `version: 1
images:
  registry.example/python:3.11: ` + digest + `
tools:
  uv:
    version: 1.2.3
    files:
      uv-1.2.3-py3-none-manylinux_2_17_aarch64.whl: ` + digest + `
      uv-1.2.3-py3-none-manylinux_2_17_x86_64.whl: ` + digest + `
requirements:
  services/api/requirements.txt:
    input: ` + digest + `
    for: [python3.11 arm64, python3.11 x86_64]
    packages:
      numpy==2.2.6 ; python_full_version < '3.12':
        - ` + digest + `
      six==1.17.0:
        - ` + digest + `
        - ` + digest2 + `
builds:
  docopt 0.6.2:
    input: ` + digest + `
    for: [python3.11 arm64, python3.11 x86_64]
    packages:
      setuptools==80.9.0:
        - ` + digest + `
`

const digest2 = "sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// TestPinsRoundTrip: layerbuild.lock has one form.
func TestPinsRoundTrip(t *testing.T) {
	pins, err := parsePins(LockName, []byte(wholeLock))
	if err != nil {
		t.Fatal(err)
	}
	if pins.Images["registry.example/python:3.11"] != digest || len(pins.Tools["uv"].Files) != 2 || pins.Tools["uv"].Version != "1.2.3" {
		t.Errorf("got %+v", pins)
	}
	again, err := formatPins(pins)
	if err != nil || string(again) != wholeLock {
		t.Errorf("got (%v)\n%s\nwant\n%s", err, again, wholeLock)
	}
}

func TestPinsRefused(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":            {"", "it is empty"},
		"a newer version":  {strings.Replace(wholeLock, "version: 1", "version: 2", 1), "version 2"},
		"no version":       {"images: {}\n", "version 0"},
		"an unknown field": {wholeLock + "other: 1\n", "other"},
		"a short digest":   {strings.Replace(wholeLock, digest, "sha256:0123", 1), "is no digest"},
		"a merge conflict": {wholeLock + "<<<<<<< HEAD\n", LockName + ":28: holds a merge conflict"},
		"no hash":          {strings.Replace(wholeLock, "setuptools==80.9.0:\n        - "+digest, "setuptools==80.9.0: []", 1), "setuptools==80.9.0 has no hash"},
		"a wrong hash":     {strings.Replace(wholeLock, digest2, "sha256:zz", 1), "six==1.17.0: \"sha256:zz\" is no digest"},
		"a wrong input":    {strings.Replace(wholeLock, "input: "+digest, "input: 1", 1), "input: \"1\" is no digest"},
		"cut in half":      {wholeLock[:len(wholeLock)-100], LockName + ":"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parsePins(LockName, []byte(test.text))
			var input *runtimes.InputError
			if !errors.As(err, &input) || input.Hint == "" || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an input error with a hint that says %q", err, test.want)
			}
		})
	}
}

// TestPinsOfNewer: a newer lock file is no broken one, which one would delete.
func TestPinsOfNewer(t *testing.T) {
	_, err := parsePins(LockName, []byte("version: 2\nother: {}\n"))
	var input *runtimes.InputError
	if !errors.As(err, &input) || input.Hint != "a newer layerbuild wrote it: upgrade layerbuild" {
		t.Errorf("got %+v", err)
	}
}

func FuzzPins(f *testing.F) {
	f.Add([]byte(wholeLock))
	f.Add([]byte("version: 1\nimages: {a: b}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		pins, err := parsePins(LockName, data)
		if err != nil {
			return
		}
		text, err := formatPins(pins)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parsePins(LockName, text)
		if err != nil || !reflect.DeepEqual(pins, again) {
			t.Errorf("%q is read as %+v, and what that is written as, as %+v (%v)", data, pins, again, err)
		}
		if text2, _ := formatPins(again); !bytes.Equal(text, text2) {
			t.Errorf("two forms: %q and %q", text, text2)
		}
	})
}

func TestNameVersion(t *testing.T) {
	for text, want := range map[string]string{
		"numpy==2.2.6 ; python_version == '3.11'": "numpy 2.2.6",
		"a[x]==1":                    "a 1",
		"org.slf4j:slf4j-api:2.0.17": "org.slf4j:slf4j-api 2.0.17",
		"io.netty:epoll:4.1:linux-x86_64 ; java21 arm64": "io.netty:epoll 4.1:linux-x86_64",
	} {
		if name, version := nameVersion(text); name+" "+version != want {
			t.Errorf("%q is %s %s, want %s", text, name, version, want)
		}
	}
}
