package wheel

import (
	"bytes"
	"strings"
	"testing"
)

func TestSplitDistInfo(t *testing.T) {
	for _, test := range []struct{ folder, name, version string }{
		{"numpy-2.2.6.dist-info", "numpy", "2.2.6"},
		{"Flask_Cors-4.0.0.dist-info", "flask-cors", "4.0.0"},
		{"ruamel.yaml.clib-0.2.8.dist-info", "ruamel-yaml-clib", "0.2.8"},
		{"torch-2.0+cpu.dist-info", "torch", "2.0+cpu"},
		{"numpy.dist-info", "", ""},
		{"numpy-.dist-info", "", ""},
		{"-1.0.dist-info", "", ""},
		{"numpy-2.2.6", "", ""},
	} {
		name, version, ok := SplitDistInfo(test.folder)
		if name != test.name || version != test.version || ok != (test.name != "") {
			t.Errorf("SplitDistInfo(%q) = %q, %q, %v", test.folder, name, version, ok)
		}
	}
}

func TestSplitFileName(t *testing.T) {
	for _, test := range []struct{ name, file, version string }{
		{"numpy", "numpy-2.2.6-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "2.2.6"},
		{"numpy", "numpy-2.2.6-1-cp311-cp311-any.whl", "2.2.6"},
		{"numpy", "numpy-2.2.6.tar.gz", "2.2.6"},
		{"numpy", "numpy_financial-2.2.6.tar.gz", ""},
		{"python-dateutil", "python-dateutil-2.9.0.post0.tar.gz", "2.9.0.post0"},
		{"python-dateutil", "python_dateutil-2.9.0.post0-py2.py3-none-any.whl", "2.9.0.post0"},
		{"python", "python-dateutil-2.9.0.zip", "dateutil-2.9.0"},
		{"numpy", "numpy-2.2.6.exe", ""},
		{"numpy", "numpy-2.2.6.whl", ""},
		{"numpy", "numpy-.zip", ""},
	} {
		version, ok := SplitFileName(test.name, test.file)
		if version != test.version || ok != (test.version != "") {
			t.Errorf("SplitFileName(%q, %q) = %q, %v", test.name, test.file, version, ok)
		}
	}
}

func TestSameVersion(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"1.0", "1.0", true},
		{"1.0", "1.0.0", true},
		{"1.0_1", "1.0.post1", true},
		{"2.0.RC1", "2.0rc1", true},
		{"1.0", "1.0.1", false},
		{"2.0+cpu", "2.0", false},
		{"2.0+cpu", "2.0+cu118", false},
		{"1!2.0", "2.0", false},
		{"not a version", "Not_a version", false},
		{"2012h-x", "2012H_x", true},
	} {
		if got := SameVersion(test.a, test.b); got != test.same {
			t.Errorf("SameVersion(%q, %q) = %v", test.a, test.b, got)
		}
	}
}

func TestRelative(t *testing.T) {
	for _, test := range []struct{ site, file, want string }{
		{"lib/python3.11/site-packages", "lib/python3.11/site-packages/a/b.py", "a/b.py"},
		{"lib/python3.11/site-packages", "bin/x", "../../../bin/x"},
		{"lib/python3.11/site-packages", "lib/x", "../../x"},
		{"python/lib/python3.11/site-packages", "bin/x", "../../../../bin/x"},
		{"python", "bin/x", "../bin/x"},
		{"python", "python/bin/x", "bin/x"},
	} {
		if got := Relative(test.site, test.file); got != test.want {
			t.Errorf("Relative(%q, %q) = %q, want %q", test.site, test.file, got, test.want)
		}
	}
}

const sum = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"

func TestParseRecord(t *testing.T) {
	for _, test := range []struct{ name, record, problem string }{
		{"plain", "a.py,sha256=" + sum + ",0\nx.dist-info/RECORD,,\n", ""},
		{"CRLF, padding, quotes", "\"a,b\"\"c.py\",sha256=" + sum + "=,0\r\n", ""},
		{"no final newline", "a.py,sha256=" + sum + ",0", ""},
		{"empty", "", ""},
		{"weak hash", "a.py,md5=1B2M2Y8AsgTpgAmY7PhCfg,0\n", `"md5" is weak`},
		{"short hash", "a.py,sha256=47DE,0\n", "no sha256 hash"},
		{"no algorithm", "a.py," + sum + ",0\n", "no algorithm"},
		{"two fields", "a.py,\n", "2 fields"},
		{"negative size", "a.py,,-1\n", "no size"},
		{"no path", ",,\n", "no path"},
		{"open quote", "\"a.py,,\n", "quote"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseRecord([]byte(test.record))
			if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
				t.Errorf("error %v, want %q", err, test.problem)
			}
		})
	}
}

// FuzzRecord holds that what is written is what was read.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("a.py,sha256=" + sum + ",0\nx.dist-info/RECORD,,\n"))
	f.Add([]byte("\"a,\"\"\n b\",,7\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := ParseRecord(data)
		if err != nil {
			return
		}
		first, err := FormatRecord(entries)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseRecord(first)
		if err != nil {
			t.Fatalf("%v in %q", err, first)
		}
		second, err := FormatRecord(again)
		if err != nil || !bytes.Equal(first, second) || len(again) != len(entries) {
			t.Fatalf("%q became %q, %v", first, second, err)
		}
	})
}
