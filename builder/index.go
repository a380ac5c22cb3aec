package builder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// ID is the archive's name without its ending. No other archive of the output
// folder has it.
func (e IndexEntry) ID() string { return strings.TrimSuffix(e.File, filepath.Ext(e.File)) }

// Delivered returns what lies in the output folder of the layers with the given
// names, or of all, in the order of layers.json. It hashes the archives: one that
// is missing or is not the one that was delivered is an error, since whatever is
// made of layers.json would be wrong.
func Delivered(output string, layers []string) ([]IndexEntry, error) {
	data, err := os.ReadFile(filepath.Join(output, indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notDelivered("there is nothing in "+output+" yet", nil)
	}
	if err != nil {
		return nil, err
	}
	var index indexDocument
	if err := json.Unmarshal(data, &index); err != nil || index.Format != 1 {
		return nil, notDelivered(filepath.Join(output, indexFile)+" is not layerbuild's", err)
	}
	for _, name := range layers {
		if !slices.ContainsFunc(index.Layers, func(e IndexEntry) bool { return e.Name == name }) {
			return nil, notDelivered(fmt.Sprintf("there is no archive of the layer %s in %s", name, output), nil)
		}
	}
	if len(layers) > 0 {
		index.Layers = slices.DeleteFunc(index.Layers, func(e IndexEntry) bool { return !slices.Contains(layers, e.Name) })
	}
	for _, e := range index.Layers {
		file := filepath.Join(output, filepath.Base(e.File))
		switch sum, err := fileSum(file); {
		case err != nil:
			return nil, notDelivered("an archive of layers.json cannot be read", err)
		case sum != e.SHA256:
			return nil, notDelivered(file+" is not the archive that layers.json lists", nil)
		}
	}
	return index.Layers, nil
}

func notDelivered(problem string, err error) error {
	return &runtimes.InputError{Problem: problem, Err: err, Hint: "build it first: layerbuild build"}
}
