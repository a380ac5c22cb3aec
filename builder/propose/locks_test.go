package propose

import (
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes/java"
	"github.com/layerbuild/layerbuild/runtimes/node"
	"github.com/layerbuild/layerbuild/runtimes/python"
)

const (
	requirement = "six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274\n"
	packageLock = `{"name": "web", "lockfileVersion": 3, "requires": true, "packages": {"": {"name": "web", "dependencies": {"ms": "2.1.3"}}, "node_modules/ms": {"version": "2.1.3", "resolved": "https://registry.example/ms/-/ms-2.1.3.tgz", "integrity": "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=="}}}`
	gradleLock  = "com.google.code.gson:gson:2.11.0=runtimeClasspath\nempty=\n"
)

// uvLock locks a package that has a wheel for Python 3.12 and 3.13 alone.
const uvLock = `version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "native"
version = "1.0"
source = { registry = "https://packages.example/simple" }
wheels = [
    { url = "https://packages.example/native-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", hash = "sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274" },
    { url = "https://packages.example/native-1.0-cp313-cp313-manylinux_2_17_x86_64.whl", hash = "sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3275" },
]

[[package]]
name = "svc"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "native" },
]

[package.metadata]
requires-dist = [{ name = "native" }]
`

// memberLock is of a workspace whose members need each other.
const memberLock = `version = 1
revision = 3
requires-python = ">=3.11"

[manifest]
members = ["api", "my-lib"]

[[package]]
name = "api"
version = "0.1.0"
source = { virtual = "api" }
dependencies = [
    { name = "my-lib" },
    { name = "six" },
]

[package.metadata]
requires-dist = [{ name = "my-lib", editable = "lib" }, { name = "six" }]

[[package]]
name = "my-lib"
version = "0.1.0"
source = { editable = "lib" }
dependencies = [
    { name = "six" },
]

[package.metadata]
requires-dist = [{ name = "six" }]

[[package]]
name = "six"
version = "1.17.0"
source = { registry = "https://packages.example/simple" }
wheels = [
    { url = "https://packages.example/six-1.17.0-py2.py3-none-any.whl", hash = "sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274" },
]
`

func pom(more string) string {
	return `<project><modelVersion>4.0.0</modelVersion><groupId>g</groupId><artifactId>a</artifactId><version>1</version>` + more + `</project>`
}

// tree makes a file system of names and contents in turn.
func tree(files ...string) fs.FS {
	all := make(fstest.MapFS)
	for i := 0; i < len(files); i += 2 {
		all[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return all
}

func proposedBy(t *testing.T, project fs.FS, more func(*Project)) Proposal {
	t.Helper()
	p := Project{FS: project, Name: "shop", Today: "2026-11-25", Languages: []Language{python.Runtime{}, node.Runtime{}, java.Runtime{}}}
	if more != nil {
		more(&p)
	}
	proposal, err := p.Read(Source{Name: "lock files", Read: readLocks}, "")
	if err != nil {
		t.Fatal(err)
	}
	return proposal
}

func TestRuntimes(t *testing.T) {
	pyproject := "[project]\nname = \"svc\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11\"\ndependencies = [\"native\"]\n"
	web := func(more string) string { return `{"name": "web", "dependencies": {"ms": "2.1.3"}` + more + `}` }
	for _, test := range []struct {
		name    string
		files   []string
		runtime string
		why     string
	}{
		{"nothing", []string{"requirements.txt", requirement}, "python3.14", "Lambda's newest"},
		{".python-version", []string{"requirements.txt", requirement, ".python-version", "# here\n3.12.4\n"}, "python3.12", ".python-version says: 3.12.4"},
		{".tool-versions", []string{"requirements.txt", requirement, ".tool-versions", "nodejs 20\npython 3.13.1 3.12.0\n"}, "python3.13", ".tool-versions says"},
		{"retired", []string{"requirements.txt", requirement, ".python-version", "3.9"}, "python3.9", "Lambda retired it on 2025-12-15"},
		{"upper bound", []string{"requirements.txt", requirement, "pyproject.toml", "[project]\nname = \"x\"\nrequires-python = \">=3.9,<3.13\"\n"}, "python3.12", "requires-python of pyproject.toml allows: >=3.9,<3.13"},
		{"too new", []string{"requirements.txt", requirement, ".python-version", "3.15"}, "python3.14", "Lambda has none"},
		{"wheels", []string{"uv.lock", uvLock, "pyproject.toml", pyproject}, "python3.13", "requires-python of pyproject.toml allows: >=3.11"},

		{"node", []string{"package-lock.json", packageLock, "package.json", web("")}, "nodejs24.x", "Lambda's newest"},
		{"engines", []string{"package-lock.json", packageLock, "package.json", web(`, "engines": {"node": ">=18 <23"}`)}, "nodejs22.x", "engines.node of package.json allows: >=18 <23"},
		{".nvmrc", []string{"package-lock.json", packageLock, "package.json", web(`, "engines": {"node": ">=18"}`), ".nvmrc", "lts/jod"}, "nodejs22.x", ".nvmrc says: lts/jod"},
		{".nvmrc of nothing", []string{"package-lock.json", packageLock, "package.json", web(""), ".nvmrc", "lts/*"}, "nodejs24.x", "Lambda's newest"},
		{"volta", []string{"package-lock.json", packageLock, "package.json", web(`, "volta": {"node": "22.1.0"}`)}, "nodejs22.x", "volta.node"},

		{"pom", []string{"pom.xml", pom("<properties><v>17</v><maven.compiler.release>${v}</maven.compiler.release></properties>")}, "java17", "maven.compiler.release of pom.xml says: 17"},
		{"pom 1.8", []string{"pom.xml", pom("<properties><maven.compiler.source>1.8</maven.compiler.source></properties>")}, "java8.al2", "says: 1.8"},
		{"plugin", []string{"pom.xml", pom("<build><plugins><plugin><artifactId>maven-compiler-plugin</artifactId><configuration><release>21</release></configuration></plugin></plugins></build>")}, "java21", "maven-compiler-plugin"},
		{"no such Java", []string{"pom.xml", pom("<properties><java.version>19</java.version></properties>")}, "java21", "java.version"},
		{"toolchain", []string{"gradle.lockfile", gradleLock, "build.gradle.kts", "java { toolchain { languageVersion.set(JavaLanguageVersion.of(17)) } }"}, "java17", "build.gradle.kts says: 17"},
		{"compatibility", []string{"gradle.lockfile", gradleLock, "build.gradle", "sourceCompatibility = JavaVersion.VERSION_11\n"}, "java11", "build.gradle says"},
		{".sdkmanrc", []string{"gradle.lockfile", gradleLock, ".sdkmanrc", "java=21.0.2-tem\n"}, "java21", ".sdkmanrc"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := proposedBy(t, tree(test.files...), nil)
			if len(p.Layers) != 1 || p.Layers[0].Name != "shop" {
				t.Fatalf("got %+v", p)
			}
			l := p.Layers[0]
			if strings.Join(l.Runtimes, " ") != test.runtime || !strings.Contains(l.Comments["runtime"], test.why) {
				t.Errorf("got %v (%s), want %s (%s)", l.Runtimes, l.Comments["runtime"], test.runtime, test.why)
			}
			if _, err := Render(p); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNamedRuntimes(t *testing.T) {
	project := tree("a/requirements.txt", requirement, "b/pom.xml", pom(""))
	p := proposedBy(t, project, func(p *Project) {
		p.Runtimes, p.Arches = []string{"python3.12", "python3.13"}, []string{"arm64"}
	})
	if got := strings.Join(p.Layers[0].Runtimes, " "); got != "python3.12 python3.13" || p.Layers[0].Comments["runtime"] != "" {
		t.Errorf("got %s", got)
	}
	if got := strings.Join(p.Layers[1].Runtimes, " "); got != "java25" || p.Layers[1].Arches[0] != "arm64" {
		t.Errorf("got %s", got)
	}
}

// TestPlaces: which folders get a layer, and why others do not.
func TestPlaces(t *testing.T) {
	web := func(name, more string) string {
		return `{"name": "` + name + `", "dependencies": {"ms": "2.1.3"` + more + `}}`
	}
	lock := `{"name": "root", "lockfileVersion": 3, "packages": {
		"": {"name": "root", "workspaces": ["apps/*", "libs/*"]},
		"apps/web": {"name": "web", "dependencies": {"ms": "2.1.3", "lib": "1.0.0"}},
		"libs/lib": {"name": "lib", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}},
		"node_modules/web": {"resolved": "apps/web", "link": true}, "node_modules/lib": {"resolved": "libs/lib", "link": true},
		"node_modules/ms": {"version": "2.1.3", "resolved": "https://registry.example/ms/-/ms-2.1.3.tgz", "integrity": "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=="}}}`
	for _, test := range []struct {
		name   string
		files  []string
		below  []string
		layers string // name=path
		left   string // place: part of why
	}{
		{"monorepo", []string{"services/api/requirements.txt", requirement, "jobs/api/requirements.txt", requirement, "services/old/pyproject.toml", "[project]\nname = \"x\"\n"},
			nil, "jobs-api=jobs/api services-api=services/api", "services/old: no lock file"},
		{"two languages", []string{"requirements.txt", requirement, "package-lock.json", packageLock, "package.json", web("web", "")},
			nil, "shop-python=. shop-nodejs=.", ""},
		{"workspace", []string{"package.json", `{"name": "root", "workspaces": ["apps/*", "libs/*"]}`, "package-lock.json", lock,
			"apps/web/package.json", web("web", `, "lib": "1.0.0"`), "libs/lib/package.json", strings.Replace(web("lib", ""), `"name"`, `"version": "1.0.0", "name"`, 1)},
			nil, "web=apps/web", "libs/lib: it is in the layer of apps/web"},
		{"uv workspace", []string{"uv.lock", memberLock, "pyproject.toml", "[tool.uv.workspace]\nmembers = [\"*\"]\n",
			"api/pyproject.toml", "[project]\nname = \"api\"\nversion = \"0.1.0\"\ndependencies = [\"My_Lib\", \"six\"]\n", "lib/pyproject.toml", "[project]\nname = \"my-lib\"\nversion = \"0.1.0\"\ndependencies = [\"six\"]\n"},
			nil, "api=api", "lib: it is in the layer of api"},
		{"modules", []string{"pom.xml", pom("<packaging>pom</packaging><modules><module>app</module><module>lib</module></modules>"),
			"lib/pom.xml", strings.Replace(pom(""), "<artifactId>a<", "<artifactId>lib<", 1),
			"app/pom.xml", strings.Replace(pom("<dependencies><dependency><groupId>g</groupId><artifactId>lib</artifactId><version>1</version></dependency></dependencies>"), "<artifactId>a<", "<artifactId>app<", 1)},
			nil, "app=app", "lib: it is in the layer of app"},
		{"sub-projects", []string{"settings.gradle", "", "app/gradle.lockfile", gradleLock, "app/build.gradle", "dependencies { implementation project(':libs:money') }", "libs/money/gradle.lockfile", gradleLock},
			nil, "app=app", "libs/money: it is in the layer of app"},
		{"ignored", []string{".gitignore", "/scratch/\n*.tmp\n", "scratch/requirements.txt", requirement, "a/.gitignore", "!x\nb/", "a/b/requirements.txt", requirement,
			"venv/requirements.txt", requirement, "env2/pyvenv.cfg", "", "env2/requirements.txt", requirement, "node_modules/ms/package.json", "{}", ".tox/requirements.txt", requirement,
			"vendor/x/requirements.txt", requirement, "c/requirements.txt", requirement},
			nil, "c=c", ""},
		{"named", []string{".gitignore", "/scratch/\n", "scratch/requirements.txt", requirement, "c/requirements.txt", requirement},
			[]string{"scratch"}, "scratch=scratch", ""},
		{"settings of tools", []string{"pyproject.toml", "[tool.ruff]\n", "package.json", `{"devDependencies": {"prettier": "3"}}`, "c/requirements.txt", requirement},
			nil, "c=c", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := proposedBy(t, tree(test.files...), func(p *Project) { p.Paths = test.below })
			var layers []string
			for _, l := range p.Layers {
				layers = append(layers, l.Name+"="+l.Path)
			}
			if got := strings.Join(layers, " "); got != test.layers {
				t.Errorf("got layers %s, want %s", got, test.layers)
			}
			found := test.left == "" && len(p.Left) == 0
			for _, left := range p.Left {
				found = found || test.left != "" && strings.Contains(left.Place+": "+left.Why, test.left)
			}
			if !found {
				t.Errorf("left are %+v, want %s", p.Left, test.left)
			}
			for _, l := range p.Layers {
				if !fs.ValidPath(path.Clean(l.Path)) {
					t.Errorf("path %s", l.Path)
				}
			}
		})
	}
}

// TestOtherRequirements: requirements files of other names get no layer, and are
// named where none of the folder or the one above does.
func TestOtherRequirements(t *testing.T) {
	files := fstest.MapFS{}
	for _, name := range []string{
		"a/requirements-prod.txt", "a/requirements-dev.txt", "a/requirements.lock.txt",
		"b/requirements/base.txt", "b/requirements/test.txt", "b/requirements/requirements.md",
		"c/requirements.txt", "c/requirements-extra.txt", "c/requirements/prod.txt", "d/notes.txt",
	} {
		files[name] = &fstest.MapFile{Data: []byte(requirement)}
	}
	p := Project{FS: files, Languages: []Language{python.Runtime{}}, Today: "2026-11-25"}
	proposal, err := readLocks(p, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(proposal.Layers) != 1 || proposal.Layers[0].Path != "c" {
		t.Errorf("layers: %+v", proposal.Layers)
	}
	var places []string
	for _, left := range proposal.Left {
		places = append(places, left.Place)
	}
	if got, want := strings.Join(places, " "), "a/requirements-prod.txt a/requirements.lock.txt b/requirements/base.txt"; got != want {
		t.Errorf("named are %s, want %s", got, want)
	}
}
