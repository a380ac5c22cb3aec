package main

import (
	"errors"
	"fmt"
	"html"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// github is a job of GitHub Actions: what runs there can mark lines of files,
// and add to the job's page.
type github struct {
	workspace string // where the repository lies
	summary   string // the file that becomes a part of the job's page, or ""
}

// onGitHub is nil anywhere else.
func onGitHub(getenv func(string) string) *github {
	if getenv("GITHUB_ACTIONS") != "true" {
		return nil
	}
	return &github{getenv("GITHUB_WORKSPACE"), getenv("GITHUB_STEP_SUMMARY")}
}

var (
	escapeMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// annotation is the command that marks a place, "error" or "warning". The runner
// reads it from stderr, too.
func annotation(kind, file string, line int, text string) string {
	var properties []string
	if file != "" {
		properties = append(properties, "file="+escapeProperty.Replace(file))
		if line > 0 {
			properties = append(properties, fmt.Sprintf("line=%d", line))
		}
	}
	properties = append(properties, "title=layerbuild")
	return "::" + kind + " " + strings.Join(properties, ",") + "::" + escapeMessage.Replace(text)
}

// annotateError marks the place that an error names, if it names one.
func (g *github) annotateError(err error, project string) string {
	text := err.Error()
	if h := strings.TrimRight(hint(err), "\n"); h != "" {
		text += "\nhint: " + h
	}
	var input *runtimes.InputError
	if !errors.As(err, &input) || input.File == "" {
		return annotation("error", "", 0, text)
	}
	return annotation("error", g.inRepository(input.File, project), input.Line, text)
}

// inRepository is the path by which GitHub knows a file, "" where that is none of
// the repository's. Lock files are named from the project, the configuration from
// the working folder.
func (g *github) inRepository(file, project string) string {
	candidates := []string{file}
	if project != "" && !filepath.IsAbs(file) {
		candidates = []string{filepath.Join(project, file), file}
	}
	for _, candidate := range candidates {
		abs, err := filepath.Abs(candidate)
		if err != nil {
			continue
		}
		if _, err := os.Stat(abs); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		rel, err := filepath.Rel(g.workspace, abs)
		if err == nil && g.workspace != "" && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return ""
}

// summarize adds the table of a build to the job's page, or why it failed.
func (g *github) summarize(result *builder.Result, failed error) error {
	if g.summary == "" {
		return nil
	}
	f, err := os.OpenFile(g.summary, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	text := ""
	if failed != nil {
		text = markdownFailure(failed)
	} else {
		text = markdownResult(result)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// markdownFailure says why nothing was built, or not all. Texts of tools and
// servers are in it, so none of it is markup.
func markdownFailure(err error) string {
	var b strings.Builder
	b.WriteString("### layerbuild failed\n\n<pre>\n")
	for i, e := range flatten(err) {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(html.EscapeString(fold(errorText(e, false), docWidth, hanging)) + "\n")
	}
	return b.String() + "</pre>\n\n"
}

// markdownResult is the table of what was built.
func markdownResult(result *builder.Result) string {
	var b strings.Builder
	b.WriteString("### layerbuild\n\n")
	for _, c := range resultColumns {
		b.WriteString("| " + strings.ToLower(c.title) + " ")
	}
	b.WriteString("|\n")
	for _, c := range resultColumns {
		if c.right {
			b.WriteString("| ---: ")
		} else {
			b.WriteString("| --- ")
		}
	}
	b.WriteString("|\n")
	for _, built := range result.Layers {
		for _, cell := range resultRow(built) {
			b.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	fmt.Fprintf(&b, "\n%s; %s in all\n\n", plural(len(result.Layers), "%d archive", "%d archives"), duration(result.Elapsed))
	return b.String()
}
