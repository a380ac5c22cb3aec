// Package wheelhouse is a real package index on loopback, for tests: it
// builds wheels and serves them by the simple repository API.
package wheelhouse

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// Wheel says what a wheel holds.
type Wheel struct {
	Name, Version string
	Tag           string            // "py3-none-any" if empty
	Files         map[string]string // path → content; an own RECORD, METADATA or WHEEL replaces the generated one
	Executable    []string          // paths that are 0755
	Links         map[string]string // path → target: no honest wheel has one
	Requires      []string          // Requires-Dist of METADATA
}

// File is a built wheel.
type File struct {
	Name   string
	SHA256 string // hex
	Data   []byte
}

func (w Wheel) stem() string { return strings.ReplaceAll(w.Name, "-", "_") + "-" + w.Version }

func (w Wheel) tag() string { return cmp.Or(w.Tag, "py3-none-any") }

// files are all of the wheel's files, the generated ones as well.
func (w Wheel) files() map[string]string {
	info := w.stem() + ".dist-info/"
	files := map[string]string{
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: wheelhouse\nRoot-Is-Purelib: true\nTag: " + w.tag() + "\n",
		info + "METADATA": w.metadata(),
	}
	maps.Copy(files, w.Files)
	if _, own := files[info+"RECORD"]; !own {
		files[info+"RECORD"] = record(files, info+"RECORD")
	}
	return files
}

// Record is the RECORD of the wheel, with which another can lie.
func (w Wheel) Record() string {
	return w.files()[w.stem()+".dist-info/RECORD"]
}

// Build makes the wheel's file. The same wheel gives the same bytes.
func (w Wheel) Build() (File, error) {
	files := w.files()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	add := func(name, content string, mode fs.FileMode) error {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(mode)
		entry, err := z.CreateHeader(h)
		if err == nil {
			_, err = entry.Write([]byte(content))
		}
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mode := fs.FileMode(0o644)
		if slices.Contains(w.Executable, name) {
			mode = 0o755
		}
		if err := add(name, files[name], mode); err != nil {
			return File{}, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Links)) {
		if err := add(name, w.Links[name], fs.ModeSymlink|0o777); err != nil {
			return File{}, err
		}
	}
	if err := z.Close(); err != nil {
		return File{}, err
	}
	sum := sha256.Sum256(buf.Bytes())
	return File{w.stem() + "-" + w.tag() + ".whl", hex.EncodeToString(sum[:]), buf.Bytes()}, nil
}

func (w Wheel) metadata() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Metadata-Version: 2.1\nName: %s\nVersion: %s\n", w.Name, w.Version)
	for _, r := range w.Requires {
		fmt.Fprintf(&b, "Requires-Dist: %s\n", r)
	}
	return b.String()
}

func record(files map[string]string, self string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256([]byte(files[name]))
		fmt.Fprintf(&b, "%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(files[name]))
	}
	return b.String() + self + ",,\n"
}

// Index serves wheels. It must be closed.
type Index struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string]map[string]File // project → file name → file
	trouble
	requests int
}

// Serve starts an index of the given wheels.
func Serve(wheels ...Wheel) (*Index, error) {
	x := &Index{files: make(map[string]map[string]File), trouble: trouble{stalls: make(map[string]*Stall), cuts: make(map[string]int)}}
	for _, w := range wheels {
		if _, err := x.Add(w); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /simple/{project}/", x.project)
	mux.HandleFunc("GET /files/{project}/{file}", x.file)
	x.Server = httptest.NewServer(x.guard(mux))
	return x, nil
}

// SimpleURL is the address to give to pip, uv or layerbuild.
func (x *Index) SimpleURL() string { return x.URL + "/simple/" }

// Add builds a wheel and serves it from now on.
func (x *Index) Add(w Wheel) (File, error) {
	f, err := w.Build()
	if err == nil {
		x.AddFile(w.Name, f)
	}
	return f, err
}

// AddSdist builds a source archive and serves it from now on.
func (x *Index) AddSdist(s Sdist) (File, error) {
	f, err := s.Build()
	if err == nil {
		x.AddFile(s.Name, f)
	}
	return f, err
}

// AddFile serves a file as one of the project's, whatever it holds. The
// index states f.SHA256 as its hash, whether it is or not.
func (x *Index) AddFile(project string, f File) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.files[project] == nil {
		x.files[project] = make(map[string]File)
	}
	x.files[project][f.Name] = f
}

// Files lists what is served for a project, by name.
func (x *Index) Files(project string) []File {
	x.mu.Lock()
	defer x.mu.Unlock()
	var files []File
	for _, name := range slices.Sorted(maps.Keys(x.files[project])) {
		files = append(files, x.files[project][name])
	}
	return files
}

// Requests is how many requests came so far.
func (x *Index) Requests() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.requests
}

func (x *Index) project(w http.ResponseWriter, r *http.Request) {
	project := r.PathValue("project")
	files := x.Files(project)
	x.mu.Lock()
	x.requests++
	x.mu.Unlock()
	if len(files) == 0 {
		http.NotFound(w, r)
		return
	}
	type file struct {
		Filename string            `json:"filename"`
		URL      string            `json:"url"`
		Hashes   map[string]string `json:"hashes"`
		Size     int               `json:"size"`
	}
	doc := struct {
		Meta  map[string]string `json:"meta"`
		Name  string            `json:"name"`
		Files []file            `json:"files"`
	}{Meta: map[string]string{"api-version": "1.1"}, Name: project}
	for _, f := range files {
		doc.Files = append(doc.Files, file{
			Filename: f.Name, URL: "../../files/" + project + "/" + f.Name,
			Hashes: map[string]string{"sha256": f.SHA256}, Size: len(f.Data),
		})
	}
	w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
	data, err := json.Marshal(doc)
	if err != nil {
		panic(err) // of strings and numbers
	}
	x.send(w, r, "simple", project, data)
}

func (x *Index) file(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	x.requests++
	f, ok := x.files[r.PathValue("project")][r.PathValue("file")]
	x.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	x.send(w, r, "files", r.PathValue("project"), f.Data)
}
