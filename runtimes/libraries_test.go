package runtimes

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestLacks(t *testing.T) {
	added, _ := Lookup("python3.13")
	added.Libraries = "libpq.so.5 libldap.so.2"
	unknown := Info{Name: "python3.15", Family: "python", Version: "3.15", OS: "al2027"}
	for _, test := range []struct {
		runtime any // a name, or an Info
		library string
		want    bool
	}{
		{"python3.11", "libc.so.6", false},
		{"python3.11", "libssl.so.10", false},
		{"python3.11", "libssl.so.3", true},
		{"python3.13", "libssl.so.10", true},
		{"python3.13", "libssl.so.3", false},
		{"python3.13", "libcrypt.so.1", true},
		{"python3.13", "libgomp.so.1", true},
		{"python3.13", "libpython3.13.so.1.0", false},
		{"python3.13", "libpython3.12.so.1.0", true},
		{"nodejs22.x", "libpython3.13.so.1.0", true},
		{"java21", "libjvm.so", false},
		{"nodejs22.x", "libjvm.so", true},
		{"provided.al2023", "libz.so.1", false},
		{"provided.al2023", "libpq.so.5", true},
		{"python3.7", "libpq.so.5", false}, // of Amazon Linux 1 nothing is known
		{unknown, "libpq.so.5", false},
		{added, "libldap.so.2", false},
		{added, "libpq.so", true},
	} {
		info, ok := test.runtime.(Info)
		if !ok {
			info, _ = Lookup(test.runtime.(string))
		}
		if got := info.Lacks(test.library); got != test.want {
			t.Errorf("%s lacks %s: %t, want %t", info.Name, test.library, got, test.want)
		}
	}
}

// TestLibraries: the table names each library once, for each system of the
// runtimes that are not long gone, and was reviewed when the documentation says.
func TestLibraries(t *testing.T) {
	for os, names := range librariesOf {
		sorted := slices.Sorted(slices.Values(names))
		if once := slices.Compact(slices.Clone(sorted)); len(once) != len(names) {
			t.Errorf("%s: a library is there twice", os)
		}
		for _, name := range names {
			if !strings.Contains(name, ".so") {
				t.Errorf("%s: %q is no library", os, name)
			}
		}
	}
	for _, info := range Table() {
		if _, known := librariesOf[info.OS]; !known && info.OS != "al1" {
			t.Errorf("%s: nothing is known of %s", info.Name, info.OS)
		}
	}
	doc, err := os.ReadFile("../doc/runtimes.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), "`runtimes/libraries.go`, reviewed on "+librariesReviewed) {
		t.Errorf("doc/runtimes.md was not reviewed on %s", librariesReviewed)
	}
}
