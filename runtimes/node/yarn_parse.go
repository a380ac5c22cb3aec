package node

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// yarnLock is a yarn.lock as yarn 1 writes it.
type yarnLock struct {
	file    string
	entries []*yarnEntry
	byKey   map[string]*yarnEntry // by pattern: "ms@^2.0.0"
}

// yarnEntry is a package of a [yarnLock].
type yarnEntry struct {
	line      int
	keys      []string
	name      string // of the package, where the keys do not say it
	version   string
	resolved  string
	integrity string

	dependencies, optional map[string]string // ranges by name
}

// parseYarnLock reads yarn 1's own format: lines that are indented by two
// spaces for each level, "key value", or "key, key:" before what is below.
func parseYarnLock(file string, data []byte) (*yarnLock, error) {
	lock := &yarnLock{file: file, byKey: map[string]*yarnEntry{}}
	var entry *yarnEntry
	var section map[string]string // of the lines that are indented twice
	line := 0
	for text := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		line++
		text = strings.TrimRight(text, " \r\n")
		content := strings.TrimLeft(text, " ")
		if content == "" || content[0] == '#' {
			if err := checkYarnHeader(file, line, content); err != nil {
				return nil, err
			}
			continue
		}
		words, colon, err := splitYarnLine(content)
		if err != nil {
			return nil, &runtimes.InputError{File: file, Line: line, Problem: err.Error(), Hint: yarnInstallHint}
		}
		malformed := &runtimes.InputError{File: file, Line: line, Problem: fmt.Sprintf("%q is not what yarn 1 writes here", yarnClip(content)), Hint: yarnInstallHint}
		switch indent := len(text) - len(content); {
		case indent == 0 && colon:
			entry, section = &yarnEntry{line: line, keys: words, dependencies: map[string]string{}, optional: map[string]string{}}, nil
			lock.entries = append(lock.entries, entry)
			for _, key := range words {
				if lock.byKey[key] != nil {
					return nil, &runtimes.InputError{File: file, Line: line, Problem: key + " is locked twice", Hint: yarnInstallHint}
				}
				lock.byKey[key] = entry
			}
		case indent == 2 && entry != nil && colon && len(words) == 1:
			switch words[0] {
			case "dependencies":
				section = entry.dependencies
			case "optionalDependencies":
				section = entry.optional
			default: // prebuiltVariants, permissions: of no layer
				section = map[string]string{}
			}
		case indent == 2 && entry != nil && len(words) == 2:
			section = nil
			entry.set(words[0], words[1])
		case indent == 4 && section != nil && !colon && len(words) == 2:
			section[words[0]] = words[1]
		default:
			return nil, malformed
		}
	}
	for _, e := range lock.entries {
		if e.version == "" {
			return nil, &runtimes.InputError{File: file, Line: e.line, Problem: e.keys[0] + " has no version", Hint: yarnInstallHint}
		}
	}
	return lock, nil
}

// yarnInstallHint is the way out of a yarn.lock that is not right.
const yarnInstallHint = "`yarn install` makes it anew"

func (e *yarnEntry) set(key, value string) {
	switch key {
	case "name":
		e.name = value
	case "version":
		e.version = value
	case "resolved":
		e.resolved = value
	case "integrity":
		e.integrity = value
	}
}

// checkYarnHeader refuses a format that is newer than the one that is known.
func checkYarnHeader(file string, line int, comment string) error {
	version, ok := strings.CutPrefix(comment, "# yarn lockfile v")
	if !ok || version == "1" {
		return nil
	}
	return &runtimes.InputError{
		File: file, Line: line,
		Problem: fmt.Sprintf("the version of the lock file, %s, is not known", yarnClip(version)),
		Hint:    "version 1 can be read, and the formats of yarn 2 to 4",
	}
}

// splitYarnLine splits a line into its words: keys that are separated by
// commas, or a key and its value. colon tells whether it ends with one.
func splitYarnLine(content string) (words []string, colon bool, err error) {
	rest, comma := content, false
	for rest != "" {
		var word string
		if word, rest, err = cutYarnWord(rest); err != nil {
			return nil, false, err
		}
		words, comma = append(words, word), false
		if after, ok := strings.CutPrefix(rest, ":"); ok {
			if after = strings.TrimLeft(after, " "); after != "" {
				rest = after // "key: value", as old versions wrote it
				continue
			}
			return words, true, nil
		}
		if after, ok := strings.CutPrefix(rest, ","); ok {
			rest, comma = after, true
		}
		rest = strings.TrimLeft(rest, " ")
	}
	if comma {
		return nil, false, fmt.Errorf("%q ends with a comma", yarnClip(content))
	}
	return words, false, nil
}

// cutYarnWord cuts off a word in quotes, as JSON has them, or a plain one.
func cutYarnWord(text string) (word, rest string, err error) {
	if text[0] != '"' {
		end := strings.IndexAny(text, ":, ")
		if end == 0 {
			return "", "", fmt.Errorf("%q does not begin with a word", yarnClip(text))
		}
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], nil
	}
	end := 1
	for end < len(text) && text[end] != '"' {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(text) {
		return "", "", fmt.Errorf("%q has no closing quote", yarnClip(text))
	}
	if err := json.Unmarshal([]byte(text[:end+1]), &word); err != nil || word == "" {
		return "", "", fmt.Errorf("%q is not a quoted word", yarnClip(text[:end+1]))
	}
	return word, text[end+1:], nil
}

// yarnClip shortens what a message shows of outside data.
func yarnClip(text string) string {
	if len(text) > 80 {
		return text[:77] + "..."
	}
	return text
}
