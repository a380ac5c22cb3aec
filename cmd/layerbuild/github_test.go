package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestAnnotation(t *testing.T) {
	workspace := t.TempDir()
	project := filepath.Join(workspace, "services,a")
	if err := os.Mkdir(project, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(project, "uv.lock"), filepath.Join(workspace, "layerbuild.yaml")} {
		if err := os.WriteFile(file, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(workspace)
	outside := filepath.Join(t.TempDir(), "pip.conf")
	if err := os.WriteFile(outside, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	g := onGitHub(func(name string) string {
		return map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": workspace}[name]
	})
	for _, c := range []struct {
		err  error
		want string
	}{
		{&runtimes.InputError{File: "layerbuild.yaml", Line: 3, Problem: "100% wrong:\nyes", Hint: "do it"},
			"::error file=layerbuild.yaml,line=3,title=layerbuild::layerbuild.yaml:3: 100%25 wrong:%0Ayes%0Ahint: do it"},
		{&runtimes.InputError{File: "uv.lock", Problem: "old"}, "::error file=services%2Ca/uv.lock,title=layerbuild::uv.lock: old%0Ahint: correct uv.lock, or have what wrote it write it anew"},
		{&runtimes.InputError{File: outside, Line: 2, Problem: "old", Hint: "do it"}, "::error title=layerbuild::" + outside + ":2: old%0Ahint: do it"},
		{&runtimes.InputError{File: "gone.lock", Line: 2, Problem: "old", Hint: "do it"}, "::error title=layerbuild::gone.lock:2: old%0Ahint: do it"},
		{errors.New("a,b:c"), "::error title=layerbuild::a,b:c"},
	} {
		if got := g.annotateError(c.err, project); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if onGitHub(func(string) string { return "" }) != nil {
		t.Error("GitHub is everywhere")
	}
}
