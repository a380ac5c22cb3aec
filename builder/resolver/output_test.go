package resolver

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

var a, b = strings.Repeat("a1", 32), strings.Repeat("b2", 32)

func TestParseOutput(t *testing.T) {
	text := "# a comment\n" +
		"Pandas==3.1.1 ; python_full_version < '3.14' \\\n    --hash=sha256:" + b + " \\\n    --hash=sha256:" + strings.ToUpper(a) + "\n" +
		"fastapi[standard]==0.1 \\\n    --hash=sha256:" + a + " \\\n    --hash=md5:00\n" +
		"demo @ https://files.example/a;b/demo-1.0-py3-none-any.whl ; sys_platform == 'win32' \\\n    --hash=sha256:" + a + "\n"
	got, err := parseOutput([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []runtimes.Pinned{
		{Requirement: "demo @ https://files.example/a;b/demo-1.0-py3-none-any.whl ; sys_platform == 'win32'", SHA256: []string{a}},
		{Requirement: "fastapi==0.1", SHA256: []string{a}},
		{Requirement: "pandas==3.1.1 ; python_full_version < '3.14'", SHA256: []string{a, b}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	again, err := parseOutput([]byte(written(got)))
	if err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("written and read again: %q, %v", again, err)
	}
	if got, err := parseOutput([]byte(strings.ReplaceAll(text, "\n", "\r\n"))); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("with Windows' ends of lines: %q, %v", got, err)
	}
	if none, err := parseOutput(nil); err != nil || len(none) != 0 {
		t.Errorf("an empty answer: %v, %v", none, err)
	}
}

func written(pinned []runtimes.Pinned) string {
	var text strings.Builder
	for _, p := range pinned {
		writePinned(&text, p)
	}
	return text.String()
}

func TestParseOutputRefuses(t *testing.T) {
	hash := " --hash=sha256:" + a
	for _, text := range []string{
		"demo>=1" + hash,
		"demo" + hash,
		"demo==1.*" + hash,
		"--index-url https://packages.example" + hash,
		"demo==1 ; nonsense" + hash,
		"demo==1 --hash=sha256:123",
		"demo==1 --hash=sha256:" + strings.Repeat("zz", 32),
		"demo==1" + hash + "\nDemo==1" + hash,
	} {
		if got, err := parseOutput([]byte(text)); err == nil {
			t.Errorf("%q gives %q", text, got)
		}
	}
	var input *runtimes.InputError
	for _, text := range []string{"demo==1", "demo==1 --hash=md5:00"} {
		if _, err := parseOutput([]byte(text)); !errors.As(err, &input) || !strings.Contains(input.Problem, "demo==1") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPinned(t *testing.T) {
	if p := (runtimes.Pinned{Requirement: "demo==1 ; os_name == 'nt'", SHA256: []string{a}}); !pinned(p) {
		t.Errorf("%q is not taken", p)
	}
	for _, p := range []runtimes.Pinned{
		{Requirement: "demo>=1", SHA256: []string{a}},
		{Requirement: "-r /etc/passwd", SHA256: []string{a}},
		{Requirement: "demo==1\n-r /etc/passwd", SHA256: []string{a}},
		{Requirement: "demo @ https://evil.example/${HOME}", SHA256: []string{a}},
		{Requirement: "demo==1", SHA256: []string{a, "00\n-r /etc/passwd"}},
	} {
		if pinned(p) {
			t.Errorf("%q is taken", p)
		}
	}
}

func FuzzParseOutput(f *testing.F) {
	f.Add("demo==1.0 ; python_version < '3' \\\n    --hash=sha256:" + a + "\n")
	f.Add("a[b]==1!2.post3 --hash=sha256:" + a + " --hash=sha256:" + b)
	f.Add("a @ https://x.example/a;b ; os_name == 'nt' --hash=sha256:" + a)
	f.Fuzz(func(t *testing.T, text string) {
		first, err := parseOutput([]byte(text))
		if err != nil {
			return
		}
		again, err := parseOutput([]byte(written(first)))
		if err != nil || !reflect.DeepEqual(first, again) {
			t.Errorf("%q\nis read as %q\nand then as %q, %v", text, first, again, err)
		}
	})
}
