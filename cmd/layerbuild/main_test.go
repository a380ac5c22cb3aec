package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	testscript.Main(wide{m}, map[string]func(){"layerbuild": main})
}

// oneLine is a width for which no message is folded, so that tests can look for
// its words. TestWidth and the screens have others.
const oneLine = "10000"

// wide runs the tests with it.
type wide struct{ *testing.M }

func (w wide) Run() int {
	if err := os.Setenv("COLUMNS", oneLine); err != nil {
		panic(err)
	}
	return w.M.Run()
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupIndex,
		Cmds:                scriptCommands,
	})
}

// exits runs a command and wants the given exit code: exits 2 layerbuild bild.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT…]")
	}
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		code = exitText(err)
	}
	if code != args[0] {
		ts.Fatalf("%v: exit code %s, want %s", args[1:], code, args[0])
	}
	if args[1] == "layerbuild" {
		nextSteps(ts, ts.ReadFile("stderr"))
	}
}

// saysWhatToDo are messages that name the next step themselves.
var saysWhatToDo = regexp.MustCompile(`: leave it out|: name another|: name an index|see the lines that begin`)

// nextSteps wants a hint with every error, or a message that is one.
func nextSteps(ts *testscript.TestScript, stderr string) {
	errors := strings.Split("\n"+stderr, "\nlayerbuild: error: ")[1:]
	for _, text := range errors {
		if !strings.Contains(text, "\nlayerbuild: hint: ") && !saysWhatToDo.MatchString(text) {
			ts.Fatalf("nobody is told what to do about: %s", text)
		}
	}
}

// golden compares got with a golden file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("not as %s\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}
