package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// An image is the recipe of a stand-in image.
type image struct {
	Repo, Tag string    // its public name, without the registry's host
	Suite     string    // Debian's, that has the runtime's version
	Packages  []string  // Debian's
	Scripts   []string  // in the folder images, run one after the other
	Args      []string  // of the scripts
	Env       []string  // what Lambda's images add to lambdaEnv
	Native    bool      `json:",omitempty"` // made for the machine's own architecture only
	Unpacked  bool      `json:",omitempty"` // by unpacked.sh: its packages are not configured
	Shortened bool      `json:",omitempty"` // Unpacked for the other architecture, whose qemu takes a quarter of an hour to configure them
	From      string    `json:",omitempty"` // instead of Suite and Packages: the image whose root folder it begins with
	Archives  []archive `json:",omitempty"` // unpacked last
}

// images is the whole list. Names and layout are Lambda's, so that the product
// under test needs no switch that only tests would use.
var images = []image{
	{
		Repo: "lambda/python", Tag: "3.11",
		Suite: "bookworm",
		// debootstrap does not see that the second provides python3.11-distutils.
		Packages: []string{"python3.11-venv", "python3-distutils"},
		Scripts:  []string{"lambda.sh", "python.sh"},
		Args:     []string{"3.11"},
	},
	{
		Repo: "lambda/python", Tag: "3.13",
		Suite:    "trixie",
		Packages: []string{"python3.13-venv"},
		Scripts:  []string{"lambda.sh", "python.sh"},
		Args:     []string{"3.13"},
		Native:   true,
	},
	{
		Repo: "sam/build-python3.11", Tag: "latest",
		Suite:     "bookworm",
		Packages:  append([]string{"python3.11-venv", "python3-distutils", "python3.11-dev"}, compilers...),
		Scripts:   []string{"sam.sh", "compilers.sh", "python.sh"},
		Args:      []string{"3.11"},
		Shortened: true,
	},
	{
		Repo: "sam/build-python3.13", Tag: "latest",
		Suite:    "trixie",
		Packages: append([]string{"python3.13-venv", "python3.13-dev"}, compilers...),
		Scripts:  []string{"sam.sh", "python.sh"},
		Args:     []string{"3.13"},
		Native:   true,
	},
	{
		Repo: "lambda/nodejs", Tag: "22",
		Suite:    "bookworm",
		Packages: []string{"libstdc++6"},
		Scripts:  []string{"lambda.sh", "node.sh"},
		Unpacked: true,
		Archives: node22,
	},
	{
		Repo: "lambda/nodejs", Tag: "24",
		Suite:    "bookworm",
		Packages: []string{"libstdc++6"},
		Scripts:  []string{"lambda.sh", "node.sh"},
		Native:   true,
		Unpacked: true,
		Archives: node24,
	},
	{
		// Compilers and Python, which node-gyp runs in, are in that image too.
		Repo: "sam/build-nodejs22.x", Tag: "latest",
		Scripts:  []string{"sam.sh", "node.sh"},
		Env:      []string{"NODE_PATH=/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules"},
		Native:   true,
		From:     "sam/build-python3.11:latest",
		Archives: node22,
	},
	{
		Repo: "sam/build-java17", Tag: "latest",
		Suite:    "bookworm",
		Packages: []string{"openjdk-17-jdk-headless"},
		Scripts:  []string{"sam.sh", "java.sh"},
		Args:     []string{"17"},
		Env:      []string{"JAVA_HOME=/var/lang"},
		Native:   true,
		Archives: []archive{maven},
	},
	{
		Repo: "lambda/java", Tag: "17",
		Scripts: []string{"jre.sh", "lambda.sh", "java.sh"},
		Args:    []string{"17"},
		Native:  true,
		From:    "sam/build-java17:latest",
	},
	{
		Repo: "sam/build-java21", Tag: "latest",
		Suite:     "trixie",
		Packages:  []string{"openjdk-21-jdk-headless"},
		Scripts:   []string{"sam.sh", "java.sh"},
		Args:      []string{"21"},
		Env:       []string{"JAVA_HOME=/var/lang"},
		Shortened: true,
		Archives:  []archive{maven},
	},
	{
		Repo: "lambda/java", Tag: "21",
		Suite:     "trixie",
		Packages:  []string{"openjdk-21-jre-headless"},
		Scripts:   []string{"lambda.sh", "java.sh"},
		Args:      []string{"21"},
		Shortened: true,
	},
}

// compilers are what the images for building sources have beyond a runtime's.
var compilers = []string{"gcc", "g++", "make", "git", "libffi-dev"}

// lambdaEnv is the environment of Lambda's public images.
var lambdaEnv = []string{
	"LANG=en_US.UTF-8",
	"TZ=:/etc/localtime",
	"PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
	"LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
	"LAMBDA_TASK_ROOT=/var/task",
	"LAMBDA_RUNTIME_DIR=/var/runtime",
}

// An arch is one of Lambda's two architectures under the names it goes by.
type arch struct {
	oci    string // and Debian's and Go's
	lambda string // in tags and in Lambda's interfaces
	qemu   string // of qemu-user-static
}

var archs = []arch{
	{oci: "amd64", lambda: "x86_64", qemu: "x86_64"},
	{oci: "arm64", lambda: "arm64", qemu: "aarch64"},
}

func (a arch) foreign() bool { return a.oci != runtime.GOARCH }

// archsOf are those of the wanted architectures that im is made for.
func (tb *testbed) archsOf(im image) []arch {
	return slices.DeleteFunc(slices.Clone(tb.archs), func(a arch) bool { return im.Native && a.foreign() })
}

// wantedArchs reads a list of architectures; an empty one means both.
func wantedArchs(list string) ([]arch, error) {
	if list == "" {
		return archs, nil
	}
	var wanted []arch
	for _, name := range strings.Fields(list) {
		i := slices.IndexFunc(archs, func(a arch) bool { return a.oci == name })
		if i < 0 {
			return nil, fmt.Errorf("LAYERBUILD_TESTBED_ARCHS=%s: unknown architecture %s: want amd64, arm64 or both", list, name)
		}
		wanted = append(wanted, archs[i])
	}
	return wanted, nil
}

//go:embed images
var scripts embed.FS

// rootScripts are the files whose text makes the root folder.
func (im image) rootScripts(a arch) []string {
	switch {
	case im.From != "":
		return []string{"copied.sh", "finish.sh"}
	case im.Unpacked || im.Shortened && a.foreign():
		return []string{"unpacked.sh", "finish.sh"}
	}
	return []string{"rootfs.sh"}
}

// recipe returns the image's own script and the key of what it makes for a:
// all of the recipe, but not the machine's mirror, which is only a way there.
func (im image) recipe(a arch) (script []byte, key string, err error) {
	h := sha256.New()
	fmt.Fprintln(h, "image 1", a.oci)
	if im.From != "" {
		_, from, err := imageNamed(im.From).recipe(a)
		if err != nil {
			return nil, "", err
		}
		fmt.Fprintln(h, "from", from)
	}
	roots := im.rootScripts(a)
	for i, name := range slices.Concat(roots, im.Scripts) {
		data, err := scripts.ReadFile("images/" + name)
		if err != nil {
			return nil, "", err
		}
		fmt.Fprintf(h, "%s %d\n%s", name, len(data), data)
		if i >= len(roots) {
			script = append(script, data...)
		}
	}
	if err := json.NewEncoder(h).Encode([]any{im, lambdaEnv}); err != nil {
		return nil, "", err
	}
	return script, hex.EncodeToString(h.Sum(nil)), nil
}

// imageNamed returns the image with that name, which must be in the list.
func imageNamed(name string) image {
	return images[slices.IndexFunc(images, func(im image) bool { return im.String() == name })]
}

func (im image) String() string { return im.Repo + ":" + im.Tag }

// partName is the image's name as a file name.
func (im image) partName(a arch) string {
	return strings.NewReplacer("/", "-", ":", "-").Replace(im.String()) + "-" + a.oci
}

// makeImage returns the folder of the image for a, which has its root folder
// (rootfs) and its OCI layout (oci), and makes it where it is missing.
func (tb *testbed) makeImage(ctx context.Context, im image, a arch) (string, error) {
	script, key, err := im.recipe(a)
	if err != nil {
		return "", err
	}
	name := im.partName(a)
	// Who needs it to make another image waits for who makes it for itself.
	dir, err, _ := tb.making.Do(name, func() (any, error) {
		return tb.part(name, key, func(dir string) error {
			return tb.fillImage(ctx, im, a, name, script, dir)
		})
	})
	return dir.(string), err
}

func (tb *testbed) fillImage(ctx context.Context, im image, a arch, name string, script []byte, dir string) error {
	setup := filepath.Join(dir, "setup.sh")
	if err := os.WriteFile(setup, script, 0o644); err != nil {
		return err
	}
	root := filepath.Join(dir, "rootfs")
	err := step("root folder of "+name, func() error {
		return tb.makeRoot(ctx, im, a, root, setup)
	})
	if err != nil {
		return err
	}
	return step("image of "+name, func() error {
		return writeLayout(ctx, im, a, root, filepath.Join(dir, "oci"))
	})
}

func (tb *testbed) makeRoot(ctx context.Context, im image, a arch, root, setup string) error {
	var text []byte
	for _, name := range im.rootScripts(a) {
		data, err := scripts.ReadFile("images/" + name)
		if err != nil {
			return err
		}
		text = append(text, data...)
	}
	argv := []string{"env", "WGETRC=" + tb.wgetrc(), "sh", "-c", string(text), im.rootScripts(a)[0], root}
	if im.From != "" {
		other, err := tb.makeImage(ctx, imageNamed(im.From), a)
		if err != nil {
			return err
		}
		argv = append(argv, filepath.Join(other, "rootfs"), setup)
	} else {
		mirror, err := findMirror("/etc/apt", im.Suite)
		if err != nil {
			return err
		}
		foreign := "no"
		if a.foreign() {
			foreign = "yes"
		}
		argv = append(argv, a.oci, im.Suite, mirror.uri, mirror.keyring, strings.Join(im.Packages, ","), foreign, setup)
	}
	if err := tb.command(ctx, "rootfs-"+im.partName(a), append(argv, im.Args...)...); err != nil {
		return err
	}
	return tb.unpack(ctx, im.Archives, a, root)
}
