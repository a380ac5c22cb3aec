package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func read(t *testing.T, text string) ([]Mirror, error) {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".m2"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".m2", "settings.xml"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return Read(home, func(name string) string { return map[string]string{"MIRROR": "m.example"}[name] })
}

func mirror(of, url, more string) string {
	return "<mirror><id>m</id><mirrorOf>" + of + "</mirrorOf><url>" + url + "</url>" + more + "</mirror>"
}

func TestIndexes(t *testing.T) {
	for text, want := range map[string]string{
		"": "",
		mirror("*", "https://${env.MIRROR}/a/", ""):                                         "https://m.example/a",
		mirror("external:*", "http://m.example/a", ""):                                      "http://m.example/a",
		mirror("central", "https://m.example", ""):                                          "https://m.example,",
		mirror(" central , other ", "https://m.example", ""):                                "https://m.example,",
		mirror("*,!inner", "https://m.example", ""):                                         "https://m.example,",
		mirror("*,!central", "https://m.example", ""):                                       "",
		mirror("other", "https://m.example", ""):                                            "",
		mirror("*", "http://0.0.0.0", "<blocked>true</blocked>"):                            "",
		mirror("*", "https://all.example", "") + mirror("central", "https://m.example", ""): "https://m.example,",
	} {
		mirrors, err := read(t, `<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0"><mirrors>`+text+"</mirrors></settings>")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := strings.Join(Indexes(mirrors), ","); got != want {
			t.Errorf("%s gives %q, want %q", text, got, want)
		}
	}
	if mirrors, err := Read(t.TempDir(), os.Getenv); err != nil || mirrors != nil {
		t.Errorf("without a file: %v, %v", mirrors, err)
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"<settings>\n<mirrors>": "settings.xml:2: is no settings.xml of Maven that can be read",
		"<project/>":            "settings.xml: is no settings.xml of Maven that can be read",
		"<settings><mirrors>" + mirror("*", "file:///srv/m2", "") + "</mirrors></settings>":          `the address of mirror "m" is neither https nor http`,
		"<settings><mirrors>" + mirror("*", "https://me:pw@m.example", "") + "</mirrors></settings>": `the address of mirror "m" holds a user or password`,
		"<settings>" + strings.Repeat(" ", maxSize) + "</settings>":                                  "has more than 1048576 bytes",
	} {
		_, err := read(t, text)
		var input *runtimes.InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw@") {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte("<settings><mirrors>" + mirror("*,!x", "https://${env.A}${user.home}", "<blocked>true</blocked>") + "</mirrors></settings>"))
	f.Add([]byte("<settings><mirrors><mirror/></mirrors></settings>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		mirrors, err := parse("settings.xml", data, func(name string) string { return name })
		if err != nil {
			var input *runtimes.InputError
			if !errors.As(err, &input) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		for _, index := range Indexes(mirrors) {
			if index != "" && !strings.HasPrefix(index, "https://") && !strings.HasPrefix(index, "http://") {
				t.Fatalf("asks %q", index)
			}
		}
	})
}
