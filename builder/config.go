package builder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// ConfigName is the name of the configuration file.
const ConfigName = "layerbuild.yaml"

// maxConfigSize bounds what is read of a configuration file.
const maxConfigSize = 1 << 20

// defaultOutput is the output folder in a project.
const defaultOutput = ".layerbuild/dist"

// ConfigExample is the smallest useful configuration.
const ConfigExample = `layers:
  api:
    path: services/api
    runtime: python3.13
    architectures: [arm64]
`

// Config is what layerbuild.yaml says.
type Config struct {
	File     string          // as it was found or given; "" without a file
	Root     string          // the absolute folder that holds it: the project
	Layers   []Layer         // in the file's order
	Runtimes []runtimes.Info `json:",omitempty"` // of the file's own, which win over the table's
	Output   string          // absolute folder
	Cache    CacheConfig
	CABundle string // absolute path of a PEM file, or ""
	Engine   string // "auto", "buildkit" or "direct"
	Builder  BuilderConfig
	Secrets  []Secret // in the file's order
}

// Layer is one entry of the configuration.
type Layer struct {
	Name string
	Line int    // in the file, 0 without one
	Path string // slash-separated, clean, inside the project

	Runtimes      []runtimes.Info
	Architectures []runtimes.Arch

	Plain bool // the files of Path as they are: no lock file, no packages

	LockFile       string    // a file in Path, or "" to find it
	Groups         []string  // dependency groups
	Extras         []string  // extras of the project
	Exclude        []string  // packages
	ExcludeFiles   []string  // patterns, see [runtimes.Recipe.ExcludeFiles]
	Include        []Include // sorted by To
	ConsoleScripts bool
	Bytecode       bool
	Project        bool                // the project itself, too
	BuildRequires  map[string][]string // by package: what its build needs beside what it says
	AllowScripts   []string            // npm packages whose install scripts may run
	Slim           []string            // classes of files to leave out, sorted
	Profiles       []string            // of a Maven project
	Artifacts      []string            // jars to add, "group:artifact:classifier"
	Universal      bool
	Own            runtimes.OwnImage `json:",omitzero"` // image, setup, env and copy
	Check          CheckConfig

	Description string
	LicenseInfo string
}

// Include puts a file or folder of the project into the layer.
type Include struct {
	From string // slash-separated, clean, inside the project
	To   string // slash-separated, clean, below the layer's root
}

// CacheConfig says where what was built is kept.
type CacheConfig struct {
	Folder  string         // absolute, of the local cache; or "" for the user's own
	MaxSize int64          `json:",omitempty"` // bytes of the local cache, NoLimit, or 0 for the default
	Remotes []RemoteConfig // in the order in which they are asked

	Trust    []cache.PublicKey // whose entries are taken from remotes; none: anybody's
	Sign     PasswordSource    // of the private key that signs what is pushed; all empty: none
	SignLine int
}

// RemoteConfig is a cache that machines share.
type RemoteConfig struct {
	URL      string // without a login
	Line     int
	Push     string // "true", "false" or "auto"
	Required bool
	Token    PasswordSource // sent to an http server as a bearer token; all empty: none
}

// BuilderConfig says where BuildKit is.
type BuilderConfig struct {
	Address string                   // "unix:///…", "tcp://…", or ""
	ByArch  map[runtimes.Arch]string // addresses of builders of one architecture
	Network string                   // "host": steps share the builder's network; or ""
	TLS     TLSConfig
}

// TLSConfig holds what a TLS connection to BuildKit needs. Its files are
// absolute paths, or "".
type TLSConfig struct {
	CA         string
	Cert       string
	Key        string
	ServerName string
}

// Secret says where the login for a server comes from. It never holds one.
type Secret struct {
	Server   string // host or host:port, in lower case
	Line     int
	User     string
	Password PasswordSource
}

// PasswordSource says where a secret is. It has exactly one of its fields.
type PasswordSource struct {
	Env     string   // a variable
	File    string   // absolute path
	Command []string // that prints it, run in the project's folder
}

// FileName names the files of the layer for one runtime and architecture,
// without ".zip" or ".json". It depends on the configuration alone, not on
// what a command selects from it, so that a file's name says the same at every
// build.
func (l Layer) FileName(runtime runtimes.Info, arch runtimes.Arch) string {
	if l.Universal || len(l.Runtimes) == 1 && len(l.Architectures) == 1 {
		return l.Name
	}
	return l.Name + "-" + runtime.Name + "-" + string(arch)
}

// FindConfig looks for the configuration file in dir and the folders above
// it, the nearest first. It returns a path relative to the working folder
// where dir is, and an error that is [fs.ErrNotExist] where there is none.
func FindConfig(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for folder := abs; ; folder = filepath.Dir(folder) {
		file := filepath.Join(folder, ConfigName)
		info, err := os.Stat(file)
		switch {
		case err == nil && !info.IsDir():
			return asGiven(dir, file), nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("no %s in %s or a folder above it: %w", ConfigName, abs, fs.ErrNotExist)
		}
	}
}

// asGiven returns file relative to the working folder where dir is relative.
func asGiven(dir, file string) string {
	if filepath.IsAbs(dir) {
		return file
	}
	wd, err := os.Getwd()
	if err != nil {
		return file
	}
	rel, err := filepath.Rel(wd, file)
	if err != nil {
		return file
	}
	return rel
}

// LoadConfig reads a configuration file. Its defects are
// [*runtimes.InputError]s; where there are several they are joined, in the
// order of their lines.
func LoadConfig(file string) (*Config, error) {
	data, err := readConfig(file)
	if err != nil {
		if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
			err = pathErr.Err // the path is said once
		}
		return nil, &runtimes.InputError{File: file, Problem: "cannot be read", Err: err}
	}
	root, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	return parseConfig(file, root, os.DirFS(root), data)
}

// ReadConfig reads a configuration that is not, or not yet, in its file below
// root.
func ReadConfig(file, root string, r io.Reader) (*Config, error) {
	data, err := readBounded(r)
	if err != nil {
		return nil, &runtimes.InputError{File: file, Problem: "cannot be read", Err: err}
	}
	if root, err = filepath.Abs(root); err != nil {
		return nil, err
	}
	return parseConfig(file, root, os.DirFS(root), data)
}

func readConfig(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f)
}

func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxConfigSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfigSize {
		return nil, fmt.Errorf("larger than %d bytes", maxConfigSize)
	}
	return data, nil
}

// newConfig returns a configuration with every default.
func newConfig(file, root string) *Config {
	return &Config{
		File:   file,
		Root:   root,
		Output: filepath.Join(root, filepath.FromSlash(defaultOutput)),
		Engine: "auto",
	}
}

// NoConfig is what holds in a folder where there is no configuration: the
// defaults, and no layer.
func NoConfig(root string) (*Config, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	return newConfig("", root), nil
}

// SingleLayer is the configuration of one layer where there is no file: path
// is a folder with a lock file, or the lock file itself. The layer is named
// after the folder, and the working folder is the project where it holds the
// path.
func SingleLayer(path string, runtimeNames, arches []string) (*Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, &runtimes.InputError{File: path, Problem: "cannot be read", Err: err,
			Hint: "give the folder that holds the lock file"}
	}
	folder, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	var layer Layer
	if !info.IsDir() {
		folder, layer.LockFile = filepath.Split(folder)
		folder = filepath.Clean(folder)
	}
	layer.Name = nameOf(folder)

	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(root, folder)
	if err != nil || !filepath.IsLocal(rel) {
		root, rel = folder, "."
	}
	layer.Path = filepath.ToSlash(rel)

	if err := layer.choose(runtimeNames, arches); err != nil {
		return nil, err
	}
	c := newConfig("", root)
	c.Layers = []Layer{layer}
	return c, nil
}

// choose sets the runtimes and architectures that a command line names.
func (l *Layer) choose(runtimeNames, arches []string) error {
	if len(runtimeNames) == 0 {
		return &runtimes.InputError{Problem: "no runtime is given",
			Hint: "without a " + ConfigName + ", name it: --runtime " + runtimes.Table()[0].Name}
	}
	if len(arches) == 0 {
		return &runtimes.InputError{Problem: "no architecture is given",
			Hint: "without a " + ConfigName + ", name it: --arch x86_64 or --arch arm64"}
	}
	var err error
	if l.Runtimes, err = ParseRuntimes(runtimeNames, nil); err != nil {
		return err
	}
	if l.Architectures, err = ParseArches(arches); err != nil {
		return err
	}
	if err := l.settle(); err != nil {
		return err
	}
	if l.Plain && l.LockFile != "" {
		return &runtimes.InputError{File: l.LockFile, Problem: "a layer for " + l.Runtimes[0].Name + " is made of a folder, not of a file", Hint: "name the folder that it lies in"}
	}
	return nil
}

// LayerName makes a layer's name of any text.
func LayerName(text string) string { return nameOf(strings.ReplaceAll(text, "/", "-")) }

// nameOf makes a layer's name of a folder's.
func nameOf(folder string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		if strings.ContainsRune(nameCharacters, r) {
			return r
		}
		return '-'
	}, filepath.Base(folder)), "-")
	switch {
	case name == "":
		return "layer"
	case strings.EqualFold(name, indexName):
		return name + "-layer" // its manifest would take the index's place
	}
	return name[:min(len(name), maxName)]
}
