//go:build e2e

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const examples = "../../testdata/examples"

// exampleProject is a folder of testdata/examples, and what its layers hold.
type exampleProject struct {
	name     string
	lock     func(*testing.T, managers, *runner) // makes what is not committed: a lock that names where packages lie, layerbuild.lock
	managed  bool                                // its package manager lays it out: the direct engine cannot
	archives int
	same     bool // and all have the same bytes
	packages int  // of the first trial's layer, for x86_64
	with     []string
	without  []string
	trials   []trial
	after    func(*testing.T, *runner) // what else is held, in a folder where it was built
}

var exampleProjects = []exampleProject{
	{name: "data-api", archives: 2, packages: 23, with: []string{"cryptography", "numpy", "pandas"},
		trials: []trial{pythonTrial(useData, "23 packages $ARCH 90 {'a': 4, 'b': 2} round trip 7", "x86_64", "arm64")}},
	{name: "python-poetry", lock: lockExample("poetry"), archives: 2,
		packages: 23, with: []string{"cryptography", "mangum", "orjson"}, without: []string{"colorama", "iniconfig"},
		trials: []trial{pythonTrial("", "23 packages $ARCH", "x86_64")}},
	{name: "python-pdm", lock: lockExample("pdm"), archives: 2,
		packages: 24, with: []string{"greenlet", "mangum", "orjson", "uvloop"}, without: []string{"iniconfig"},
		trials: []trial{pythonTrial("", "24 packages $ARCH", "x86_64")}},
	{name: "python-pipenv", lock: lockExample("pipenv"), archives: 2,
		packages: 18, with: []string{"lxml", "mangum", "uvloop"}, without: []string{"colorama", "iniconfig"},
		trials: []trial{pythonTrial("", "18 packages $ARCH", "x86_64")}},
	{name: "python-pylock", lock: lockExample("pylock"), archives: 2,
		packages: 24, with: []string{"aiohttp", "uvloop"}, without: []string{"colorama"},
		trials: []trial{pythonTrial("", "24 packages $ARCH", "x86_64")}},
	{name: "web-api", archives: 3, packages: 148, with: []string{"@web-api/money", "sharp"}, without: []string{"mocha", "typescript"}, trials: []trial{
		nodeTrial("web-api", "package.json", useImages+`return [await images(), require("@web-api/money").add("0.1", "0.2"), typeof require("@fastify/cors")]`,
			"9 packages $ARCH 10 png 1 + 1 0.3 function", "x86_64", "arm64"),
		nodeTrial("money", "packages/money/package.json", `return new (require("decimal.js"))("0.1").plus("0.2").toString() + " " + require("ms")("1m")`,
			"2 packages $ARCH 0.3 60000", "x86_64", "arm64"),
	}},
	{name: "image-api", managed: true, archives: 2, packages: 77, with: []string{"@example/log", "sharp"}, without: []string{"typescript", "left-pad"},
		trials: []trial{nodeTrial("", "services/images/package.json", useImages+`
  const { createElement } = require("react"), { renderToStaticMarkup } = require("react-dom/server");
  return [await images(), typeof require("@example/log")("x").info, require("width")("width"), renderToStaticMarkup(createElement("p"))]`,
			"8 packages $ARCH 10 png 1 + 1 function 5 <p></p>", "x86_64", "arm64")},
		after: bumpDevelopment},
	{name: "tickets-yarn", lock: lockYarn1, managed: true, archives: 2, packages: 113, with: []string{"@tickets/text", "sharp"}, without: []string{"typescript", "left-pad"},
		trials: []trial{nodeTrial("", "services/tickets/package.json", useImages+`
  return [await images(), require("lodash-four").VERSION, require("@tickets/text").semver, require("@tickets/text").width("width")]`,
			"10 packages $ARCH 10 png 1 + 1 4.17.20 5.7.2 5", "x86_64")}},
	{name: "reports-berry", managed: true, archives: 2, packages: 87, with: []string{"@reports/table", "sharp"}, without: []string{"typescript", "left-pad"},
		trials: []trial{nodeTrial("", "services/reports/package.json", useImages+`
  return [await images(), require("lodash-four").VERSION, require("@reports/table").semver, require("@reports/table").width("width")]`,
			"10 packages $ARCH 10 png 1 + 1 4.17.20 5.7.2 5", "x86_64")}},
	{name: "order-events", managed: true, archives: 2, packages: 102, with: []string{"@order-events/prices", "sharp"}, without: []string{"esbuild", "typescript"},
		trials: []trial{nodeTrial("", "functions/events/package.json", `
  const order = require("@order-events/schema").order.parse({ id: "a", total: 1 });
  const { width } = await require("sharp")({ create: { width: 10, height: 10, channels: 3, background: "#fff" } }).png().toBuffer({ resolveWithObject: true }).then((r) => r.info);
  return [width, order.id, require("@order-events/prices").total(["0.1", "0.2"]), require("five/package.json").version]`,
			"9 packages $ARCH 10 a 0.30 5.7.2", "x86_64")}},
	{name: "claims-maven", lock: lockMaven, archives: 2, same: true, packages: 82, trials: []trial{javaTrial("", "82 jars, 78 loaded")}, after: otherJar},
	{name: "orders-gradle", lock: lockGradle, archives: 2, packages: 77, trials: []trial{javaTrial(useJars, "77 jars, 73 loaded, 42, epoll true")}},
}

// useData, useImages and useJars are what functions do with their layers.
const useData = `
import boto3, numpy, pandas, pydantic, requests
from cryptography.fernet import Fernet
total = int((numpy.arange(10) * 2).sum())
frame = pandas.DataFrame({'k': ['a', 'b', 'a'], 'v': [1, 2, 3]}).groupby('k')['v'].sum().to_dict()
f = Fernet(Fernet.generate_key())
class Order(pydantic.BaseModel):
    n: int
result = f"{result} {total} {frame} {f.decrypt(f.encrypt(b'round trip')).decode()} {Order(n='7').n}"
`

const useImages = `
  const images = async () => {
    const sharp = require("sharp"), esbuild = require("esbuild");
    const png = await sharp({ create: { width: 10, height: 10, channels: 3, background: "#fff" } }).png().toBuffer();
    const meta = await sharp(png).metadata();
    const code = esbuild.transformSync("const x: number = 1 + 1", { loader: "ts" }).code.trim();
    return meta.width + " " + meta.format + " " + code.replace(/^const x = |;$/g, "");
  };
  `

const useJars = `
    Class.forName("com.mysql.cj.jdbc.Driver");
    Class.forName("okhttp3.OkHttpClient").getDeclaredConstructor().newInstance();
    Class.forName("kotlinx.coroutines.GlobalScope");
    try (var c = java.sql.DriverManager.getConnection("jdbc:sqlite::memory:"); var r = c.createStatement().executeQuery("select 6 * 7")) {
      r.next();
      result = ", " + r.getInt(1) + ", epoll " + Class.forName("io.netty.channel.epoll.Epoll").getMethod("isAvailable").invoke(null);
    }`

// TestExamples builds the example of each format for real: in two copies with
// nothing in common but the committed files and layerbuild.lock, by each engine
// that can, nothing cached. All must give the same bytes, and these must work
// in Lambda's images. What a package manager lays out is built for arm64 once:
// that this gives equal bytes, too, runtimes/node holds.
func TestExamples(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	m := newManagers(t)
	two := make(chan struct{}, 2) // each keeps a processor busy
	for _, e := range exampleProjects {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			two <- struct{}{}
			defer func() { <-two }()
			e.test(t, m)
		})
	}
}

func (e exampleProject) test(t *testing.T, m managers) {
	r := &runner{t: t, dir: filepath.Join(t.TempDir(), "project"), data: t.TempDir()}
	copyProject(t, r.dir, filepath.Join(examples, e.name), 0)
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	if e.lock != nil {
		e.lock(t, m, r)
	}
	here := clone{"here", 0, []string{"TZ=UTC", "LC_ALL=C"}, 0o022, "4", false}
	there := clone{"another place", nobody, []string{"TZ=Asia/Kolkata", "LC_ALL=de_DE.UTF-8"}, 0o077, "1", true}
	var built []map[string][]byte
	if e.managed {
		x86 := here.build(t, r, "buildkit", "--arch", "x86_64")
		equalFolders(t, there.build(t, r, "buildkit", "--arch", "x86_64"), x86)
		built = append(built, x86, here.build(t, r, "buildkit", "--arch", "arm64"))
	} else {
		all := here.build(t, r, "buildkit")
		equalFolders(t, there.build(t, r, "buildkit"), all)
		equalFolders(t, there.build(t, r, "direct"), all)
		built = append(built, all)
	}
	e.check(t, built)
	if e.after != nil {
		e.after(t, r)
	}
}

// check checks what was built: by one run, or by several.
func (e exampleProject) check(t *testing.T, built []map[string][]byte) {
	var layers []indexed
	for _, files := range built {
		dir := t.TempDir()
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		for _, l := range readIndex(t, filepath.Join(dir, "layers.json")) {
			l.File, l.Manifest = filepath.Join(dir, l.File), filepath.Join(dir, l.Manifest)
			layers = append(layers, l)
		}
	}
	if len(layers) != e.archives {
		t.Fatalf("%d archives, want %d", len(layers), e.archives)
	}
	for i, l := range layers {
		if (l.SHA256 == layers[0].SHA256) != (e.same || i == 0) {
			t.Errorf("%s and %s: equal bytes are wrong, or others are", l.File, layers[0].File)
		}
	}
	first := layers[slices.IndexFunc(layers, func(l indexed) bool {
		tried := e.trials[0].layer
		return (tried == "" || tried == l.Name) && slices.Contains(l.Architectures, "x86_64")
	})]
	names := packagesOf(t, first.Manifest)
	if len(names) != e.packages {
		t.Errorf("%d packages, want %d: %v", len(names), e.packages, names)
	}
	for _, name := range e.with {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not in the layer", name)
		}
	}
	for _, name := range e.without {
		if slices.Contains(names, name) {
			t.Errorf("%s is in the layer", name)
		}
	}
	for _, f := range e.trials {
		tried := 0
		for _, l := range layers {
			if f.layer == "" || f.layer == l.Name {
				f.try(t, filepath.Join(examples, e.name), l)
				tried++
			}
		}
		if tried == 0 {
			t.Errorf("no layer %q", f.layer)
		}
	}
}

// packagesOf are the names in a manifest.
func packagesOf(t *testing.T, file string) (names []string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct{ Packages []struct{ Name string } }
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	for _, p := range manifest.Packages {
		names = append(names, p.Name)
	}
	return names
}

// lockExample locks the example by a manager of Python's.
func lockExample(manager string) func(*testing.T, managers, *runner) {
	return func(t *testing.T, m managers, r *runner) {
		m.t, m.root = t, filepath.Dir(r.dir)
		m.lockExample(filepath.Base(r.dir), manager)
	}
}

// lockYarn1 locks the example by yarn 1, which cannot do so without installing.
func lockYarn1(t *testing.T, m managers, r *runner) {
	m.t, m.root = t, filepath.Dir(r.dir)
	m.run(filepath.Base(r.dir), "../node/bin/yarn1", "install", "--ignore-scripts", "--ignore-engines", "--non-interactive", "--no-bin-links")
	if err := os.RemoveAll(filepath.Join(r.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
}

// lockGradle resolves the example anew: layerbuild.lock, which is committed for
// make demo, is up to date but for the images.
func lockGradle(t *testing.T, _ managers, r *runner) {
	committed := r.read("layerbuild.lock")
	if err := os.Remove(filepath.Join(r.dir, "layerbuild.lock")); err != nil {
		t.Fatal(err)
	}
	r.run(0, "lock")
	if got := lockedImages.ReplaceAllString(r.read("layerbuild.lock"), ""); got != committed {
		t.Errorf("got\n%s\nand committed is\n%s", got, committed)
	}
}

// bumpDevelopment: pnpm is pinned, and a development package's bump is a hit.
func bumpDevelopment(t *testing.T, r *runner) {
	pins := r.read("layerbuild.lock")
	if !regexp.MustCompile(`pnpm@10\.34\.9:\n    version: 10\.34\.9\n    files:\n      pnpm-10\.34\.9\.tgz: sha512-`).MatchString(pins) {
		t.Errorf("pnpm is not pinned:\n%s", pins)
	}
	r.run(0, "build", "--locked")
	want := r.outputs()
	for name, from := range map[string]string{"services/images/package.json": `"@types/node": "22.9.0"`, "pnpm-lock.yaml": "specifier: 22.9.0"} {
		text := r.read(name)
		if !strings.Contains(text, from) {
			t.Fatalf("%s lacks %s", name, from)
		}
		r.write(name, strings.ReplaceAll(text, from, strings.Replace(from, "22.9.0", "^22.9.0", 1)))
	}
	if out, _ := r.run(0, "build", "--locked"); strings.Contains(out, "built") {
		t.Errorf("a development package's bump is built:\n%s", out)
	}
	equalFolders(t, r.outputs(), want)
}
