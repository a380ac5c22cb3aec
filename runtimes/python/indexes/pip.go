package indexes

import (
	"path/filepath"
	"runtime"
	"strings"

	"gopkg.in/ini.v1"

	"github.com/layerbuild/layerbuild/runtimes"
)

// pipOptions makes package ini read as Python's RawConfigParser does, pip's.
var pipOptions = ini.LoadOptions{
	AllowPythonMultilineValues: true,
	IgnoreInlineComment:        true,
	IgnoreContinuation:         true,
	PreserveSurroundedQuote:    true,
	InsensitiveKeys:            true,
	SkipUnrecognizableLines:    true,
}

// pipNames are the files of pip's configuration, the strongest first.
func pipNames(m Machine) []string {
	named := m.Getenv("PIP_CONFIG_FILE")
	if named == "/dev/null" {
		return nil // pip's own way of saying: no files at all
	}
	var names []string
	if named != "" {
		names = append(names, named)
	}
	if venv := m.Getenv("VIRTUAL_ENV"); venv != "" {
		names = append(names, filepath.Join(venv, "pip.conf"))
	}
	for _, folder := range m.configFolders() {
		names = append(names, filepath.Join(folder, "pip", "pip.conf"))
	}
	if m.Home != "" {
		names = append(names, filepath.Join(m.Home, ".pip", "pip.conf"))
	}
	names = append(names, m.system("/etc/pip.conf"), m.system("/etc/xdg/pip/pip.conf"))
	if runtime.GOOS == "darwin" {
		names = append(names, m.system("/Library/Application Support/pip/pip.conf"))
	}
	return names
}

// pipFiles reads pip's configuration. As pip has it, each setting comes from
// the strongest source that has it, and [install] is stronger than [global].
func (f *found) pipFiles(m Machine) error {
	hidden := map[string]bool{ // by the environment
		"index-url":       m.Getenv("PIP_INDEX_URL") != "",
		"extra-index-url": m.Getenv("PIP_EXTRA_INDEX_URL") != "",
		"cert":            m.Getenv("PIP_CERT") != "",
	}
	for _, name := range pipNames(m) {
		data, err := read(name)
		if err != nil {
			return err
		}
		if data == nil {
			continue
		}
		file, err := ini.LoadSources(pipOptions, data)
		if err != nil {
			// The library's error shows the line, which may hold a password.
			return &runtimes.InputError{File: name, Problem: "is no configuration that pip can read"}
		}
		for key := range hidden {
			value := pipValue(file, key)
			if value == "" || hidden[key] {
				continue
			}
			hidden[key] = true
			switch key {
			case "index-url":
				f.defaults = append(f.defaults, setting{address: value, from: name})
			case "extra-index-url":
				for address := range strings.FieldsSeq(value) {
					f.extras = append(f.extras, setting{address: address, from: name})
				}
			case "cert":
				f.cert = value
			}
		}
	}
	return nil
}

// pipValue returns a setting of the install command, "" where it is not there.
// pip takes _ for - in names.
func pipValue(file *ini.File, key string) string {
	for _, section := range []string{"install", "global"} {
		s, err := file.GetSection(section)
		if err != nil {
			continue
		}
		for _, k := range s.Keys() {
			if strings.ReplaceAll(k.Name(), "_", "-") == key {
				// Value, unlike String, leaves %(name)s alone, as pip does.
				return strings.TrimSpace(k.Value())
			}
		}
	}
	return ""
}
