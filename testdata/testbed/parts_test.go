package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPartIsWholeOrMissing(t *testing.T) {
	tb := &testbed{cache: t.TempDir()}
	const name, key = "thing", "0123456789abcdef0123"
	broken := errors.New("broken")
	_, err := tb.part(name, key, func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o644); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("error %v, want %v", err, broken)
	}
	if left, _ := filepath.Glob(filepath.Join(tb.cache, "*", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	made := 0
	for range 2 {
		dir, err := tb.part(name, key, func(dir string) error {
			made++
			return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "whole")); err != nil {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("made %d times, want once", made)
	}
}

func TestRecipeKey(t *testing.T) {
	im := images[0]
	_, key, err := im.recipe(archs[0])
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := im.recipe(archs[1])
	if err != nil {
		t.Fatal(err)
	}
	if key == other {
		t.Error("both architectures have one key")
	}
	im.Packages = append([]string{"gcc"}, im.Packages...)
	if _, other, _ = im.recipe(archs[0]); key == other {
		t.Error("another package leaves the key as it was")
	}
	im = imageNamed("lambda/java:21")
	_, key, err = im.recipe(archs[0])
	if err != nil {
		t.Fatal(err)
	}
	im.From = "sam/build-java17:latest"
	if _, other, _ = im.recipe(archs[0]); key == other {
		t.Error("another image to begin with leaves the key as it was")
	}
	im.Scripts = []string{"missing.sh"}
	if _, _, err := im.recipe(archs[0]); err == nil {
		t.Error("a script that is not there: no error")
	}
}

// One image of each language is made for both architectures, and what compiles
// in one of them; all others are for the machine's own.
func TestArchsOf(t *testing.T) {
	for _, im := range images {
		want := archs
		if !slices.Contains([]string{"lambda/python:3.11", "lambda/nodejs:22", "lambda/java:21", "sam/build-python3.11:latest", "sam/build-java21:latest"}, im.String()) {
			want = []arch{native()}
		}
		if got := (&testbed{archs: archs}).archsOf(im); !slices.Equal(got, want) {
			t.Errorf("%s is made for %v, want %v", im, got, want)
		}
	}
}

// Two images of one part name would be made in each other's folder's stead.
func TestPartNamesDiffer(t *testing.T) {
	seen := make(map[string]image)
	for _, im := range images {
		for _, a := range archs {
			name := im.partName(a)
			if other, ok := seen[name]; ok {
				t.Errorf("%s and %s are both called %s", other, im, name)
			}
			seen[name] = im
		}
	}
}

// What a tag names in a recipe must be there, and made for as many architectures.
func TestFrom(t *testing.T) {
	tb := &testbed{archs: archs}
	for _, im := range images {
		if im.From == "" {
			continue
		}
		i := slices.IndexFunc(images, func(other image) bool { return other.String() == im.From })
		if i < 0 {
			t.Errorf("%s begins with %s, which is not in the list", im, im.From)
		} else if from := images[i]; len(tb.archsOf(from)) < len(tb.archsOf(im)) {
			t.Errorf("%s begins with %s, which is made for fewer architectures", im, from)
		}
	}
}

// Other content than the recipe's is no archive.
func TestFetchVerifies(t *testing.T) {
	dir := t.TempDir()
	tb := &testbed{cache: dir, state: dir}
	ar := archive{Registry: "npm", Name: "ms", Version: "2.1.3", Integrity: "sha512-" + strings.Repeat("A", 86) + "=="}
	_, err := tb.fetch(t.Context(), ar)
	if err == nil || !strings.Contains(err.Error(), "has integrity sha512-") {
		t.Errorf("error %v, want one about the integrity", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "archive-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestProcess(t *testing.T) {
	tb := &testbed{state: t.TempDir()}
	ctx := context.Background()
	ready := func(context.Context) error { return nil }
	if err := tb.start(ctx, "sleeper", "127.0.0.1:1", "x", []string{"sleep", "600"}, ready); err != nil {
		t.Fatal(err)
	}
	p := tb.recorded("sleeper")
	if !p.alive() {
		t.Fatal("not alive after start")
	}
	stale := p
	stale.Birth = "another boot 1"
	if stale.alive() {
		t.Error("another process with the same id is taken for ours")
	}
	if err := tb.stop(ctx, "sleeper"); err != nil {
		t.Fatal(err)
	}
	if p.alive() {
		t.Error("alive after stop")
	}
	if err := tb.forget("sleeper"); err != nil {
		t.Fatal(err)
	}
	if tb.recorded("sleeper") != (process{}) {
		t.Error("remembered after forget")
	}
}

func TestProcessThatDies(t *testing.T) {
	tb := &testbed{state: t.TempDir()}
	never := func(context.Context) error { return errors.New("not ready") }
	err := tb.start(context.Background(), "broken", "", "", []string{"sh", "-c", "echo the reason; exit 3"}, never)
	if err == nil || !strings.Contains(err.Error(), "the reason") || !strings.Contains(err.Error(), tb.log("broken")) {
		t.Errorf("error %v, want the reason and the log's place", err)
	}
}

func TestUsable(t *testing.T) {
	tests := []struct {
		entry string
		want  bool
	}{
		{"enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: POF\noffset 0\n", true},
		{"enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: OC\noffset 0\n", false},
		{"disabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: POF\n", false},
		{"", false},
	}
	for _, tt := range tests {
		if got := usable([]byte(tt.entry)); got != tt.want {
			t.Errorf("usable(%q) = %t, want %t", tt.entry, got, tt.want)
		}
	}
}

func TestCerts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	_, first, err := makeCerts(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, again, _ := makeCerts(dir); again != first {
		t.Error("made anew though good")
	}
	if err := os.Remove(filepath.Join(dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	if _, other, _ := makeCerts(dir); other == first || other == "" {
		t.Errorf("fingerprint %q after the loss of ca.pem, first %q", other, first)
	}
}
