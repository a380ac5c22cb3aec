package node

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// set is what a lock file installs for a target, whatever its format.
type set struct {
	packages []runtimes.Package // the production closure
	notes    []string           // for the user
	requires []runtimes.Requires
	managed  bool // the package manager decides where packages go

	// How it is installed in a container: needs are the tools that
	// layerbuild.lock must hold, and steps leave node_modules in outputFolder.
	// The steps are asked for once the pins are known. Where they install from
	// a project, it is one that was written for the set, with nothing in it
	// that the set does not need: its bytes are in the key of a managed set.
	needs []runtimes.Need
	tools map[string]string // the tools' versions
	steps func(t runtimes.Target) []runtimes.Step

	// What install scripts see of the others, nil where that is not known, and
	// by identity the packages that come of no registry; see scriptParts.
	apart     needs
	byAddress map[string]bool
}

// runtimeNotes says which packages of a set Lambda's runtime has itself.
func runtimeNotes(t runtimes.Target, packages []runtimes.Package) []string {
	if major, err := strconv.Atoi(t.Runtime.Version); err != nil || major < 18 {
		return nil // they have the SDK's version 2
	}
	names := map[string]bool{}
	for _, p := range packages {
		if strings.HasPrefix(p.Name, "@aws-sdk/") || strings.HasPrefix(p.Name, "@smithy/") {
			names[p.Name] = true
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("Lambda's runtime has the AWS SDK itself, and %d of its packages are in this layer: exclude: ['@aws-sdk/*', '@smithy/*'] leaves them out", len(names))}
}

// Where things are in the container.
const (
	workFolder    = "/layerbuild"
	projectFolder = workFolder + "/project"
	outputFolder  = "/layer"
)

// container says how a set is installed in a container, or which pins that
// still needs. It runs natively for whatever machine has it, since nothing of
// the packages is run. Install scripts are run as the target's own architecture,
// with compilers: in parts, or else in the container itself.
func container(t runtimes.Target, s *set) ([]runtimes.Need, *runtimes.Container) {
	var needs []runtimes.Need
	pinned := func(image string) string {
		digest := t.Pinned(image)
		if need := (runtimes.Need{Image: image}); digest == "" && !slices.Contains(needs, need) {
			needs = append(needs, need)
		}
		return digest
	}
	scripts := runsScripts(s.packages)
	image, compilers := pinned(t.Image(false)), ""
	if scripts {
		compilers = pinned(t.Image(true))
	}
	for _, need := range s.needs {
		if len(t.Pins.Tools[need.Tool].Files) == 0 {
			needs = append(needs, need)
		}
	}
	if len(needs) > 0 {
		return needs, nil
	}
	c := &runtimes.Container{Image: image, Tools: s.tools, Steps: s.steps(t), Output: outputFolder}
	if !scripts {
		return nil, c
	}
	whole := *c
	whole.Image, whole.Arch = compilers, t.Arch
	whole.Steps = append(slices.Clone(c.Steps), scriptsStep(t, s.packages, ""))
	if c.Parts = scriptParts(t, s, compilers); c.Parts == nil {
		return nil, &whole
	}
	c.Steps = append(c.Steps, placeStep(t, s.packages, c.Parts))
	c.Instead = &whole
	return nil, c
}
