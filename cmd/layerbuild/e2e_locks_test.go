//go:build e2e

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const locksExample = "../../testdata/examples/python-locks"

// managers are what locks a Python project, with the manager's own files in a
// folder of its own.
type managers struct {
	t     *testing.T
	root  string
	index string // that uv has, for those that must be told one
}

// TestSixLocks locks one project in every format that there is: one key, and
// the same bytes.
func TestSixLocks(t *testing.T) {
	m := newManagers(t)
	m.export("pylock", "pylock.toml")
	m.export("requirements", "requirements.txt")
	source := fmt.Sprintf("\n[[tool.poetry.source]]\nname = \"main\"\nurl = %q\npriority = \"primary\"\n", m.index+"/")
	m.lock("poetry", source, "poetry", "lock")
	m.lock("poetry-1", "", "poetry-1.8", "lock")
	m.hashless("poetry-1", "poetry-hashless")
	m.write("pdm/.pdm-python", filepath.Join(setting(t, "LAYERBUILD_TEST_TOOLS"), "bin", "python"))
	m.lock("pdm", "", "pdm", "lock")
	m.lockPipenv()

	type built struct {
		key  string
		zips map[string][]byte
	}
	var first built
	for _, name := range []string{"uv", "pylock", "requirements", "poetry", "poetry-1", "poetry-hashless", "pdm", "pipenv"} {
		for _, engine := range []string{"direct", "buildkit"} {
			if engine == "buildkit" && name != "poetry" {
				continue // the direct engine is quicker; that both agree others hold
			}
			t.Run(name+"/"+engine, func(t *testing.T) {
				r := &runner{t: t, dir: filepath.Join(m.root, name), data: t.TempDir()}
				if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
					t.Fatal(err)
				}
				r.write("layerbuild.yaml", "layers:\n  svc: {path: ., runtime: python3.11, architectures: [x86_64, arm64]}\n")
				out, _ := r.run(0, "build", "--engine", engine, "--no-cache", "--json")
				var result struct {
					Layers []struct{ Key string }
				}
				if err := json.Unmarshal([]byte(out), &result); err != nil || len(result.Layers) != 2 {
					t.Fatalf("%v: %s", err, out)
				}
				got := built{zips: map[string][]byte{}}
				for _, l := range result.Layers {
					got.key += l.Key + " "
				}
				for file, data := range r.outputs() {
					if strings.HasSuffix(file, ".zip") {
						got.zips[file] = data
					}
				}
				if first.zips == nil {
					first = got
				}
				if got.key != first.key || len(got.key) < 100 {
					t.Errorf("key %s, and of uv.lock %s", got.key, first.key)
				}
				if len(got.zips) != 2 {
					t.Errorf("%d archives", len(got.zips))
				}
				for file, data := range got.zips {
					if !bytes.Equal(data, first.zips[file]) {
						t.Errorf("%s has other bytes than of uv.lock", file)
					}
				}
			})
		}
	}
}

func (m *managers) write(name, text string) {
	m.t.Helper()
	file := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		m.t.Fatal(err)
	}
}

func (m *managers) read(name string) string {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(m.root, name))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(data)
}

func (m *managers) example(name string) string {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(locksExample, name))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(data)
}

// lock locks the example in a folder, with more at the end of its
// pyproject.toml. Poetry 1 gets what it knows.
func (m *managers) lock(folder, more, tool string, args ...string) {
	m.t.Helper()
	text := m.example("pyproject.toml") + more
	if tool == "poetry-1.8" {
		text = m.toolPoetry(text)
	}
	m.write(folder+"/pyproject.toml", text)
	m.run(folder, tool, args...)
}

// run runs a tool of LAYERBUILD_TEST_TOOLS.
func (m *managers) run(folder, tool string, args ...string) {
	m.t.Helper()
	tools := setting(m.t, "LAYERBUILD_TEST_TOOLS")
	cmd := exec.CommandContext(m.t.Context(), filepath.Join(tools, "bin", tool), args...)
	cmd.Dir = filepath.Join(m.root, folder)
	cmd.Env = append(os.Environ(), "POETRY_NO_INTERACTION=1", "POETRY_VIRTUALENVS_CREATE=false", "PDM_CHECK_UPDATE=0",
		"PIPENV_NOSPIN=1", "VIRTUAL_ENV="+tools, "PIPENV_VERBOSITY=-1", "NO_COLOR=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("%s %v: %v\n%s", tool, args, err, out)
	}
}

// export writes uv's lock in another format.
func (m *managers) export(folder, file string) {
	m.t.Helper()
	m.write(folder+"/pyproject.toml", m.example("pyproject.toml"))
	m.run("uv", "uv", "export", "--frozen", "--format", file, "-o", filepath.Join(m.root, folder, file), "--no-emit-project")
}

// toolPoetry is a pyproject.toml in the words of poetry 1.
func (m *managers) toolPoetry(text string) string {
	var b strings.Builder
	b.WriteString("[tool.poetry]\nname = \"locks\"\nversion = \"1.0\"\ndescription = \"\"\nauthors = []\n\n[tool.poetry.dependencies]\npython = \">=3.11,<3.12\"\n")
	line := regexp.MustCompile(`(?m)^    "([a-z0-9-]+)(?:\[([a-z]+)\])?==([0-9.]+)(?:; ([^"]+))?",$`)
	for _, found := range line.FindAllStringSubmatch(text, -1) {
		fmt.Fprintf(&b, "%s = { version = %q", found[1], found[3])
		if found[2] != "" {
			fmt.Fprintf(&b, ", extras = [%q]", found[2])
		}
		if found[4] != "" {
			fmt.Fprintf(&b, ", markers = %q", found[4])
		}
		b.WriteString(" }\n")
	}
	fmt.Fprintf(&b, "\n[[tool.poetry.source]]\nname = \"main\"\nurl = %q\npriority = \"primary\"\n", m.index+"/")
	return b.String()
}

// hashless copies a poetry.lock without the hashes, as old versions of poetry
// wrote it: layerbuild.lock then has them.
func (m *managers) hashless(from, to string) {
	m.t.Helper()
	m.write(to+"/pyproject.toml", m.read(from+"/pyproject.toml"))
	lock := m.read(from + "/poetry.lock")
	plain := regexp.MustCompile(`(?m)^files = \[\n(?:    .*\n)*\]$`).ReplaceAllString(lock, "files = []")
	if plain == lock || strings.Contains(plain, "sha256:") {
		m.t.Fatal("poetry.lock does not look as expected")
	}
	m.write(to+"/poetry.lock", plain)
}

func (m *managers) lockPipenv() {
	m.t.Helper()
	m.write("pipenv/Pipfile", fmt.Sprintf("[[source]]\nname = \"main\"\nurl = %q\nverify_ssl = true\n\n%s", m.index, m.example("Pipfile")))
	m.run("pipenv", "pipenv", "lock")
}

// newManagers asks uv for its index.
func newManagers(t *testing.T) managers {
	t.Helper()
	m := managers{t: t, root: t.TempDir()}
	m.lock("uv", "", "uv", "lock")
	m.index = regexp.MustCompile(`registry = "([^"]+)"`).FindStringSubmatch(m.read("uv/uv.lock"))[1]
	return m
}

// lockExample has a manager lock its own example.
func (m *managers) lockExample(folder, manager string) {
	m.t.Helper()
	switch manager {
	case "poetry":
		m.write(folder+"/pyproject.toml", m.read(folder+"/pyproject.toml")+
			fmt.Sprintf("\n[[tool.poetry.source]]\nname = \"main\"\nurl = %q\npriority = \"primary\"\n", m.index+"/"))
		m.run(folder, "poetry", "lock")
	case "pdm":
		m.write(folder+"/.pdm-python", filepath.Join(setting(m.t, "LAYERBUILD_TEST_TOOLS"), "bin", "python"))
		m.run(folder, "pdm", "lock", "-G", ":all")
	case "pipenv":
		m.write(folder+"/Pipfile", fmt.Sprintf("[[source]]\nname = \"main\"\nurl = %q\nverify_ssl = true\n\n%s", m.index, m.read(folder+"/Pipfile")))
		m.run(folder, "pipenv", "lock", "--categories", "packages dev-packages jobs")
	case "pylock":
		m.run(folder, "uv", "lock")
		m.run(folder, "uv", "export", "--frozen", "--format", "pylock.toml", "-o", "pylock.toml")
		if err := os.Remove(filepath.Join(m.root, folder, "uv.lock")); err != nil {
			m.t.Fatal(err)
		}
	}
}
