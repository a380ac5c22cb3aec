package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
)

// TestWgetSettings has the mirror answer once that it is overloaded.
func TestWgetSettings(t *testing.T) {
	asked := 0
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		io.WriteString(w, "a package")
	}))
	defer mirror.Close()
	tb := testbed{state: t.TempDir()}
	if err := os.WriteFile(tb.wgetrc(), []byte(wgetSettings), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("wget", "-nv", "-O", "-", mirror.URL)
	cmd.Env = append(os.Environ(), "WGETRC="+tb.wgetrc())
	if out, err := cmd.Output(); err != nil || string(out) != "a package" || asked != 2 {
		t.Errorf("%q, %v, asked %d times", out, err, asked)
	}
}

func TestFindMirror(t *testing.T) {
	const (
		deb822 = `# the machine's own
Types: deb
# an older snapshot
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
`
		oneLine = `# deb http://old.example/debian bookworm main
deb-src http://src.example/debian bookworm main
deb [arch=amd64 signed-by=/etc/key.gpg] http://one.example/debian bookworm main contrib
`
	)
	tests := []struct {
		name, file, data, suite string
		want                    mirror
		err                     bool
	}{
		{
			name: "deb822", file: "sources.list.d/debian.sources", data: deb822, suite: "bookworm",
			want: mirror{"http://mirror.example/debian", []string{"bookworm", "bookworm-updates"}, "/usr/share/keyrings/debian-archive-keyring.gpg"},
		},
		{
			name: "another suite", file: "sources.list.d/debian.sources", data: deb822, suite: "trixie",
			want: mirror{"http://mirror.example/debian", []string{"bookworm", "bookworm-updates"}, ""},
		},
		{
			name: "switched off", file: "sources.list.d/debian.sources", suite: "bookworm", err: true,
			data: "Enabled: no\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n",
		},
		{
			name: "key within", file: "sources.list.d/debian.sources", suite: "bookworm",
			data: "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n URIs: http://wrong.example\n",
			want: mirror{"http://mirror.example/debian", []string{"bookworm"}, ""},
		},
		{
			name: "one line", file: "sources.list", data: oneLine, suite: "bookworm",
			want: mirror{"http://one.example/debian", []string{"bookworm"}, "/etc/key.gpg"},
		},
		{
			name: "no Debian", file: "sources.list", suite: "bookworm", err: true,
			data: "deb http://other.example/linux noble main\n",
		},
		{name: "nothing", suite: "bookworm", err: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("LAYERBUILD_TESTBED_MIRROR", "")
			etc := t.TempDir()
			if tt.file != "" {
				file := filepath.Join(etc, tt.file)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(tt.data), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := findMirror(etc, tt.suite)
			if (err != nil) != tt.err {
				t.Fatalf("error %v, want one: %t", err, tt.err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
