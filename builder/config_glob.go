package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/layerbuild/layerbuild/runtimes"
)

// isPattern tells whether a path or a layer's name stands for several.
func isPattern(s string) bool { return strings.ContainsAny(s, "*?[{") }

// pathOrPattern reads a layer's path.
func (v value) pathOrPattern() string {
	p := v.projectPath()
	switch {
	case p == "" || !isPattern(v.node.Value):
	case !doublestar.ValidatePattern(p):
		v.addf("*, **, ?, [a-z] and {a,b} are allowed", "bad pattern %q", short(p))
	case strings.Contains("/"+v.node.Value+"/", "/../"):
		v.addf("give a path from the folder of the file", "a pattern cannot hold ..: %s", short(p))
	}
	return p
}

// patterns expands those layers whose path is a pattern.
type patterns struct {
	*decoder
	project fs.FS
	written map[string]bool  // the paths of the layers that are written out
	named   map[string]Layer // by name, those that are done
}

// expandPatterns replaces each layer whose path is a pattern by one for each
// folder that matches, sorted by path. What a folder's content decides is only
// whether it has packages, so the names of all outputs still depend on the
// configuration and on the names of folders alone.
func (d *decoder) expandPatterns(layers []Layer, project fs.FS) []Layer {
	p := patterns{decoder: d, project: shownFolders{project}, written: make(map[string]bool), named: make(map[string]Layer)}
	for _, l := range layers {
		if !isPattern(l.Path) {
			p.written[l.Path] = true
			p.named[l.Name] = l
		}
	}
	var all []Layer
	for _, l := range layers {
		if isPattern(l.Path) {
			all = append(all, p.expand(l)...)
		} else {
			all = append(all, l)
		}
	}
	return all
}

func (p *patterns) expand(l Layer) []Layer {
	folders, err := p.folders(l.Path)
	if err != nil {
		p.addf(l.Line, "", "path %s: %v", l.Path, err)
		return nil
	}
	var layers []Layer
	var without []string
	for _, folder := range folders {
		switch {
		case p.written[folder]: // that layer has its own say
		case !p.hasPackages(l, folder):
			without = append(without, folder)
		default:
			layers = append(layers, p.layer(l, folder))
		}
	}
	switch {
	case len(folders) == 0:
		p.addf(l.Line, "a pattern is matched against folders, from the folder of the file; those whose name begins with a dot and node_modules are passed over",
			"path %s matches no folder", l.Path)
	case len(layers) == 0 && len(without) > 0:
		p.addf(l.Line, "folders without packages need plain: true", "path %s: none of the folders has a lock file: %s", l.Path, some(without))
	case len(layers) == 0:
		p.addf(l.Line, "remove one or the other", "path %s: every folder that matches is a layer of its own in this file", l.Path)
	}
	return layers
}

// some lists a few of many names.
func some(all []string) string {
	if len(all) > 4 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:3], ", "), len(all)-3)
	}
	return strings.Join(all, ", ")
}

// folders lists the folders that match a pattern, sorted.
func (p *patterns) folders(pattern string) ([]string, error) {
	var folders []string
	matches, err := doublestar.Glob(p.project, pattern, doublestar.WithFailOnIOErrors())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range matches {
		if info, err := fs.Stat(p.project, name); err == nil && info.IsDir() {
			folders = append(folders, name)
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders), nil
}

// hasPackages tells whether a folder is one that a layer can be made of: it
// holds a lock file, or a manifest that its owner forgot to lock or that a
// workspace above it locks. Which of these it is, the plugin says. A plain
// layer needs neither.
func (p *patterns) hasPackages(l Layer, folder string) bool {
	if l.Plain {
		return true
	}
	names := runtimes.ProjectFiles(l.Runtimes[0].Family)
	if l.LockFile != "" {
		names = append(names, l.LockFile)
	}
	return slices.ContainsFunc(names, func(name string) bool {
		info, err := fs.Stat(p.project, path.Join(folder, name))
		return err == nil && !info.IsDir()
	})
}

// layer is the layer of one folder that a pattern matches.
func (p *patterns) layer(l Layer, folder string) Layer {
	pattern := l.Path
	l.Name, l.Path = path.Base(folder), folder
	writeOut := fmt.Sprintf("write it out, and the pattern leaves it alone:\n\n  %s: {path: %s}", nameOf(folder), folder)
	switch first, taken := p.named[l.Name]; {
	case strings.ContainsFunc(l.Name, notInName) || len(l.Name) > maxName:
		p.addf(l.Line, writeOut, "path %s: the folder %s gives no name that Lambda accepts", pattern, short(folder))
	case taken:
		writeOut = fmt.Sprintf("write one out under another name, and the pattern leaves it alone:\n\n  %s: {path: %s}",
			nameOf(strings.ReplaceAll(folder, "/", "-")), folder)
		p.addf(l.Line, writeOut, "path %s: %s and %s would both be layer %s", pattern, first.Path, folder, l.Name)
	default:
		p.named[l.Name] = l
	}
	return l
}

// shownFolders is a file system whose lists leave out the folders that people
// do not mean by a pattern: hidden ones, and those that package managers fill.
type shownFolders struct{ fs.FS }

func (s shownFolders) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return strings.HasPrefix(e.Name(), ".") || e.Name() == "node_modules" || e.Name() == "__pycache__"
	}), err
}

func (s shownFolders) Stat(name string) (fs.FileInfo, error) { return fs.Stat(s.FS, name) }
