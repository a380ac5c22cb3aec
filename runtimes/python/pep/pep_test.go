package pep

import (
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestNormaliseName(t *testing.T) {
	for in, want := range map[string]string{
		"requests": "requests", "Zope.Interface": "zope-interface", "a-._B": "a-b", "x__y-2": "x-y-2", "a--b": "a-b", "": "",
	} {
		if got := NormaliseName(in); got != want {
			t.Errorf("NormaliseName(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestMarkerOwnRules holds what Marker does otherwise than `packaging`.
func TestMarkerOwnRules(t *testing.T) {
	lambda, ok := runtimes.Lookup("python3.11")
	if !ok {
		t.Fatal("no python3.11")
	}
	env := EnvironmentFor(runtimes.Target{Runtime: lambda, Arch: runtimes.ARM64, Extras: []string{"S3", "web_ui"}, Groups: []string{"dev"}})
	env.PlatformRelease = "5.10.240-238.955.amzn2"
	for marker, want := range map[string]bool{
		`extra == "s3"`:     true,
		`extra == "web.UI"`: true,
		`extra != "s3"`:     false,
		`extra != "x"`:      true,
		`"web-ui" in extras and "x" not in extras`:     true,
		`"Dev" in dependency_groups`:                   true,
		`platform_release >= "4.0"`:                    true, // of strings
		`platform_release ~= "4.0"`:                    false,
		`platform_machine == "aarch64"`:                true,
		`platform_machine == "1.0"`:                    false,
		`python_full_version >= "3.11.4"`:              true,
		`python_version >= "3.9"`:                      true, // not of strings
		`os_name == "a" or os_name == "posix"`:         true,
		`os_name == "a" and (os_name == "b" or 1 == 1`: false, // an error
	} {
		m, err := ParseMarker(marker)
		if (err != nil) != strings.Contains(marker, "1 == 1") {
			t.Errorf("ParseMarker(%q): %v", marker, err)
			continue
		}
		if err == nil && m.Eval(env) != want {
			t.Errorf("%s is %t, want %t", marker, !want, want)
		}
	}
	for marker, want := range map[string]string{
		"":                         "expected a marker variable",
		`extras == "x"`:            "are sets",
		`"x" == extras`:            "are sets",
		`extra == extra`:           "with itself",
		`os_name == 'a\b'`:         "cannot have",
		`os_name "x"`:              "expected a comparison",
		`os_name == "x`:            "no closing quote",
		`os_name == "x" os_name`:   "expected the end",
		strings.Repeat("(", 100):   "parentheses",
		`a == "` + longText + `"`:  "longer than",
		`os_name not "x"`:          "in after not",
		`(os_name == "x"`:          "not closed",
		`python_versions > "3.10"`: "marker variable",
	} {
		if _, err := ParseMarker(marker); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseMarker(%.40q): %v, want %q in it", marker, err, want)
		} else if len(err.Error()) > 1000 {
			t.Errorf("ParseMarker(%.40q): a message of %d bytes", marker, len(err.Error()))
		}
	}
	if zero := (Marker{}); !zero.Eval(env) || zero.String() != "" || !zero.IsZero() {
		t.Error("the zero Marker is not always true")
	}
}

var longText = strings.Repeat("x", maxMarker)

func TestMarkerString(t *testing.T) {
	for in, want := range map[string]string{
		`((os.name=='a'))`:               `os_name == "a"`,
		`os_name=="a" and(os_name=="b")`: `os_name == "a" and os_name == "b"`,
		`os_name == '"' and (os_name == "b" or ("c" in os_name and os_name not  in "d"))`: `os_name == '"' and (os_name == "b" or "c" in os_name and os_name not in "d")`,
	} {
		m, err := ParseMarker(in)
		if err != nil || m.String() != want {
			t.Errorf("ParseMarker(%q) prints %s, %v, want %s", in, m, err, want)
		}
	}
	parse := func(s string) Marker {
		m, err := ParseMarker(s)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a, or := parse(`os_name == "a"`), parse(`os_name == "b" or os_name == "c"`)
	if got, want := a.And(or).And(Marker{}).String(), `os_name == "a" and (os_name == "b" or os_name == "c")`; got != want {
		t.Errorf("And prints %s, want %s", got, want)
	}
}

func TestPinned(t *testing.T) {
	for in, want := range map[string]string{
		"==1.0": "1.0", " == 1.0+local": "1.0+local", "===1.0.Post1": "1.0.post1", "===1.0-1": "",
		"==1.*": "", "===any": "", ">=1": "", "==1,!=2": "", "": "",
	} {
		s, err := ParseSpecifiers(in)
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := s.Pinned(); v.String() != want || ok != (want != "") {
			t.Errorf("%q is pinned to %q, %t, want %q", in, v, ok, want)
		}
	}
}

// TestCompatibleSpelling holds that ~= means a version and not its spelling.
func TestCompatibleSpelling(t *testing.T) {
	for _, text := range []string{"~=2.2.post1", "~=2.2.rev1", "~=2.2-1", "~=v2.2.POST1"} {
		s, err := ParseSpecifiers(text)
		if err != nil {
			t.Fatal(err)
		}
		for version, want := range map[string]bool{"2.2": false, "2.2.post1": true, "2.9": true, "3.0": false} {
			if got := s.Contains(mustVersion(t, version)); got != want {
				t.Errorf("%s contains %s: %t, want %t", text, version, got, want)
			}
		}
	}
}

func TestBuildOrder(t *testing.T) {
	ordered := []string{"a-1-py3-none-any.whl", "a-1-0-py3-none-any.whl", "a-1-2-py3-none-any.whl", "a-1-2b-py3-none-any.whl", "a-1-10-py3-none-any.whl"}
	for i := 1; i < len(ordered); i++ {
		v, err := ParseWheel(ordered[i-1])
		if err != nil {
			t.Fatal(err)
		}
		w, err := ParseWheel(ordered[i])
		if err != nil {
			t.Fatal(err)
		}
		if v.Build.Compare(w.Build) != -1 || w.Build.Compare(v.Build) != 1 {
			t.Errorf("%s does not sort before %s", ordered[i-1], ordered[i])
		}
	}
}

func TestWheelBounds(t *testing.T) {
	many := strings.Repeat("py3.", 100) + "py3"
	for name, want := range map[string]string{
		"a-1-" + many + "-" + many + "-any.whl": "more than",
		"-1-py3-none-any.whl":                   "not a project's name",
		"a-1-py3-none-any.zip":                  ".whl",
		"a-1-py3-none.whl":                      "parts",
	} {
		if _, err := ParseWheel(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseWheel(%.40q): %v, want %q in it", name, err, want)
		}
	}
}
