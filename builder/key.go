package builder

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/zipper"
)

// keyInput is everything that decides the bytes of a layer whose result only
// specifications decide. Its JSON, with the fields in this order, is what a
// layout key hashes; doc/key.md describes it. A new field changes every key.
//
// The architecture, the image, the tools, the layer's name and description,
// the folder and the machine are not in it: where they matter, they have
// already decided which files were chosen.
type keyInput struct {
	Format         string         `json:"format"` // of this structure
	Kind           string         `json:"kind"`
	Layout         string         `json:"layout"` // the plugin's rules, with its name
	Zip            string         `json:"zip"`    // zipper.Version
	Prefix         string         `json:"prefix"`
	ConsoleScripts bool           `json:"consoleScripts"`
	Interpreter    string         `json:"interpreter"`
	ExcludeFiles   []string       `json:"excludeFiles"`
	Packages       []keyedPackage `json:"packages"`
	Include        []keyedFile    `json:"include"`
}

type keyedPackage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	File    string `json:"file"`
	SHA256  string `json:"sha256"`
}

type keyedFile struct {
	Path   string `json:"path"` // in the layer
	Mode   string `json:"mode"` // "0644", "0755" or "link"
	SHA256 string `json:"sha256,omitempty"`
	Link   string `json:"link,omitempty"`
}

// layoutKey returns the key of a recipe with its included files, and the
// exact bytes that were hashed.
func layoutKey(r runtimes.Recipe, include runtimes.Tree) (key string, input []byte, err error) {
	in := keyInput{
		Format:         "layerbuild-key/1",
		Kind:           "layout",
		Layout:         r.Layout,
		Zip:            zipper.Version,
		Prefix:         r.Prefix,
		ConsoleScripts: r.ConsoleScripts,
		Interpreter:    r.Interpreter,
		ExcludeFiles:   slices.Compact(slices.Sorted(slices.Values(r.ExcludeFiles))),
		Packages:       make([]keyedPackage, 0, len(r.Packages)),
		Include:        keyedFiles(include),
	}
	for _, p := range r.Packages {
		if p.Missing != "" {
			return "", nil, fmt.Errorf("no layout key: %s %s must be compiled", p.Name, p.Version)
		}
		in.Packages = append(in.Packages, keyedPackage{p.Name, p.Version, p.File.Name, p.File.SHA256})
	}
	input, err = json.Marshal(in)
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(input)
	return hex.EncodeToString(sum[:]), input, nil
}

// keyedFiles describes included files by all that they bring into the layer.
func keyedFiles(include runtimes.Tree) []keyedFile {
	files := make([]keyedFile, 0, len(include))
	for _, name := range include.Paths() {
		f := include[name]
		k := keyedFile{Path: name, Mode: fmt.Sprintf("%#o", f.Mode.Perm()), Link: f.Link}
		if f.Link != "" {
			k.Mode = "link"
		} else {
			k.SHA256 = hex.EncodeToString(f.SHA256[:])
		}
		files = append(files, k)
	}
	return files
}

// packagesOf reads the packages back from a key input.
func packagesOf(input []byte) ([]keyedPackage, error) {
	var in keyInput
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, err
	}
	return in.Packages, nil
}
