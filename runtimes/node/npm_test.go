package node

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/layerbuild/layerbuild/runtimes"
)

var update = flag.Bool("update", false, "write the expected results anew")

// TestNPM reads the projects of testdata/npm, which say in their comment for
// which target ("target: nodejs22.x arm64 path=…") and what the registry
// answers, and in the file "want" what comes of it.
func TestNPM(t *testing.T) { testProjects(t, "testdata/npm/*.txtar") }

func testProjects(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) < 40 {
		t.Fatalf("%d projects, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			project, want := fstest.MapFS{}, ""
			kept := archive.Files[:0]
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				kept = append(kept, f)
				project[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
			}
			got := readAll(t, project, string(archive.Comment))
			if *update {
				archive.Files = append(kept, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// readAll reads a project for the target of a comment, and tells what came of it.
func readAll(t *testing.T, project fstest.MapFS, comment string) string {
	t.Helper()
	target, answers := targetOf(t, comment)
	r, err := Runtime{}.Recipe(project, target)
	var incomplete *runtimes.Incomplete
	if errors.As(err, &incomplete) && answers != nil {
		target.Files = map[string][]runtimes.File{}
		for _, q := range incomplete.Requests {
			target.Files[q.Key()] = answerOf(q, answers[q.Name])
		}
		r, err = Runtime{}.Recipe(project, target)
	}
	if err != nil {
		return tellError(err)
	}
	checkRequires(t, r.Packages, r.Requires)
	var b strings.Builder
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	for _, p := range r.Packages {
		fmt.Fprintf(&b, "%s %s %s", p.Name, p.Version, p.File.Integrity[:min(12, len(p.File.Integrity))])
		if p.File.URL != "" {
			fmt.Fprintf(&b, " %s", p.File.URL)
		}
		if p.File.Local != nil {
			fmt.Fprintf(&b, " in %s", p.File.Local.Path)
		}
		if p.File.Scripts {
			b.WriteString(" scripts")
		}
		b.WriteString("\n")
		for _, place := range p.Places {
			fmt.Fprintf(&b, "  %s\n", place)
		}
	}
	return b.String()
}

func tellError(err error) string {
	text := "error: " + err.Error() + "\n"
	var input *runtimes.InputError
	if errors.As(err, &input) {
		text += "hint: " + input.Hint + "\n"
	}
	var incomplete *runtimes.Incomplete
	if errors.As(err, &incomplete) {
		for _, q := range incomplete.Requests {
			text += fmt.Sprintf("asks: %s %s %.16s\n", q.Name, q.Version, strings.Join(q.Hashes, " "))
		}
	}
	return text
}

// answerOf is a registry's answer: the hash that was asked for, or a new one,
// and what the test says of the platform.
func answerOf(q runtimes.FileRequest, says string) []runtimes.File {
	f := runtimes.File{Name: tarballName(q.Name, q.Version), URL: "https://registry.example/" + q.Name, Integrity: "sha512-" + strings.Repeat("Z", 86) + "=="}
	if says == "scripts" {
		f.Scripts = true
	} else if says != "" {
		f.Platform = &runtimes.Platform{OS: []string{says}}
	}
	files := []runtimes.File{f}
	for _, hash := range q.Hashes {
		if strings.HasPrefix(hash, "sha1-") {
			files = append(files, runtimes.File{Name: f.Name, Integrity: hash})
		} else {
			files[0].Integrity = hash
		}
	}
	return files
}

// targetOf reads a target, and what a registry answers, from a comment.
func targetOf(t *testing.T, comment string) (runtimes.Target, map[string]string) {
	t.Helper()
	target := runtimes.Target{Arch: runtimes.X86_64, Path: "."}
	name := "nodejs22.x"
	var answers map[string]string
	for line := range strings.Lines(comment) {
		if words, ok := strings.CutPrefix(line, "answers: "); ok {
			answers = map[string]string{}
			for _, word := range strings.Fields(words) {
				pkg, says, _ := strings.Cut(word, "=")
				answers[pkg] = says
			}
		}
		words, ok := strings.CutPrefix(line, "target: ")
		if !ok {
			continue
		}
		for i, word := range strings.Fields(words) {
			switch key, value, _ := strings.Cut(word, "="); {
			case i == 0:
				name = word
			case i == 1:
				target.Arch = runtimes.Arch(word)
			case key == "path":
				target.Path = value
			case key == "lockfile":
				target.LockFile = value
			case key == "exclude":
				target.Exclude = append(target.Exclude, value)
			case key == "groups":
				target.Groups = append(target.Groups, value)
			case key == "project":
				target.Project = true
			default:
				t.Fatalf("unknown word %q", word)
			}
		}
	}
	info, ok := runtimes.Lookup(name)
	if !ok {
		t.Fatalf("%s is unknown", name)
	}
	target.Runtime = info
	return target, answers
}
