package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// What can go wrong around a build, and where it is tried. Each case wants the
// message, the exit code, outputs that are whole or not there, a cache without
// temporary files, and the right bytes from the next build. (e2e: with tag
// e2e; those that mount need root.)
//
//	kill -9 at any moment                TestKillBuild; package cache's TestCrash
//	  of a build in a container          TestKillContainer (e2e)
//	  of one that others wait for        TestTogetherKilled
//	Ctrl-C, SIGTERM: at once, 130        TestInterruptDirect
//	  ends the container's step          TestInterruptContainer (e2e)
//	  while another process builds       TestTogetherInterrupted
//	layerbuild lock, ended in each way   TestLockEnded (e2e)
//	full disk: cache, output, TMPDIR     TestFullDisk (e2e), both engines
//	  at any moment                      TestFullDiskAnywhere (e2e)
//	no or read-only TMPDIR               fail_tmpdir.txtar, TestReadOnlyCache (e2e)
//	read-only output folder              TestReadOnlyOutput (e2e)
//	read-only cache                      TestReadOnlyCache (e2e), both engines
//	read-only project                    TestReadOnlyProject (e2e)
//	BuildKit not there                   fail_buildkit.txtar
//	  lost in the middle of a step       TestLostDaemon (e2e)
//	index not there                      fail_offline.txtar, fail_first_sight.txtar
//	  lost in the middle, once or always fail_cut.txtar, fail_cut_page.txtar
//	  the same in a container            TestLostIndexInContainer (e2e)
//	wrong, missing and expired logins    TestPrivateIndexBehindProxy (e2e)
//	  expired in the middle              fail_token.txtar
//	two builds of one layer at once      TestTogether
//	files from the future or the past    fail_clock.txtar
//	certificates not valid now           TestWrongClock, TestWrongClockInContainer (e2e)
//	odd names of folders                 build_folders.txtar, TestFoldersInContainer (e2e)
//	damaged cache, lost archive          build_damaged.txtar, package builder's repair_test.go
//	wrong lock files and configurations  fail_lock.txtar, fail_selection.txtar
//	a remote not there, required or not  remote.txtar; any other way to fail in
//	                                     package cache/web's faults_test.go
//	other files than were locked         fail_index.txtar, TestWrongPins (e2e)
//	hostile packages                     fail_hostile.txtar, TestHostileInContainer (e2e)

// What the scripts build_*.txtar and fail_*.txtar need beyond the program: a
// package index of their own on loopback, lock files for what it serves, and
// commands that look at what a build left behind.

// scriptCommands are the commands of scripts, by name:
//
//	exits CODE COMMAND…   run a command that ends with an exit code
//	fails CODE COMMAND…   the same, and it must leave every file as it was
//	index VERB …          stop the index; serve another wheel; tamper with one;
//	                      cut its answers; demand a login; let the login expire
//	nowhere TEXT FILE…    demand that no output and no file but these holds it
//	lock FILE PIN…        write requirements.txt or uv.lock (with pyproject.toml);
//	                      dev:PIN locks for the group dev, open:PIN without hashes
//	zipinfo FILE          print mode and name of each entry of an archive
//	zipcat FILE ENTRY     print an entry of an archive
//	masked FILE           print a JSON file without its hashes and sizes
//	checksums FOLDER      hold an output folder's archives against what its
//	                      manifests and its index say of them
//	mode PERM FILE…       check permissions
//	aged LAYER            make the cache's layer look unused for 40 days
//	flip FILE             change one byte of what the cache holds of a file
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":     exits,
	"fails":     fails,
	"index":     indexCommand,
	"lock":      lockCommand,
	"zipinfo":   zipinfo,
	"zipcat":    zipcat,
	"masked":    masked,
	"checksums": checksums,
	"mode":      checkMode,
	"nowhere":   nowhere,
	"aged":      aged,
	"flip":      flip,
}

type indexKey struct{}

// noRaceSleep lets a program with the race detector end at once, and not a
// second after it is done.
const noRaceSleep = "GORACE=atexit_sleep_ms=0"

// setupIndex starts a script's index and names it to the program, whose cache
// lies in the script's own folder.
func setupIndex(env *testscript.Env) error {
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		return err
	}
	env.Defer(index.Close)
	env.Values[indexKey{}] = index
	env.Vars = append(env.Vars, noRaceSleep)
	env.Setenv("COLUMNS", oneLine)
	env.Setenv("PIP_INDEX_URL", index.SimpleURL())
	env.Setenv("INDEX_HOST", index.Listener.Addr().String())
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))                            // no settings of the machine's own
	env.Setenv("DOCKER_HOST", "unix://"+filepath.Join(env.WorkDir, "no-docker.sock")) // not the machine's own
	env.Setenv("LAYERBUILD_CACHE_DIR", filepath.Join(env.WorkDir, "cache"))
	libraries, err := filepath.Abs("../../builder/check/testdata")
	env.Setenv("LIBRARIES", libraries)
	return err
}

func scriptIndex(ts *testscript.TestScript) *wheelhouse.Index {
	return ts.Value(indexKey{}).(*wheelhouse.Index)
}

// scriptWheels is what every index serves at first.
func scriptWheels() []wheelhouse.Wheel {
	pure := func(name, version string, requires ...string) wheelhouse.Wheel {
		return wheelhouse.Wheel{Name: name, Version: version, Requires: requires, Files: map[string]string{
			name + "/__init__.py":       "version = '" + version + "'\n",
			name + "/tests/test_all.py": "assert True\n",
		}}
	}
	native := func(name, tag string) wheelhouse.Wheel {
		return wheelhouse.Wheel{Name: name, Version: "1.0", Tag: tag, Files: map[string]string{
			name + "/__init__.py": "", name + "/_core.so": tag}}
	}
	tool := pure("tool", "1.0")
	tool.Files["tool-1.0.dist-info/entry_points.txt"] = "[console_scripts]\nrun-tool = tool:main\n"
	return []wheelhouse.Wheel{
		pure("api", "1.0", "core>=1"), pure("api", "1.1", "core>=1"),
		pure("core", "1.0"), pure("core", "2.0"), pure("lint", "1.0"), tool,
		native("fastmath", "cp311-cp311-manylinux_2_17_x86_64"), native("fastmath", "cp311-cp311-manylinux_2_17_aarch64"),
		native("fastmath", "cp313-cp313-manylinux_2_17_x86_64"), native("fastmath", "cp313-cp313-manylinux_2_17_aarch64"),
		// Needs a newer glibc than python3.11 has.
		native("modern", "cp311-cp311-manylinux_2_28_x86_64"), native("modern", "cp311-cp311-musllinux_1_2_x86_64"),
		native("modern", "cp313-cp313-manylinux_2_28_x86_64"),
	}
}

// hostileWheels are served where a script asks for them.
var hostileWheels = map[string]func() wheelhouse.Wheel{
	"traversal": func() wheelhouse.Wheel {
		return wheelhouse.Wheel{Files: map[string]string{"../../../../../evil.py": "evil"}}
	},
	"link": func() wheelhouse.Wheel {
		return wheelhouse.Wheel{Files: map[string]string{"link/__init__.py": ""}, Links: map[string]string{"link/passwd": "/etc/passwd"}}
	},
	"record": func() wheelhouse.Wheel {
		// The right RECORD of METADATA and WHEEL, and that of another __init__.py.
		w := wheelhouse.Wheel{Name: "record", Version: "1.0", Files: map[string]string{"record/__init__.py": "a"}}
		w.Files["record-1.0.dist-info/RECORD"] = w.Record()
		w.Files["record/__init__.py"] = "b"
		return w
	},
	"bomb": func() wheelhouse.Wheel {
		return wheelhouse.Wheel{Files: map[string]string{"bomb/zeros": strings.Repeat("\x00", 65<<20)}}
	},
}

func indexCommand(ts *testscript.TestScript, neg bool, args []string) {
	index := scriptIndex(ts)
	switch {
	case neg:
	case slices.Equal(args, []string{"stop"}):
		index.Close()
		return
	case len(args) == 3 && args[0] == "demand":
		index.Demand(args[1], args[2])
		return
	case len(args) == 2 && args[0] == "serve" && hostileWheels[args[1]] != nil:
		w := hostileWheels[args[1]]()
		w.Name, w.Version = args[1], "1.0"
		_, err := index.Add(w)
		ts.Check(err)
		return
	case len(args) == 2 && args[0] == "tamper":
		// Other bytes under the hash that was stated, or, once more, the true ones.
		files := index.Files(args[1])
		if len(files) == 0 {
			ts.Fatalf("the index has no %s", args[1])
		}
		for _, f := range files {
			f.Data = slices.Clone(f.Data)
			f.Data[len(f.Data)/2] ^= 0xff
			index.AddFile(args[1], f)
		}
		return
	case len(args) == 3 && args[0] == "cut":
		index.Cut(args[1], number(ts, args[2]))
		return
	case len(args) == 2 && args[0] == "expire":
		index.Expire(number(ts, args[1]))
		return
	}
	ts.Fatalf("usage: index stop | serve HOSTILE | tamper PROJECT | cut WHAT TIMES | demand USER PASSWORD | expire REQUESTS")
}

// number reads a count, or "always".
func number(ts *testscript.TestScript, s string) int {
	if s == "always" {
		return wheelhouse.Always
	}
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

// lockCommand writes lock files for what the index serves.
func lockCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: lock FILE PIN…")
	}
	file, index := ts.MkAbs(args[0]), scriptIndex(ts)
	ts.Check(os.MkdirAll(filepath.Dir(file), 0o777))
	if filepath.Base(file) != "uv.lock" {
		ts.Check(os.WriteFile(file, []byte(requirements(index, args[1:])), 0o666))
		return
	}
	lock, project := uvLock(index, args[1:])
	ts.Check(os.WriteFile(file, []byte(lock), 0o666))
	ts.Check(os.WriteFile(filepath.Join(filepath.Dir(file), "pyproject.toml"), []byte(project), 0o666))
}

// filesOf are the files of a pin, as api==1.0.
func filesOf(index *wheelhouse.Index, pin string) (name, version string, files []wheelhouse.File) {
	name, version, _ = strings.Cut(pin, "==")
	for _, f := range index.Files(name) {
		if strings.HasPrefix(f.Name, name+"-"+version+"-") {
			files = append(files, f)
		}
	}
	return name, version, files
}

func requirements(index *wheelhouse.Index, pins []string) string {
	var b strings.Builder
	for _, pin := range pins {
		if open, ok := strings.CutPrefix(pin, "open:"); ok {
			b.WriteString(open + "\n")
			continue
		}
		b.WriteString(pin)
		_, _, files := filesOf(index, pin)
		for _, f := range files {
			b.WriteString(" \\\n    --hash=sha256:" + f.SHA256)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func uvLock(index *wheelhouse.Index, pins []string) (lock, pyproject string) {
	var b strings.Builder
	var names, dev []string
	b.WriteString("version = 1\nrevision = 3\nrequires-python = \">=3.11\"\n")
	for _, pin := range pins {
		pin, inDev := strings.CutPrefix(pin, "dev:")
		name, version, files := filesOf(index, pin)
		if inDev {
			dev = append(dev, name)
		} else {
			names = append(names, name)
		}
		fmt.Fprintf(&b, "\n[[package]]\nname = %q\nversion = %q\nsource = { registry = %q }\n", name, version, index.SimpleURL())
		if name == "api" {
			b.WriteString("dependencies = [{ name = \"core\" }]\n")
		}
		b.WriteString("wheels = [\n")
		for _, f := range files {
			fmt.Fprintf(&b, "    { url = \"%s/files/%s/%s\", hash = \"sha256:%s\", size = %d },\n", index.URL, name, f.Name, f.SHA256, len(f.Data))
		}
		b.WriteString("]\n")
	}
	list := func(names []string, format string) string {
		var all []string
		for _, name := range names {
			all = append(all, fmt.Sprintf(format, name))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	tables, quoted := "{ name = %q }", "%q"
	fmt.Fprintf(&b, "\n[[package]]\nname = \"svc\"\nversion = \"1\"\nsource = { virtual = \".\" }\ndependencies = %s\n", list(names, tables))
	fmt.Fprintf(&b, "\n[package.dev-dependencies]\ndev = %s\n", list(dev, tables))
	fmt.Fprintf(&b, "\n[package.metadata]\nrequires-dist = %s\n\n[package.metadata.requires-dev]\ndev = %s\n", list(names, tables), list(dev, tables))
	return b.String(), "[project]\nname = \"svc\"\nversion = \"1\"\nrequires-python = \">=3.11\"\ndependencies = " + list(names, quoted) +
		"\n\n[dependency-groups]\ndev = " + list(dev, quoted) + "\n"
}

// fails runs a command that must end with an exit code, explain itself, and
// leave nothing half-written: all files but the cache's stay as they were, and
// the cache holds no temporary ones.
func fails(ts *testscript.TestScript, neg bool, args []string) {
	work := ts.Getenv("WORK")
	before, err := snapshot(work)
	ts.Check(err)
	exits(ts, neg, args)
	if !strings.Contains(ts.ReadFile("stderr"), "layerbuild: error: ") {
		ts.Fatalf("no error is told")
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("a failure printed a result: %s", out)
	}
	after, err := snapshot(work)
	ts.Check(err)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			ts.Fatalf("%s was written or changed", name)
		}
		delete(before, name)
	}
	for name := range before {
		ts.Fatalf("%s was removed", name)
	}
}

// snapshot describes all files below a folder but those of the cache, of which
// it lists the temporary ones.
func snapshot(dir string) (map[string]string, error) {
	files := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		inCache := strings.HasPrefix(name, "cache/") && !strings.HasPrefix(name, "cache/tmp/")
		if err != nil || d.IsDir() || inCache {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		sum := sha256.Sum256(data)
		files[name] = fmt.Sprint(info.Mode(), info.ModTime(), hex.EncodeToString(sum[:]))
		return err
	})
	return files, err
}

func zipinfo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: zipinfo FILE")
	}
	r, err := zip.OpenReader(ts.MkAbs(args[0]))
	ts.Check(err)
	defer r.Close()
	for _, f := range r.File {
		fmt.Fprintln(ts.Stdout(), f.Mode(), f.Name)
	}
}

func zipcat(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: zipcat FILE ENTRY")
	}
	r, err := zip.OpenReader(ts.MkAbs(args[0]))
	ts.Check(err)
	defer r.Close()
	data, err := fs.ReadFile(r, args[1])
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s", data)
}

// Sums and sizes of archives change with the zip format, which has its own
// goldens.
var (
	maskedSums  = regexp.MustCompile(`"([0-9a-f]{64}|[A-Za-z0-9+/]{43}=)"`)
	maskedSizes = regexp.MustCompile(`("size"): \d+`)
)

func masked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: masked FILE")
	}
	text := maskedSums.ReplaceAllString(ts.ReadFile(args[0]), `"SUM"`)
	text = strings.ReplaceAll(maskedSizes.ReplaceAllString(text, "$1: 0"), ts.Getenv("WORK"), "$WORK")
	fmt.Fprint(ts.Stdout(), text)
}

func checksums(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: checksums FOLDER")
	}
	type archive struct {
		File, Manifest, SHA256, SHA256Base64 string
		Size                                 int
	}
	read := func(name string, v any) {
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(args[0], name))), v))
	}
	var index struct{ Layers []archive }
	read("layers.json", &index)
	for _, l := range index.Layers {
		data := ts.ReadFile(filepath.Join(args[0], l.File))
		sum := sha256.Sum256([]byte(data))
		want := archive{l.File, l.Manifest, hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:]), len(data)}
		var manifest struct{ Archive archive }
		read(l.Manifest, &manifest)
		manifest.Archive.Manifest = l.Manifest
		if l != want || manifest.Archive != want {
			ts.Fatalf("index: %+v\nmanifest: %+v\nfile: %+v", l, manifest.Archive, want)
		}
	}
}

func checkMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mode PERM FILE…")
	}
	for _, file := range args[1:] {
		info, err := os.Stat(ts.MkAbs(file))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s is %s, want %s", file, got, args[0])
		}
	}
}

func nowhere(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: nowhere TEXT FILE…")
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if strings.Contains(ts.ReadFile(stream), args[0]) {
			ts.Fatalf("%s holds it", stream)
		}
	}
	work := ts.Getenv("WORK")
	ts.Check(fs.WalkDir(os.DirFS(work), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || slices.Contains(args[1:], name) {
			return err
		}
		data, err := os.ReadFile(filepath.Join(work, name))
		if strings.Contains(string(data), args[0]) {
			return fmt.Errorf("%s holds it", name)
		}
		return err
	}))
}
