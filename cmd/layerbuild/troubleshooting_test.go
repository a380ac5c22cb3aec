package main

import (
	"crypto/x509"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/check"
)

// troubleshooting is the page, and longest what it may have without being a
// book.
const (
	troubleshooting = "../../doc/troubleshooting.md"
	longest         = 600
)

// TestTroubleshooting: each message that doc/troubleshooting.md explains is one
// of the program's, in its code or in a script that wants it. What stands for a
// value there, …, is none.
func TestTroubleshooting(t *testing.T) {
	page := readPage(t)
	if n := strings.Count(page, "\n"); n > longest {
		t.Errorf("%d lines, more than %d", n, longest)
	}
	texts := programTexts(t) + scriptTexts(t) + standardTexts()
	messages := 0
	for _, line := range regexp.MustCompile("(?m)^(?:###|\\|) `.*").FindAllString(page, -1) {
		for _, m := range regexp.MustCompile("`([^`]+)`|``(.+?)``").FindAllStringSubmatch(line, -1) {
			messages++
			message := strings.ReplaceAll(m[1]+m[2], builder.ConfigName, "…")
			for part := range strings.SplitSeq(message, "…") {
				if part = strings.Trim(part, " :"); !strings.Contains(texts, part) {
					t.Errorf("no message of the program has %q of %q", part, message)
				}
			}
		}
	}
	if messages < 200 {
		t.Errorf("only %d messages", messages)
	}
}

// TestTroubleshootingHints: the page has all that the program says to do about
// a kind of error, and all checks.
func TestTroubleshootingHints(t *testing.T) {
	page := strings.ToLower(strings.Join(strings.Fields(strings.ReplaceAll(readPage(t), "`", "")), " "))
	hints := hintTexts(t)
	if len(hints) < 20 {
		t.Errorf("only %d hints", len(hints))
	}
	for _, hint := range hints {
		if !strings.Contains(page, strings.ToLower(hint)) {
			t.Errorf("the page has no hint %q", hint)
		}
	}
	for _, rule := range check.Rules() {
		if !strings.Contains(page, "["+rule.ID+"](checks.md#"+rule.ID+")") {
			t.Errorf("the page has no check %s", rule.ID)
		}
	}
}

// TestInputErrors: each defect of what the user wrote has a hint, or names a file,
// for which there is one in general.
func TestInputErrors(t *testing.T) {
	defects := 0
	eachFile(t, func(file *ast.File, fset *token.FileSet) {
		ast.Inspect(file, func(n ast.Node) bool {
			returned, ok := n.(*ast.ReturnStmt)
			if !ok {
				return true // of others, a hint may follow
			}
			ast.Inspect(returned, func(n ast.Node) bool {
				literal, ok := n.(*ast.CompositeLit)
				if !ok || !strings.HasSuffix(typeName(literal.Type), "InputError") {
					return true
				}
				defects++
				fields := make(map[string]bool)
				for _, e := range literal.Elts {
					fields[typeName(e.(*ast.KeyValueExpr).Key)] = true
				}
				if !fields["Hint"] && !fields["File"] {
					t.Errorf("%s: it says neither what to do nor where", fset.Position(literal.Pos()))
				}
				return true
			})
			return false
		})
	})
	if defects < 200 {
		t.Errorf("only %d defects", defects)
	}
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func readPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(troubleshooting)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// hintTexts has of each hint that ui.go chooses the first clause that is the
// same whatever the error: up to a value, or a mark that parts sentences.
func hintTexts(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "ui.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, d := range file.Decls {
		function, ok := d.(*ast.FuncDecl)
		if !ok || function.Name.Name != "hint" && function.Name.Name != "otherLogins" {
			continue
		}
		ast.Inspect(function, func(n ast.Node) bool {
			if returned, ok := n.(*ast.ReturnStmt); ok {
				if clause := firstClause(strings.Join(literals(returned), "…")); clause != "" {
					all = append(all, clause)
				}
			}
			return true
		})
	}
	return all
}

// firstClause is the first of at least three words.
func firstClause(text string) string {
	for _, clause := range regexp.MustCompile(`[…:;,(]|%s`).Split(text, -1) {
		if len(strings.Fields(clause)) >= 3 {
			return strings.TrimSpace(clause)
		}
	}
	return ""
}

// programTexts are all string literals of the program.
func programTexts(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	eachFile(t, func(file *ast.File, _ *token.FileSet) {
		all.WriteString(strings.Join(literals(file), "\n") + "\n")
	})
	return all.String()
}

// eachFile parses the program.
func eachFile(t *testing.T, do func(file *ast.File, fset *token.FileSet)) {
	t.Helper()
	fset := token.NewFileSet()
	for _, folder := range []string{"builder", "cache", "cmd/layerbuild", "runtimes", "zipper"} {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(fset, name, nil, 0)
			if err == nil {
				do(file, fset)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// scriptTexts are the scripts that run the program, with what they want of it.
func scriptTexts(t *testing.T) string {
	t.Helper()
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	var all strings.Builder
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// literals are the strings in a piece of code.
func literals(code ast.Node) []string {
	var all []string
	ast.Inspect(code, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				all = append(all, text)
			}
		}
		return true
	})
	return all
}

// standardTexts are messages of the system and of Go's own library that the
// program knows something to do about.
func standardTexts() string {
	return strings.Join([]string{
		syscall.ENOSPC.Error(), syscall.EACCES.Error(), syscall.ENOTDIR.Error(), syscall.ENOENT.Error(),
		x509.UnknownAuthorityError{}.Error(), x509.CertificateInvalidError{Reason: x509.Expired}.Error(),
		"(407 " + http.StatusText(http.StatusProxyAuthRequired) + ")",
	}, "\n")
}
