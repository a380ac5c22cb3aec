package java

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// pluginVersion is that of Maven's dependency plugin, which lists what a
// project depends on, and copies jars.
const pluginVersion = "3.8.1"

// Plugin is how it is asked for.
const Plugin = "org.apache.maven.plugins:maven-dependency-plugin:" + pluginVersion

// Where things are in the container.
const (
	workFolder   = "/layerbuild"
	outputFolder = "/layer"
	repository   = workFolder + "/repository"
	settingsFile = workFolder + "/settings.xml"
	copyPom      = workFolder + "/pom.xml"
)

// startMaven finds the image's Maven, whose folder has its version, and starts
// it in place of the shell.
const startMaven = `exec /usr/local/maven/apache-maven-*/bin/mvn "$@"`

// MavenStep is a step that runs the image's Maven.
func MavenStep(name string, args ...string) runtimes.Step {
	return runtimes.Step{
		Name: name,
		Args: append([]string{"/bin/sh", "-c", startMaven, "mvn"}, args...),
		Env: []string{
			"HOME=/tmp",
			"JAVA_HOME=/var/lang",
			"LANG=C.UTF-8",
			"LD_LIBRARY_PATH=/var/lang/lib",
			"MAVEN_SKIP_RC=1",
			"NO_COLOR=1",
			"PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin",
		},
		JavaOptions: []string{"MAVEN_OPTS"},
	}
}

// container says how r's jars are copied by Maven in a container, or which pins
// that still needs. A jar is for all machines, so one image does for all.
func container(t runtimes.Target, r runtimes.Recipe) ([]runtimes.Need, *runtimes.Container) {
	arch := runtimes.X86_64
	image := t.Runtime.ImageToBuild(arch)
	if !t.Own.Empty() {
		arch, image = t.Arch, t.Image(true)
	}
	pinned := t.Pinned(image)
	if pinned == "" {
		return []runtimes.Need{{Image: image}}, nil
	}
	step := MavenStep(fmt.Sprintf("copy %d jars", len(r.Packages)),
		"--batch-mode", "--no-transfer-progress", "--settings", settingsFile, "--file", copyPom,
		"-Dmaven.repo.local="+repository, Plugin+":copy")
	step.Inputs = []runtimes.InlineFile{
		{Path: copyPom, Data: copyJars(r.Packages)},
		{Path: settingsFile, Data: settingsOf(r), Whereabouts: true, Logins: runtimes.MavenSettings},
	}
	step.Caches = []runtimes.CacheMount{{ID: "layerbuild-maven", Path: repository}}
	return nil, &runtimes.Container{
		Image:  pinned,
		Arch:   arch,
		Steps:  []runtimes.Step{step},
		Output: outputFolder,
	}
}

// copyJars is a pom that has Maven copy each jar, and nothing that it depends
// on.
func copyJars(packages []runtimes.Package) []byte {
	items := branch("artifactItems")
	for _, p := range packages {
		group, rest, _ := strings.Cut(p.Name, ":")
		name, classifier, _ := strings.Cut(rest, ":")
		item := branch("artifactItem", leaf("groupId", group), leaf("artifactId", name), leaf("version", p.Version))
		if classifier != "" {
			item.children = append(item.children, leaf("classifier", classifier))
		}
		for _, place := range p.Places {
			item.children = append(item.children,
				leaf("type", "jar"),
				leaf("outputDirectory", path.Join(outputFolder, path.Dir(place))),
				leaf("destFileName", path.Base(place)))
		}
		items.children = append(items.children, item)
	}
	plugin := branch("plugin",
		leaf("groupId", "org.apache.maven.plugins"), leaf("artifactId", "maven-dependency-plugin"), leaf("version", pluginVersion),
		branch("configuration", items))
	return branch("project",
		leaf("modelVersion", "4.0.0"), leaf("groupId", "layerbuild"), leaf("artifactId", "layer"), leaf("version", "1"), leaf("packaging", "pom"),
		branch("build", branch("plugins", plugin))).format()
}

// settingsOf tells Maven which repositories to ask for r's jars.
func settingsOf(r runtimes.Recipe) []byte {
	root := branch("settings")
	repositories := branch("repositories")
	for i, index := range r.Indexes {
		switch {
		case index == "":
		case i == 0: // in the place of Maven's own, see indexesOf
			root.children = append(root.children, branch("mirrors", branch("mirror",
				leaf("id", "layerbuild-mirror"), leaf("mirrorOf", "central"), leaf("url", index))))
		default:
			repositories.children = append(repositories.children, branch("repository",
				leaf("id", fmt.Sprintf("layerbuild-%d", i)), leaf("url", index)))
		}
	}
	if len(repositories.children) > 0 {
		root.children = append(root.children,
			branch("profiles", branch("profile", leaf("id", "layerbuild"), repositories)),
			branch("activeProfiles", leaf("activeProfile", "layerbuild")))
	}
	return slices.Clip(root.format())
}
