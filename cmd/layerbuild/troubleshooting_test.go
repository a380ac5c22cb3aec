package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
)

// TestTroubleshooting: each message that doc/troubleshooting.md explains is one
// of the program's. What stands for a value there, …, is none.
func TestTroubleshooting(t *testing.T) {
	page, err := os.ReadFile("../../doc/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := programTexts(t)
	headings := regexp.MustCompile("(?m)^### `(.+)`$").FindAllSubmatch(page, -1)
	if len(headings) < 15 {
		t.Errorf("only %d messages", len(headings))
	}
	for _, h := range headings {
		message := strings.ReplaceAll(string(h[1]), builder.ConfigName, "…")
		for part := range strings.SplitSeq(message, "…") {
			if part = strings.Trim(part, " :"); part != "" && !strings.Contains(texts, part) {
				t.Errorf("no message of the program has %q of %q", part, h[1])
			}
		}
	}
}

// programTexts are all string literals of the program.
func programTexts(t *testing.T) string {
	var all strings.Builder
	for _, folder := range []string{"builder", "cache", "cmd/layerbuild", "runtimes", "zipper"} {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					if text, err := strconv.Unquote(literal.Value); err == nil {
						all.WriteString(text + "\n")
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
