package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed corpora
var recipes embed.FS

// A corpus is a tree that is archived. It is made once, by a package manager
// from pinned versions, and kept in the user's cache folder.
type corpus struct {
	Name string
	what string
	// sum is of the tree: other files than those that the figures were
	// measured with are an error.
	sum string
	// own is for zipper alone, for its memory.
	own  bool
	make func(ctx context.Context, dir string) error
}

var corpora = []corpus{
	{Name: "node", what: "an npm tree",
		sum: "e96e87c2a075fafb04df4d20db4f26ccfb005090bb1230ce927ea3e483437dfc", make: makeNode},
	{Name: "python", what: "site-packages with numpy, pandas and scipy",
		sum: "b207a6f6c3553905faf0e0da1926102fc65098dbc881fbbfe2c143806bcf85bd", make: makePython},
	{Name: "jars", what: "the jars of a Spring Boot service with AWS's SDK",
		sum: "9764debd0cc1abe7ff05a18496fb4cca48de11e36bd87e8e4a6db918f8a4ab1b", make: makeJars},
	{Name: "elf", what: "the shared libraries of pyarrow and duckdb",
		sum: "d69159a9ec04c68410d844476630ea4e5cbba9a209af92eed7480f4fd85d5b32", make: makeELF},
	{Name: "big", what: "one file of 240 MB",
		sum: "664723118f9afff5df62a0e1947380b1151c10fb0e41d6f4ef9c1d0300fddfdd", make: makeBig, own: true},
}

// folder returns where the corpus is, and makes it where it is missing.
func (c corpus) folder(ctx context.Context, cache string) (string, tree, error) {
	dir := filepath.Join(cache, c.Name)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "zipbench: making %s, once\n", dir)
		if err := c.install(ctx, dir); err != nil {
			return "", nil, fmt.Errorf("corpus %s: %w", c.Name, err)
		}
	}
	t, err := treeOf(dir)
	if err != nil {
		return "", nil, err
	}
	if sum := t.sum(); sum != c.sum {
		return "", nil, fmt.Errorf("corpus %s: %s has the SHA-256 %s, want %s; delete the folder to have it made anew", c.Name, dir, sum, c.sum)
	}
	return dir, t, nil
}

func (c corpus) install(ctx context.Context, dir string) error {
	tmp := dir + ".tmp" // a killed run leaves it, and no half of a corpus
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(tmp, 0o755)); err != nil {
		return err
	}
	if err := c.make(ctx, tmp); err != nil {
		return err
	}
	// The archivers under comparison treat other modes differently.
	if err := filepath.WalkDir(tmp, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if d.IsDir() || info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		return os.Chmod(name, mode)
	}); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// sum is the SHA-256 of names, modes and contents.
func (t tree) sum() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(h, "%q %v %x\n", name, t[name].Mode, t[name].Sum)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// makeNode installs the packages that the npm benchmark has, too.
func makeNode(ctx context.Context, dir string) error {
	for _, name := range []string{"package.json", "package-lock.json"} {
		data, err := os.ReadFile(filepath.Join("../../cmd/layerbuild/testdata/many", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	if err := tool(ctx, dir, "npm", "ci", "--ignore-scripts", "--no-bin-links", "--omit=dev",
		"--os=linux", "--cpu=x64", "--libc=glibc", "--no-audit", "--no-fund", "--loglevel=error"); err != nil {
		return err
	}
	// npm's note of where it found the packages.
	return os.Remove(filepath.Join(dir, "node_modules/.package-lock.json"))
}

func makePython(ctx context.Context, dir string) error { return wheels(ctx, dir, "python") }

// makeELF keeps the shared libraries of a few wheels, and nothing else.
func makeELF(ctx context.Context, dir string) error {
	if err := wheels(ctx, dir, "elf"); err != nil {
		return err
	}
	var folders []string
	if err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			folders = append(folders, name)
		case !strings.Contains(d.Name(), ".so"):
			return os.Remove(name)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, name := range slices.Backward(folders) {
		_ = os.Remove(name) // those that are empty now
	}
	return nil
}

// wheels installs the requirements of a recipe as they are, without what the
// installer adds: scripts and RECORD name this machine's Python.
func wheels(ctx context.Context, dir, recipe string) error {
	requirements := dir + ".txt"
	data, err := recipes.ReadFile("corpora/" + recipe + "/requirements.txt")
	if err != nil {
		return err
	}
	if err := os.WriteFile(requirements, data, 0o644); err != nil {
		return err
	}
	defer os.Remove(requirements)
	args := []string{"pip", "install", "--quiet", "--target", dir, "--python-platform", "x86_64-manylinux_2_28",
		"--python-version", "3.11", "--only-binary", ":all:", "--require-hashes", "--no-deps", "--link-mode", "copy", "-r", requirements}
	if python := os.Getenv("LAYERBUILD_TEST_PYTHON"); python != "" {
		args = append(args, "--python", python)
	}
	if err := tool(ctx, dir, cmp.Or(os.Getenv("LAYERBUILD_TEST_UV"), "uv"), args...); err != nil {
		return err
	}
	records, err := filepath.Glob(filepath.Join(dir, "*.dist-info", "RECORD"))
	if err != nil {
		return err
	}
	for _, name := range append(records, filepath.Join(dir, "bin"), filepath.Join(dir, ".lock")) {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

func makeJars(ctx context.Context, dir string) error {
	project := dir + ".maven"
	defer os.RemoveAll(project)
	pom, err := recipes.ReadFile("corpora/jars/pom.xml")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(project, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(project, "pom.xml"), pom, 0o644); err != nil {
		return err
	}
	return tool(ctx, project, "mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(dir, "lib"))
}

// makeBig writes words that the seed chooses, of which some are common, as in
// the strings of a program: it shrinks to about a third.
func makeBig(_ context.Context, dir string) error {
	const size, vocabulary = 240_000_000, 1 << 16
	rng := rand.New(rand.NewPCG(6, 240))
	words := make([][]byte, vocabulary)
	for i := range words {
		words[i] = make([]byte, 2+rng.IntN(12))
		for j := range words[i] {
			words[i][j] = byte(rng.Uint32())
		}
	}
	f, err := os.Create(filepath.Join(dir, "big.bin"))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for n := 0; n < size; {
		word := words[int(rng.Float64()*rng.Float64()*rng.Float64()*vocabulary)]
		word = word[:min(len(word), size-n)]
		w.Write(word) // Flush has the error
		n += len(word)
	}
	return errors.Join(w.Flush(), f.Close())
}

// tool runs a package manager. Where its registry is, it knows from its own
// configuration and the environment.
func tool(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w (make tools has it)\n%s", name, err, out.String())
	}
	return nil
}

// cacheFolder is where corpora are kept.
func cacheFolder() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "layerbuild-zipbench"), err
}
