package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"
)

const npmFolder = "cmd/layerbuild/packaging/npm/"

// manifest is package.json. Its fields come out in this order.
type manifest struct {
	Name            string            `json:"name"`
	Version         version           `json:"version"`
	Description     string            `json:"description"`
	License         string            `json:"license"`
	Repository      json.RawMessage   `json:"repository"`
	Keywords        []string          `json:"keywords,omitempty"`
	Bin             map[string]string `json:"bin,omitempty"`
	Files           []string          `json:"files,omitempty"`
	OS              []string          `json:"os,omitempty"`
	CPU             []string          `json:"cpu,omitempty"`
	PreferUnplugged bool              `json:"preferUnplugged,omitempty"` // for Yarn: a program cannot run out of a zip
	Engines         map[string]string `json:"engines,omitempty"`
	Optional        map[string]string `json:"optionalDependencies,omitempty"`
}

func npmManifest() (manifest, error) {
	var m manifest
	data, err := os.ReadFile(npmFolder + "package.json")
	if err != nil {
		return m, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields() // which would be lost
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("%spackage.json: %w", npmFolder, err)
	}
	return m, nil
}

func (t target) npmName() string { return "@layerbuild/" + t.npm[0] + "-" + t.npm[1] }

// npmPlatform writes the package that holds the program for a target.
func (r *release) npmPlatform(t target, program []byte) error {
	m, err := npmManifest()
	if err != nil {
		return err
	}
	m.Name, m.Description = t.npmName(), "The program of layerbuild for "+t.npm[0]+" on "+t.npm[1]
	m.OS, m.CPU = t.npm[:1], t.npm[1:]
	m.Keywords, m.Bin = nil, nil // the main package has the command
	m.PreferUnplugged = true
	readme := "# " + m.Name + "\n\n" + m.Description + ": see the package layerbuild.\n"
	return r.npm(m, file{"README.md", []byte(readme), false}, file{"bin/" + t.program(), program, true})
}

// npmMain writes the package that people install.
func (r *release) npmMain(wanted []target) error {
	m, err := npmManifest()
	if err != nil {
		return err
	}
	m.Optional = make(map[string]string)
	for _, t := range wanted {
		m.Optional[t.npmName()] = string(r.version)
	}
	readme, err := os.ReadFile(npmFolder + "README.md")
	if err != nil {
		return err
	}
	script, err := os.ReadFile(npmFolder + m.Bin["layerbuild"])
	if err != nil {
		return err
	}
	return r.npm(m, file{"README.md", readme, false}, file{m.Bin["layerbuild"], script, true})
}

// npm writes a package as npm pack would name it.
func (r *release) npm(m manifest, content ...file) error {
	m.Version = r.version
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	files := []file{{"package.json", append(text, '\n'), false}, {"LICENSE", license, false}}
	files = append(files, content...)
	for i := range files {
		files[i].name = path.Join("package", files[i].name)
	}
	data, err := packTar(files)
	if err != nil {
		return err
	}
	name := strings.ReplaceAll(strings.TrimPrefix(m.Name, "@"), "/", "-")
	return r.write("npm/"+name+"-"+string(m.Version)+".tgz", data)
}
