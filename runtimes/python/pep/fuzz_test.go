package pep

import (
	"reflect"
	"testing"
)

func FuzzVersion(f *testing.F) {
	for _, s := range []string{"1", "v1!2.0.3-Alpha_04.post5-dev+U.0-07", "1.0-1", "2.2.6rc1", "1.dev", "20240131123456789012345"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err != nil {
			return
		}
		w, err := ParseVersion(v.String())
		if err != nil || !reflect.DeepEqual(v, w) || w.Compare(v) != 0 {
			t.Fatalf("%q prints as %s, which is %s (%v)", s, v, w, err)
		}
	})
}

func FuzzMarker(f *testing.F) {
	for _, s := range []string{
		`python_version < "3.11" and (sys_platform == 'linux' or os.name != "nt")`,
		`extra == 'x' or "y" in extras and 'dev' not in dependency_groups`,
		`((python_implementation ~= '"'))`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMarker(s)
		if err != nil {
			return
		}
		n, err := ParseMarker(m.String())
		if err != nil || !reflect.DeepEqual(m, n) {
			t.Fatalf("%q prints as %s, which is %s (%v)", s, m, n, err)
		}
		m.Eval(Environment{PythonVersion: "3.11", PythonFullVersion: "3.11.14", Extras: []string{"x", "y"}})
	})
}

func FuzzRequirement(f *testing.F) {
	for _, s := range []string{
		`Foo.Bar[b, A_a] >= 1.0 , < 2; python_version in "3.9 3.10"`,
		`a @ https://files.example/a-1-py3-none-any.whl#sha256=00 ; os_name == "posix"`,
		`x(===1.0-weird,)`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRequirement(s)
		if err != nil {
			return
		}
		q, err := ParseRequirement(r.String())
		if err != nil || !reflect.DeepEqual(r, q) {
			t.Fatalf("%q prints as %s, which is %s (%v)", s, r, q, err)
		}
	})
}

func FuzzWheel(f *testing.F) {
	for _, s := range []string{
		"numpy-2.2.6-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
		"a_b-1!2.0+l-1abc-py2.py3-none-any.whl",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, err := ParseWheel(s)
		if err != nil {
			return
		}
		if w.Name == "" || w.Version.IsZero() || len(w.Tags) == 0 || len(w.Tags) > maxTags {
			t.Fatalf("%q: %+v", s, w)
		}
		if v, err := ParseVersion(w.Version.String()); err != nil || v.Compare(w.Version) != 0 {
			t.Fatalf("%q: version %s: %v", s, w.Version, err)
		}
	})
}
