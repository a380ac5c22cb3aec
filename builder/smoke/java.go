package smoke

import (
	"archive/zip"
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"net/textproto"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The worker is compiled, since the runtimes' images have no compiler.
//
//go:embed SmokeTest.class
var javaWorker []byte

const javaWorkerName = "SmokeTest"

const (
	maxJar      = 512 << 20 // bytes that a jar may have
	maxServices = 1 << 20   // likewise a list of providers
	maxTries    = 50        // classes of one package that are tried
	maxNative   = 500       // classes that are initialised for their library
)

// javaItems are, of each jar: its main class; the providers of services that it
// names; of each of its topmost packages some class; and, where it brings native
// libraries, those packages' classes, which load them as they are initialised.
func javaItems(tree runtimes.Tree) (items []Item, err error) {
	for name, f := range tree {
		if path.Dir(name) != "java/lib" || path.Ext(name) != ".jar" || f.Open == nil {
			continue
		}
		data, err := f.ReadAll(maxJar)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		jar, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		of, err := jarItems(jar)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, item := range of {
			item.Package = path.Base(name)
			items = append(items, item)
		}
	}
	return items, nil
}

func jarItems(jar *zip.Reader) (items []Item, err error) {
	packages := make(map[string][]string) // by folder
	classes := make(map[string]bool)
	native := false
	for _, f := range jar.File {
		switch {
		case strings.HasPrefix(f.Name, "META-INF/versions/") || strings.HasSuffix(f.Name, "-info.class"):
		case path.Ext(f.Name) == ".class" && !strings.HasPrefix(f.Name, "META-INF/"):
			class := className(f.Name)
			classes[class] = true
			packages[path.Dir(f.Name)] = append(packages[path.Dir(f.Name)], class)
		case slices.Contains([]string{".so", ".dylib", ".jnilib", ".dll"}, path.Ext(f.Name)):
			native = true
		}
	}
	for _, f := range jar.File {
		service, ok := strings.CutPrefix(f.Name, "META-INF/services/")
		switch {
		case f.Name == "META-INF/MANIFEST.MF":
			main, err := mainClass(f)
			if err != nil {
				return nil, err
			}
			if main != "" {
				items = append(items, Item{Name: main, line: "load " + main})
			}
		case ok && service != "" && !strings.Contains(service, "/"):
			names, err := providers(f)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				// Others are in other jars, which may be there or not.
				if classes[name] {
					items = append(items, Item{Name: name, line: "provider " + name + " " + service})
				}
			}
		}
	}
	for _, folder := range topmost(packages) {
		all := packages[folder]
		slices.Sort(all)
		items = append(items, Item{Name: className(folder + "/*"), line: "any " + strings.Join(all[:min(len(all), maxTries)], " ")})
		if native {
			items = append(items, Item{Name: className(folder + "/*"), line: "native " + strings.Join(all[:min(len(all), maxNative)], " ")})
		}
	}
	return items, nil
}

// className is a class's name by that of its file.
func className(file string) string {
	return strings.ReplaceAll(strings.TrimPrefix(strings.TrimSuffix(file, ".class"), "./"), "/", ".")
}

// topmost are the folders that are in no other folder with classes.
func topmost(packages map[string][]string) (top []string) {
	for folder := range packages {
		inner := false
		for dir := folder; dir != "." && !inner; {
			dir = path.Dir(dir)
			inner = dir != "." && packages[dir] != nil
		}
		if !inner {
			top = append(top, folder)
		}
	}
	slices.Sort(top)
	return top
}

func mainClass(f *zip.File) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	header, err := textproto.NewReader(bufio.NewReader(io.LimitReader(r, maxMetadata))).ReadMIMEHeader()
	if err != nil && err != io.EOF {
		return "", nil // a manifest that Java may take, and that names no class that is sure
	}
	main := header.Get("Main-Class")
	if strings.ContainsAny(main, " \t/") {
		return "", nil
	}
	return main, nil
}

// providers are the classes that a file in META-INF/services names.
func providers(f *zip.File) (names []string, err error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	lines := bufio.NewScanner(io.LimitReader(r, maxServices))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if line = strings.TrimSpace(line); line != "" && !strings.ContainsAny(line, " \t") {
			names = append(names, line)
		}
	}
	return names, lines.Err()
}
