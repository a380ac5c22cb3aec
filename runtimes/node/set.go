package node

import (
	"github.com/layerbuild/layerbuild/runtimes"
)

// set is what a lock file installs for a target, whatever its format.
type set struct {
	packages []runtimes.Package // the production closure
	notes    []string           // for the user
	managed  bool               // the package manager decides where packages go

	// How it is installed in a container: needs are the tools that
	// layerbuild.lock must hold, and steps leave node_modules in outputFolder.
	// The steps are asked for once the pins are known. Where they install from
	// a project, it is one that was written for the set, with nothing in it
	// that the set does not need: its bytes are in the key of a managed set.
	needs []runtimes.Need
	tools map[string]string // the tools' versions
	steps func(t runtimes.Target) []runtimes.Step
}

// Where things are in the container.
const (
	workFolder    = "/layerbuild"
	projectFolder = workFolder + "/project"
	outputFolder  = "/layer"
)

// container says how a set is installed in a container, or which pins that
// still needs. Nothing of the packages is run, so that it runs natively for
// whatever machine has it.
func container(t runtimes.Target, s *set) ([]runtimes.Need, *runtimes.Container) {
	var needs []runtimes.Need
	image := t.Runtime.Image
	digest := t.Pins.Images[image]
	if digest == "" {
		needs = append(needs, runtimes.Need{Image: image})
	}
	for _, need := range s.needs {
		if len(t.Pins.Tools[need.Tool].Files) == 0 {
			needs = append(needs, need)
		}
	}
	if len(needs) > 0 {
		return needs, nil
	}
	return nil, &runtimes.Container{
		Image:  image + "@" + digest,
		Tools:  s.tools,
		Steps:  s.steps(t),
		Output: outputFolder,
	}
}
