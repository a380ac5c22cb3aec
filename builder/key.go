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

// keyInput is everything that decides the bytes of a layer. Its JSON, with the
// fields in this order, is what a key hashes; doc/key.md describes it. A new
// field changes every key that has it.
//
// The layer's name and description, the folder and the machine are not in it.
// Where only specifications decide, neither are the architecture, the image
// and the tools: they have already decided which files were chosen. Where
// something runs, all of that is in Recipe.
type keyInput struct {
	Format         string         `json:"format"` // of this structure
	Kind           string         `json:"kind"`
	Layout         string         `json:"layout"` // the plugin's rules, with its name
	Zip            string         `json:"zip"`    // zipper.Version
	Prefix         string         `json:"prefix"`
	ConsoleScripts bool           `json:"consoleScripts"`
	Interpreter    string         `json:"interpreter"`
	ExcludeFiles   []string       `json:"excludeFiles"`
	Slim           []string       `json:"slim,omitempty"`
	Packages       []keyedPackage `json:"packages"`
	Include        []keyedFile    `json:"include"`
	Recipe         *keyedRecipe   `json:"recipe,omitempty"`
	Own            *keyedOwn      `json:"own,omitempty"`
}

// keyedRecipe is what decides the result of code that runs.
type keyedRecipe struct {
	Image    string            `json:"image"`
	Arch     string            `json:"architecture,omitempty"` // where sources are built
	Tools    map[string]string `json:"tools,omitempty"`
	Bytecode bool              `json:"bytecode,omitempty"`
	Parts    []keyedPart       `json:"parts,omitempty"`
	Steps    []keyedStep       `json:"steps"`
	Instead  *keyedRecipe      `json:"instead,omitempty"`
}

// keyedPart is what decides a part that is made by itself, and where it goes.
type keyedPart struct {
	Path   string       `json:"path"` // in the container
	Recipe *keyedRecipe `json:"recipe"`
}

type keyedStep struct {
	Args   []string     `json:"args"`
	Env    []string     `json:"env"`
	Inputs []keyedInput `json:"inputs"`
}

type keyedInput struct {
	Path   string `json:"path"` // in the container
	SHA256 string `json:"sha256"`
}

type keyedPackage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	File    string `json:"file"`
	SHA256  string `json:"sha256,omitempty"`

	// These are empty for wheels.
	Integrity string   `json:"integrity,omitempty"`
	Places    []string `json:"places,omitempty"`
	Scripts   bool     `json:"scripts,omitempty"`
}

type keyedFile struct {
	Path   string `json:"path"` // in the layer
	Mode   string `json:"mode"` // "0644", "0755" or "link"
	SHA256 string `json:"sha256,omitempty"`
	Link   string `json:"link,omitempty"`
}

// keyOf returns the key of a recipe with its included files, and the exact
// bytes that were hashed: a layout key, or, where something runs, a recipe key,
// which needs all pins.
func keyOf(r runtimes.Recipe, include runtimes.Tree) (key string, input []byte, err error) {
	in := keyInput{
		Format:         "layerbuild-key/1",
		Kind:           "layout",
		Layout:         r.Layout,
		Zip:            zipper.Version,
		Prefix:         r.Prefix,
		ConsoleScripts: r.ConsoleScripts,
		Interpreter:    r.Interpreter,
		ExcludeFiles:   slices.Compact(slices.Sorted(slices.Values(r.ExcludeFiles))),
		Slim:           r.Slim,
		Packages:       make([]keyedPackage, 0, len(r.Packages)),
		Include:        keyedFiles(include),
	}
	for _, p := range r.Packages {
		if p.Missing != "" && p.Build == nil {
			return "", nil, fmt.Errorf("no key: %s %s has no file", p.Name, p.Version)
		}
		in.Packages = append(in.Packages, keyedPackage{
			Name: p.Name, Version: p.Version, File: p.File.Name, SHA256: p.File.SHA256,
			Integrity: p.File.Integrity, Places: p.Places, Scripts: p.Scripts,
		})
	}
	if r.Runs() {
		if r.Container == nil {
			return "", nil, fmt.Errorf("no key: %d pins are missing", len(r.Needs))
		}
		in.Kind, in.Recipe, in.Own = "recipe", keyedRecipeOf(r), keyedOwnOf(r.Own)
	}
	input, err = json.Marshal(in)
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(input)
	return hex.EncodeToString(sum[:]), input, nil
}

// keyedRecipeOf leaves out what a step's result cannot depend on: package
// managers' caches, secrets, and where packages are fetched from.
func keyedRecipeOf(r runtimes.Recipe) *keyedRecipe {
	c := r.Container
	k := &keyedRecipe{Image: c.Image, Arch: string(c.Arch), Tools: c.Tools, Bytecode: r.Bytecode, Steps: []keyedStep{}}
	for _, part := range c.Parts {
		k.Parts = append(k.Parts, keyedPart{part.Path, keyedRecipeOf(part.Recipe)})
	}
	for _, step := range c.Steps {
		s := keyedStep{Args: step.Args, Env: step.Env, Inputs: []keyedInput{}}
		for _, in := range step.Inputs {
			if !in.Whereabouts {
				s.Inputs = append(s.Inputs, keyedInput{in.Path, hexSum(in.Data)})
			}
		}
		k.Steps = append(k.Steps, s)
	}
	if c.Instead != nil {
		k.Instead = keyedRecipeOf(runtimes.Recipe{Container: c.Instead})
	}
	return k
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

// readKeyInput reads back what a key hashes.
func readKeyInput(input []byte) (keyInput, error) {
	var in keyInput
	err := json.Unmarshal(input, &in)
	return in, err
}
