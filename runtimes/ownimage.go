package runtimes

import "strings"

// OwnImage is what a layer's configuration says of the container in which it
// is built. Where it says anything, the layer is built in a container, of its
// own architecture.
type OwnImage struct {
	Image string   // a reference, maybe with its digest; "": the image in which the runtime's sources are built
	Setup []string // shell commands that run as root before anything is installed
	Env   []string // KEY=VALUE, sorted: what the commands see, and the steps that install
	Copy  []Copy   // sorted by From, then To: what the layer takes from the image after Setup
}

// Copy takes files from an image into a layer.
type Copy struct {
	From string // absolute, may hold *
	To   string // a folder in the layer, clean; "." for its root
}

// Empty tells whether nothing is said.
func (o OwnImage) Empty() bool {
	return o.Image == "" && len(o.Setup)+len(o.Env)+len(o.Copy) == 0
}

// Image is the image in which the target's packages are installed. To build
// sources it must have compilers.
func (t Target) Image(builds bool) string {
	switch {
	case t.Own.Image != "":
		return t.Own.Image
	case builds || !t.Own.Empty():
		return t.Runtime.ImageToBuild(t.Arch)
	}
	return t.Runtime.Image
}

// Pinned returns an image with its digest, "" where that is not known.
func (t Target) Pinned(image string) string {
	if strings.Contains(image, "@") {
		return image
	}
	if digest := t.Pins.Images[image]; digest != "" {
		return image + "@" + digest
	}
	return ""
}
