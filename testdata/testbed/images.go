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
	Repo, Tag string   // its public name, without the registry's host
	Suite     string   // Debian's, that has the runtime's version
	Packages  []string // Debian's
	Scripts   []string // in the folder images, run one after the other
	Args      []string // of the scripts
	Env       []string // what Lambda's images add to lambdaEnv
	Native    bool     `json:",omitempty"` // made for the machine's own architecture only
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
	// One image of the other architecture is enough: under qemu, making each takes
	// a quarter of an hour.
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
		Suite:    "bookworm",
		Packages: append([]string{"python3.11-venv", "python3-distutils", "python3.11-dev"}, compilers...),
		Scripts:  []string{"sam.sh", "python.sh"},
		Args:     []string{"3.11"},
		Native:   true,
	},
	{
		Repo: "sam/build-python3.13", Tag: "latest",
		Suite:    "trixie",
		Packages: append([]string{"python3.13-venv", "python3.13-dev"}, compilers...),
		Scripts:  []string{"sam.sh", "python.sh"},
		Args:     []string{"3.13"},
		Native:   true,
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

// recipe returns the image's own script and the key of what it makes for a:
// all of the recipe, but not the machine's mirror, which is only a way there.
func (im image) recipe(a arch) (script []byte, key string, err error) {
	h := sha256.New()
	fmt.Fprintln(h, "image 1", a.oci)
	for _, name := range append([]string{"rootfs.sh"}, im.Scripts...) {
		data, err := scripts.ReadFile("images/" + name)
		if err != nil {
			return nil, "", err
		}
		fmt.Fprintf(h, "%s %d\n%s", name, len(data), data)
		if name != "rootfs.sh" {
			script = append(script, data...)
		}
	}
	if err := json.NewEncoder(h).Encode([]any{im, lambdaEnv}); err != nil {
		return nil, "", err
	}
	return script, hex.EncodeToString(h.Sum(nil)), nil
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
	return tb.part(name, key, func(dir string) error {
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
	})
}

func (tb *testbed) makeRoot(ctx context.Context, im image, a arch, root, setup string) error {
	mirror, err := findMirror("/etc/apt", im.Suite)
	if err != nil {
		return err
	}
	data, err := scripts.ReadFile("images/rootfs.sh")
	if err != nil {
		return err
	}
	foreign := "no"
	if a.foreign() {
		foreign = "yes"
	}
	argv := []string{"sh", "-c", string(data), "rootfs.sh",
		root, a.oci, im.Suite, mirror.uri, mirror.keyring, strings.Join(im.Packages, ","), foreign, setup}
	return tb.command(ctx, "rootfs-"+im.partName(a), append(argv, im.Args...)...)
}
