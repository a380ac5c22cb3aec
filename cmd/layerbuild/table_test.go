package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/layerbuild/layerbuild/builder"
)

func sampleResult(t *testing.T) *builder.Result {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	api := builder.TargetID{Layer: "api", Runtimes: []string{"python3.13"}, Arches: []string{"arm64"}}
	return &builder.Result{
		Index:   filepath.Join(wd, ".layerbuild", "dist", "layers.json"),
		Elapsed: 61 * time.Second,
		Layers: []builder.Built{
			{TargetID: api, Packages: 21, ZipSize: 48_312_345, Unzipped: 145_000_000, Elapsed: 4120 * time.Millisecond},
			{TargetID: builder.TargetID{Layer: "worker", Runtimes: []string{"python3.13"}, Arches: []string{"x86_64"}},
				Packages: 2, ZipSize: 999, Unzipped: 999_960, Hit: true, Elapsed: time.Millisecond},
			{TargetID: builder.TargetID{Layer: "worker", Runtimes: []string{"python3.13"}, Arches: []string{"arm64"}},
				Packages: 2, ZipSize: 999, Unzipped: 999_960, SameAs: &api},
			{TargetID: builder.TargetID{Layer: strings.Repeat("long-name-", 14),
				Runtimes: []string{"python3.12", "python3.13"}, Arches: []string{"x86_64", "arm64"}},
				Packages: 1234, ZipSize: 240_000_000, Unzipped: 262_144_000, Elapsed: 3599 * time.Second},
		},
	}
}

func TestWriteResult(t *testing.T) {
	var plain, coloured bytes.Buffer
	if err := writeResult(&plain, sampleResult(t), false, 1000); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/result.golden", plain.String())
	for _, line := range strings.Split(plain.String(), "\n") {
		if n := utf8.RuneCountInString(line); n > 110 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if err := writeResult(&coloured, sampleResult(t), true, 1000); err != nil {
		t.Fatal(err)
	}
	without := strings.NewReplacer("\x1b[1m", "", "\x1b[33m", "", "\x1b[0m", "").Replace(coloured.String())
	if without != plain.String() || without == coloured.String() {
		t.Errorf("colour changes more than colour:\n%s", &coloured)
	}
}

// TestNarrowResult: a table that does not fit loses what matters less.
func TestNarrowResult(t *testing.T) {
	for width, lost := range map[int]string{200: "", 98: "PKGS", 90: "PKGS TIME", 80: "PKGS TIME ZIPPED"} {
		var out bytes.Buffer
		if err := writeResult(&out, sampleResult(t), false, width); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(line) - 1; n > width {
				t.Errorf("%d columns for %d: %s", n, width, line)
			}
		}
		for _, c := range resultColumns {
			title, _, _ := strings.Cut(out.String(), "\n")
			if has := slices.Contains(strings.Fields(title), strings.Fields(c.title)[0]); has == strings.Contains(lost, c.title) {
				t.Errorf("width %d: column %s", width, c.title)
			}
		}
	}
}

func TestWritePlan(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	arm := builder.TargetID{Layer: "api", Runtimes: []string{"python3.13"}, Arches: []string{"arm64"}}
	x86 := builder.TargetID{Layer: "api", Runtimes: []string{"python3.13"}, Arches: []string{"x86_64"}}
	boto := builder.PlannedPackage{Name: "boto3", Version: "1.40.1", File: "boto3-1.40.1-py3-none-any.whl"}
	key := strings.Repeat("0123456789abcdef", 4)
	plan := &builder.Plan{Targets: []builder.PlannedTarget{
		{TargetID: arm, LockFile: "services/api/uv.lock", Prebuilt: true, Engine: "direct", EngineWhy: "asked for", Key: key,
			MissWhy: "no entry", Output: filepath.Join(wd, "dist", "api-python3.13-arm64.zip"), Notes: []string{"requirements.txt is not read"},
			Packages: []builder.PlannedPackage{boto, {Name: "typing-extensions", Version: "4.15.0", File: "typing_extensions-4.15.0-py3-none-any.whl"}}},
		{TargetID: x86, LockFile: "services/api/uv.lock", Prebuilt: true, Engine: "direct", Key: key, Hit: true,
			Output: "/elsewhere/api.zip", SameAs: &arm, Packages: []builder.PlannedPackage{boto}},
		{TargetID: builder.TargetID{Layer: "old", Runtimes: []string{"python3.11"}, Arches: []string{"arm64"}},
			LockFile: "old/uv.lock", EngineWhy: "packages must be compiled, which is not built yet: docopt",
			Packages: []builder.PlannedPackage{{Name: "docopt", Version: "0.6.2", Missing: "it has no wheel"}}},
	}}
	var out bytes.Buffer
	if err := writePlan(&out, plan); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/plan.golden", out.String())
}

func TestTimingsTable(t *testing.T) {
	result := sampleResult(t)
	ms := time.Millisecond
	for i := range result.Layers {
		result.Layers[i].Timings = &builder.Timings{Resolve: 400 * time.Microsecond, Deliver: 12 * ms}
	}
	result.Layers[0].Timings = &builder.Timings{Resolve: 1200 * ms, Download: 452 * ms, Install: 1700 * ms,
		Normalise: 133 * ms, Zip: 125 * time.Second, Verify: 1300 * ms, Store: 44 * ms, Deliver: 86 * ms}
	golden(t, "testdata/timings.golden", timingsTable(result, 1000)+"\n\n"+timingsTable(result, 80)+"\n")
}
