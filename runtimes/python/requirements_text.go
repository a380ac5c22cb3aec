package python

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/layerbuild/layerbuild/runtimes"
)

// decodeText gives the text of a requirements file: UTF-8, with or without a
// byte order mark, or UTF-16 with one, which PowerShell writes for
// "pip freeze > requirements.txt". All ends of lines become "\n".
func decodeText(file string, data []byte) (string, error) {
	text := string(data)
	switch {
	case strings.HasPrefix(text, "\xff\xfe"):
		text = decodeUTF16(data[2:], binary.LittleEndian)
	case strings.HasPrefix(text, "\xfe\xff"):
		text = decodeUTF16(data[2:], binary.BigEndian)
	default:
		text = strings.TrimPrefix(text, "\ufeff")
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	number := 0
	for line := range strings.Lines(text) {
		if number++; !utf8.ValidString(line) {
			return "", &runtimes.InputError{File: file, Line: number, Problem: "not UTF-8", Hint: "save the file as UTF-8"}
		}
	}
	return text, nil
}

func decodeUTF16(data []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units))
}

// logicalLine is a line with its continuations and without its comment.
type logicalLine struct {
	file   string
	number int // of its first line, from 1
	text   string
}

func (l logicalLine) errorf(hint, format string, args ...any) *runtimes.InputError {
	return &runtimes.InputError{File: l.file, Line: l.number, Problem: fmt.Sprintf(format, args...), Hint: hint}
}

// logicalLines yields the lines that say something. A comment's line ends a
// continued one, as in pip.
func logicalLines(file, text string) iter.Seq[logicalLine] {
	return func(yield func(logicalLine) bool) {
		var b strings.Builder
		number, first := 0, 0
		for line := range strings.Lines(text) {
			number++
			line = strings.TrimSuffix(line, "\n")
			if first == 0 {
				first = number
			}
			comment := strings.HasPrefix(strings.TrimSpace(line), "#")
			if rest, ok := strings.CutSuffix(line, `\`); ok && !comment {
				b.WriteString(rest)
				continue
			}
			if comment {
				b.WriteByte(' ') // so that it is one after what was continued, too
			}
			b.WriteString(line)
			if !yieldLine(logicalLine{file, first, b.String()}, yield) {
				return
			}
			b.Reset()
			first = 0
		}
		if first != 0 {
			yieldLine(logicalLine{file, first, b.String()}, yield)
		}
	}
}

// comment is what pip takes for one: at a line's start or after a space, so
// that the fragment of a URL is none.
var comment = regexp.MustCompile(`(^|\s)#.*$`)

func yieldLine(l logicalLine, yield func(logicalLine) bool) bool {
	l.text = strings.TrimSpace(comment.ReplaceAllLiteralString(l.text, ""))
	return l.text == "" || yield(l)
}

var (
	environmentVariable = regexp.MustCompile(`\$\{[A-Z0-9_]+\}`)
	urlUser             = regexp.MustCompile(`(?i)([a-z0-9+.-]*)://([^\s/?#]*)@`)
)

// check refuses lines before any message can quote them: those that hold a
// secret, or would with the variables of whoever builds.
func (l logicalLine) check() error {
	const hint = "keep credentials in .netrc or in pip's own configuration, and the URL without them here"
	if len(l.text) > maxRequirementsLine {
		return l.errorf("", "longer than %d bytes", maxRequirementsLine)
	}
	if strings.HasSuffix(l.text, `\`) {
		return l.errorf("remove the space after the backslash, or the backslash", "ends in a backslash that does not continue it")
	}
	if v := environmentVariable.FindString(l.text); v != "" {
		return l.errorf(hint, "uses the environment variable %s: what is locked must not depend on who builds", v)
	}
	for _, m := range urlUser.FindAllStringSubmatch(l.text, -1) {
		scheme, user := strings.ToLower(m[1]), m[2]
		if strings.Contains(user, ":") || !strings.HasSuffix(scheme, "ssh") {
			return l.errorf(hint, "holds credentials in a URL")
		}
	}
	return nil
}

// lineOption is an option under its long name.
type lineOption struct{ name, value string }

// knownOption maps the spellings of pip's options to their long name; a
// trailing "=" marks those that take a value.
var knownOption = map[string]string{
	"-i": "--index-url=", "--index-url": "--index-url=", "--pypi-url": "--index-url=",
	"--extra-index-url": "--extra-index-url=",
	"--no-index":        "--no-index",
	"-c":                "--constraint=", "--constraint": "--constraint=",
	"-r": "--requirement=", "--requirement": "--requirement=",
	"-e": "--editable=", "--editable": "--editable=",
	"-f": "--find-links=", "--find-links": "--find-links=",
	"--no-binary":      "--no-binary=",
	"--only-binary":    "--only-binary=",
	"--prefer-binary":  "--prefer-binary",
	"--require-hashes": "--require-hashes",
	"--pre":            "--pre",
	"--trusted-host":   "--trusted-host=",
	"--use-feature":    "--use-feature=",
	"--hash":           "--hash=",
	"--global-option":  "--global-option=",
	"-C":               "--config-settings=", "--config-settings": "--config-settings=", "--config-setting": "--config-settings=",
}

// markedEditable matches -e with a marker, as uv writes and reads it.
var markedEditable = regexp.MustCompile(`^(?:-e|--editable)(?:\s+|=)([^\s;]+\s*;\s*[^\s-].*)$`)

// split parts a line at its first option. What comes before may hold quotes of
// a marker, so only what follows is read as a shell's words.
func (l logicalLine) split() (args string, opts []lineOption, err error) {
	if m := markedEditable.FindStringSubmatch(l.text); m != nil {
		return "", []lineOption{{"--editable", m[1]}}, nil
	}
	args = l.text
	rest := ""
	for i := range len(args) {
		if args[i] == '-' && (i == 0 || args[i-1] == ' ' || args[i-1] == '\t') {
			args, rest = strings.TrimSpace(args[:i]), args[i:]
			break
		}
	}
	words, err := splitWords(rest)
	if err != nil {
		return "", nil, l.errorf("", "%v", err)
	}
	for len(words) > 0 {
		var opt lineOption
		if opt, words, err = nextOption(words); err != nil {
			return "", nil, l.errorf("", "%v", err)
		}
		opts = append(opts, opt)
	}
	return args, opts, nil
}

// nextOption reads one option: "--name=value", "--name value", "-nvalue".
func nextOption(words []string) (lineOption, []string, error) {
	word := words[0]
	words = words[1:]
	name, value, inline := strings.Cut(word, "=")
	if len(word) > 2 && word[0] == '-' && word[1] != '-' {
		name, value, inline = word[:2], word[2:], true
	}
	if !strings.HasPrefix(word, "-") {
		return lineOption{}, nil, fmt.Errorf("unexpected %q after an option", word)
	}
	long, ok := knownOption[name]
	if !ok {
		return lineOption{}, nil, fmt.Errorf("unknown option %s", name)
	}
	long, takesValue := strings.CutSuffix(long, "=")
	switch {
	case !takesValue && inline:
		return lineOption{}, nil, fmt.Errorf("%s takes no value", name)
	case takesValue && !inline && len(words) > 0:
		value, words = words[0], words[1:]
	}
	if value = strings.TrimSpace(value); takesValue && value == "" {
		return lineOption{}, nil, fmt.Errorf("%s needs a value", name)
	}
	return lineOption{long, value}, words, nil
}

// splitWords splits as a POSIX shell does, without any expansion.
func splitWords(s string) ([]string, error) {
	var words []string
	var b strings.Builder
	var quote byte
	inWord := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote == '\'' && c != quote, quote == '"' && c != quote && c != '\\':
			b.WriteByte(c)
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\':
			if i++; i == len(s) {
				return nil, errors.New("a backslash before nothing")
			}
			if quote != 0 && s[i] != quote && s[i] != '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
			inWord = true
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			if inWord {
				words = append(words, b.String())
				b.Reset()
				inWord = false
			}
		default:
			b.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		words = append(words, b.String())
	}
	return words, nil
}
