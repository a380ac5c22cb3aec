package pyc

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// TestSipHash holds the hash against CPython's own test of either algorithm.
func TestSipHash(t *testing.T) {
	for rounds, want := range map[int]string{2: "c6e75a0d033a7dab", 1: "fbd94705af249b7e"} {
		if got := fmt.Sprintf("%x", binary.LittleEndian.AppendUint64(nil, sipHash(42, []byte("hi"), rounds))); got != want {
			t.Errorf("%d rounds: got %s, want %s", rounds, got, want)
		}
	}
}

// TestSourceHash holds the hash against what importlib.util.source_hash of each
// Python gives.
func TestSourceHash(t *testing.T) {
	for _, test := range []struct{ python, source, want string }{
		{"3.8", "", "81e4881b3643e8e9"},
		{"3.8", "x = 1\n", "1506f08f32bf3ff3"},
		{"3.9", "", "ac0bb7c83e5b1c5f"},
		{"3.9", "x = 1\n", "f1d665a9e50fdffa"},
		{"3.10", "", "8cc0cd2525e7fd27"},
		{"3.10", "x = 1\n", "d94aade28c8cbebf"},
		{"3.11", "", "738d9cd5d5e87f73"},
		{"3.11", "x", "c2b4883120da9471"},
		{"3.11", "1234567", "771b330c6bae621e"},
		{"3.11", "12345678", "34289d744291b0e4"},
		{"3.11", "123456789", "e137ee97cf87c192"},
		{"3.11", "print('hello')\n", "de8f2668cdc2c7b5"},
		{"3.12", "", "baf18eedc9387a25"},
		{"3.12", "x = 1\n", "1522561917f5df08"},
		{"3.13", "", "27ec6d312f93b814"},
		{"3.13", "x = 1\n", "e786e2893651120e"},
	} {
		number, _ := Number(test.python)
		magic := uint32(number) | '\r'<<16 | '\n'<<24
		if got := fmt.Sprintf("%x", binary.LittleEndian.AppendUint64(nil, SourceHash(magic, []byte(test.source)))); got != test.want {
			t.Errorf("Python %s, %q: got %s, want %s", test.python, test.source, got, test.want)
		}
	}
}

func TestModule(t *testing.T) {
	for name, want := range map[string]string{
		"a/__pycache__/m.cpython-313.pyc":         "a/m.py cpython-313",
		"__pycache__/m.cpython-39.pyc":            "m.py cpython-39",
		"a/__pycache__/m.cpython-313.opt-2.pyc":   "a/m.py cpython-313",
		"a/__pycache__/m.n.cpython-313.pyc":       "a/m.n.py cpython-313",
		"__pycache__/b/__pycache__/m.pypy310.pyc": "__pycache__/b/m.py pypy310",
		"a/m.pyc":                                    "",
		"a/__pycache__/m.pyc":                        "",
		"a/__pycache__/m.cpython-313.nbi":            "",
		"a/__pycache__/b/m.cpython-313.pyc":          "",
		"a__pycache__/m.cpython-313.pyc":             "",
		"a/__pycache__/conftest.cpython-313-x.pyc.1": "",
	} {
		got := ""
		if source, tag, ok := Module(name); ok {
			got = source + " " + tag
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	data := []byte("\xf3\x0d\x0d\x0a\x03\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08code")
	h, err := Parse(data)
	if err != nil || h.Number() != 0xdf3 || h.Flags != ByHash|Checked || h.Size() != 0x08070605 || h.Hash() != 0x0807060504030201 {
		t.Errorf("got %+v, %v", h, err)
	}
	for _, bad := range []string{"", string(data[:HeadSize-1]), "0123456789abcdef"} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
