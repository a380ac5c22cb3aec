package python

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseEntryPoints(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []entryPoint
		problem    string
	}{
		{"plain", "[console_scripts]\nx = a.b:c\n", []entryPoint{{"x", "a.b", "c"}}, ""},
		{"all forms", "# note\n; note\n\n[other]\nx = no:matter (\n[ console_scripts ]\r\n x-1.y=a : b.c [extra,more]\r\n[gui_scripts]\nz=é:ü",
			[]entryPoint{{"x-1.y", "a", "b.c"}, {"z", "é", "ü"}}, ""},
		{"none", "", nil, ""},
		{"no function", "[console_scripts]\nx = a.b\n", nil, "line 2"},
		{"no value", "[console_scripts]\nx\n", nil, "line 2"},
		{"no name", "[console_scripts]\n= a:b\n", nil, "name of a command"},
		{"path as name", "[console_scripts]\n../x = a:b\n", nil, "name of a command"},
		{"dots as name", "[console_scripts]\n.. = a:b\n", nil, "name of a command"},
		{"code as function", "[console_scripts]\nx = a:b();evil\n", nil, "module:function"},
		{"code as module", "[console_scripts]\nx = a\u2028import b:c\n", nil, "module:function"},
		{"digit first", "[console_scripts]\nx = a:1b\n", nil, "module:function"},
		{"empty part", "[console_scripts]\nx = a..b:c\n", nil, "module:function"},
		{"not UTF-8", "[console_scripts]\nx = a:\xff\n", nil, "UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseEntryPoints([]byte(test.text))
			if !contains(err, test.problem) || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestPythonLine(t *testing.T) {
	for _, test := range []struct{ head, rest string }{
		{"#!python\nx", "x"},
		{"#!pythonw\nx", "x"},
		{"#!python -E\r\nx", "x"},
		{"#!python\rx", "x"},
		{"#!python3.7\nx", "x"},
		{"#!python", ""},
		{"#!/var/lang/bin/python3.11\nx", "x"},
		{"#!/usr/bin/python\nx", "x"},
		{"#!/usr/bin/python -E\nx", "#!/usr/bin/python -E\nx"},
		{"#!/usr/bin/env python\nx", "#!/usr/bin/env python\nx"},
		{"#!/bin/sh\nx", "#!/bin/sh\nx"},
		{"\x7fELF", "\x7fELF"},
		{"", ""},
	} {
		if got := test.head[pythonLine([]byte(test.head)):]; got != test.rest {
			t.Errorf("%q leaves %q, want %q", test.head, got, test.rest)
		}
	}
}

// FuzzEntryPoints holds that nothing but names gets into a command.
func FuzzEntryPoints(f *testing.F) {
	f.Add([]byte("[console_scripts]\nx = a.b:c.d [extra]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		points, err := parseEntryPoints(data)
		if err != nil && points != nil {
			t.Errorf("entry points beside the error %v", err)
		}
		for _, p := range points {
			if strings.ContainsAny(p.Name, "/\\\x00\n") || strings.ContainsAny(p.Module+p.Attr, " ();\"'\n\r\t#") {
				t.Errorf("%+v", p)
			}
		}
	})
}
