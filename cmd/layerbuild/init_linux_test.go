package main

import (
	"os"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// TestInitAsks: the dialogue of init on a terminal, with wrong answers (a name that
// is another layer's, a runtime of another language), an edit and a layer that is
// skipped.
func TestInitAsks(t *testing.T) {
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	for _, test := range []struct {
		name   string
		typed  []string // after each prompt
		code   int
		layers string // names=runtimes in the file
	}{
		{"edit and skip", []string{"maybe", "e", "my api", "jobs", "backend", "python3", "nodejs22.x", "python3.13", "arm64", "s"}, 0, "backend=python3.13"},
		{"all", []string{"a"}, 0, "api=python3.14 jobs=python3.14"},
		{"each", []string{"", "y"}, 0, "api=python3.14 jobs=python3.14"},
		{"quit", []string{"y", "q"}, 1, ""},
		{"end of input", []string{"\x04"}, 1, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			t.Setenv("NO_COLOR", "1")
			t.Setenv("CI", "")
			t.Setenv("PIP_INDEX_URL", index.SimpleURL())
			t.Setenv("LAYERBUILD_CACHE_DIR", t.TempDir())
			for _, dir := range []string{"api", "jobs"} {
				if err := os.Mkdir(dir, 0o777); err != nil {
					t.Fatal(err)
				}
				put(t, dir+"/requirements.txt", requirements(index, []string{"core==1.0"}))
			}
			master, slave := openTerminal(t, 100)
			s := watch(t, master)
			ended := make(chan int, 1)
			go func() { ended <- run(t.Context(), []string{"init"}, slave, slave, slave) }()
			for i, answer := range test.typed {
				// Each prompt ends with "] ", and so does each that was answered.
				s.when("prompt", func(seen string) bool { return strings.Count(seen, "] ") > i })
				if answer != "\x04" {
					answer += "\n"
				}
				if _, err := master.WriteString(answer); err != nil {
					t.Fatal(err)
				}
			}
			if code := <-ended; code != test.code {
				text, _ := s.seen()
				t.Fatalf("exit code %d, want %d:\n%s", code, test.code, text)
			}
			written, err := os.ReadFile("layerbuild.yaml")
			if test.layers == "" {
				if err == nil {
					t.Errorf("written:\n%s", written)
				}
				s.until("nothing was written")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkLayers(t, test.layers)
		})
	}
}

// checkLayers holds layerbuild.yaml against names=runtimes.
func checkLayers(t *testing.T, want string) {
	t.Helper()
	config, err := builder.LoadConfig(builder.ConfigName)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range config.Layers {
		got = append(got, l.Name+"="+l.Runtimes[0].Name)
	}
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
