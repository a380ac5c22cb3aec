package main

import "testing"

func TestVersions(t *testing.T) {
	for _, test := range []struct{ text, want, python string }{
		{"1.2.0", "1.2.0", "1.2.0"},
		{"v1.2.0", "1.2.0", "1.2.0"},
		{"v1.2.0-alpha.1", "1.2.0-alpha.1", "1.2.0a1"},
		{"1.2.0-beta.10", "1.2.0-beta.10", "1.2.0b10"},
		{"1.2.0-rc.2", "1.2.0-rc.2", "1.2.0rc2"},
		{"0.1.0-dev.412", "0.1.0-dev.412", "0.1.0.dev412"},
		{"1.2", "", ""},
		{"1.2.0-rc1", "", ""},
		{"01.2.0", "", ""},
		{"1.2.0+linux", "", ""},
		{"", "", ""},
	} {
		got, err := parseVersion(test.text)
		if string(got) != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q: got %q, %v", test.text, got, err)
		}
		if err == nil && got.python() != test.python {
			t.Errorf("%q: got %q of Python", test.text, got.python())
		}
	}
}

func TestVersionOfGit(t *testing.T) {
	for text, want := range map[string]string{
		"v1.2.0-0-g0123abc":      "1.2.0",
		"v1.2.0-rc.1-0-g0123abc": "1.2.0-rc.1",
		"v1.2.9-31-g0123abc":     "1.2.10-dev.31",
		"v1.2.0-rc.1-3-g0123abc": "",
		"v1-0-g0123abc":          "",
		"0123abc":                "",
	} {
		if got, err := fromDescription(text); string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}
