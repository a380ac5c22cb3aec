package indexes

import (
	"path/filepath"

	"github.com/pelletier/go-toml/v2"

	"github.com/layerbuild/layerbuild/runtimes"
)

// uvSettings are those of uv.toml, or of [tool.uv] in pyproject.toml, that
// say where packages are. Others are passed over.
type uvSettings struct {
	Index []struct {
		Name     string `toml:"name"`
		URL      string `toml:"url"`
		Default  bool   `toml:"default"`
		Explicit bool   `toml:"explicit"`
		Format   string `toml:"format"`
	} `toml:"index"`
	IndexURL      string   `toml:"index-url"`
	ExtraIndexURL []string `toml:"extra-index-url"`
}

// uvFiles reads uv's configuration: of the project, the user and the system.
func (f *found) uvFiles(m Machine) error {
	if v := m.Getenv("UV_NO_CONFIG"); v != "" && v != "0" && v != "false" {
		return nil
	}
	if name := m.Getenv("UV_CONFIG_FILE"); name != "" {
		return f.uvFile(name, false)
	}
	if _, err := f.uvProject(m.Project, false); err != nil {
		return err
	}
	for _, folder := range m.configFolders() {
		if err := f.uvFile(filepath.Join(folder, "uv", "uv.toml"), false); err != nil {
			return err
		}
	}
	for _, name := range []string{"/etc/xdg/uv/uv.toml", "/etc/uv/uv.toml"} {
		if err := f.uvFile(m.system(name), false); err != nil {
			return err
		}
	}
	for _, layer := range m.Layers {
		for dir := layer; dir != m.Project && len(dir) > len(m.Project); dir = filepath.Dir(dir) {
			if there, err := f.uvProject(dir, true); err != nil || there {
				break // the lock file's reader reports what is wrong with it
			}
		}
	}
	return nil
}

// uvProject reads the settings of a folder and tells whether it has any. A
// uv.toml hides those in pyproject.toml.
func (f *found) uvProject(dir string, namesOnly bool) (there bool, err error) {
	name := filepath.Join(dir, "uv.toml")
	data, err := read(name)
	if data != nil || err != nil {
		return true, f.uvFile(name, namesOnly)
	}
	name = filepath.Join(dir, "pyproject.toml")
	if data, err = read(name); data == nil || err != nil {
		return false, err
	}
	var project struct {
		Tool struct {
			UV *uvSettings `toml:"uv"`
		} `toml:"tool"`
	}
	if err := toml.Unmarshal(data, &project); err != nil {
		return false, unreadable(name)
	}
	if project.Tool.UV == nil {
		return false, nil
	}
	f.uv(name, *project.Tool.UV, namesOnly)
	return true, nil
}

func (f *found) uvFile(name string, namesOnly bool) error {
	data, err := read(name)
	if err != nil || data == nil {
		return err
	}
	var s uvSettings
	if err := toml.Unmarshal(data, &s); err != nil {
		return unreadable(name)
	}
	f.uv(name, s, namesOnly)
	return nil
}

// unreadable leaves the parser's error out: it shows the line, which may hold
// a password.
func unreadable(name string) error {
	return &runtimes.InputError{File: name, Problem: "is no TOML that uv can read"}
}

func (f *found) uv(from string, s uvSettings, namesOnly bool) {
	for _, x := range s.Index {
		index := setting{x.Name, x.URL, from}
		switch {
		case x.Explicit || namesOnly:
			// Only the packages that name it come from it, and for those the
			// lock file has the address.
			f.named = append(f.named, index)
		case x.Format == "flat":
		case x.Default:
			f.defaults = append(f.defaults, index)
		default:
			f.extras = append(f.extras, index)
		}
	}
	if namesOnly {
		return
	}
	if s.IndexURL != "" {
		f.defaults = append(f.defaults, setting{address: s.IndexURL, from: from})
	}
	for _, address := range s.ExtraIndexURL {
		f.extras = append(f.extras, setting{address: address, from: from})
	}
}
