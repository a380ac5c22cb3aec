package runtimes

// Probe is a command that is run with a layer as Lambda has it: below /opt, in
// a runtime's own image, of which nothing can be written but /tmp. It has no
// network.
type Probe struct {
	Image  string // with its index digest
	Arch   Arch   // whose programs it runs
	Layer  Tree
	Digest string // tells one layer from another
	Step   Step   // its Inputs, Env and Args
	Output string // the folder that the command writes, absolute
}
