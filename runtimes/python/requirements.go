package python

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// requirementsFile is what a requirements file says, together with the files that
// it includes.
type requirementsFile struct {
	file        string            // the one that was asked for
	lines       []requirementLine // in the order that pip reads them
	constraints []requirementLine // of -c files
	localNames  map[string]bool   // packages that come from the project
	options     requirementOptions
}

// requirementLine is one line that asks for a package, or limits one.
type requirementLine struct {
	file string // as a path in the project
	line int    // where it starts, from 1
	text string // without its options, for messages

	name       string // normalised; "" where only a refused line's package knows it
	extras     []string
	specifiers pep.Specifiers
	marker     pep.Marker
	sha256     []string // lower-case hex, sorted
	otherHash  string   // "sha512": there are hashes, but of this kind only
	url        string   // of a wheel, without its fragment, or ""
	wheelFile  string   // the file name in url
	wheel      pep.Wheel
	git        *gitSource // a repository, or nil

	path  string      // of a file or folder of the project, as the line has it, or ""
	local *localInput // what is there, see [requirementsFile.place]

	// refused says why the line cannot be followed, where the target needs it.
	refused string
}

func (line requirementLine) place() string {
	if line.line == 0 { // of a pyproject.toml, where it was not found
		return line.file
	}
	return fmt.Sprintf("%s:%d", line.file, line.line)
}

// requirementOptions are the options that stand on lines of their own. All of
// them hold for the whole set, wherever they stand, as pip has it.
type requirementOptions struct {
	indexURL       string // the last one wins
	extraIndexURLs []string
	noIndex        bool
	findLinks      []string
	trustedHosts   []string
	onlyBinary     []string // normalised names, ":all:", ":none:", in order
	noBinary       []string
	pre            bool
	preferBinary   bool
	requireHashes  bool
	features       []string
}

// Bounds on what a project may hold: far above any real one.
const (
	maxRequirementsFile  = 16 << 20
	maxRequirementsDepth = 16
	maxRequirementsFiles = 256
	maxRequirementsLines = 100_000
	maxRequirementsLine  = 1 << 20 // bytes of a line with its continuations
)

// readRequirementsFile reads the requirements file name of the project, and what
// it includes with -r and -c. Its errors are *runtimes.InputError.
func readRequirementsFile(project fs.FS, name string) (*requirementsFile, error) {
	r := requirementsReader{project: project, seen: make(map[inclusion]bool)}
	r.result.file = name
	if err := r.include(inclusion{file: name}, nil); err != nil {
		return nil, err
	}
	return &r.result, nil
}

// requirementsReader gathers the lines of files that include each other.
type requirementsReader struct {
	project fs.FS
	result  requirementsFile
	seen    map[inclusion]bool
	lines   int
}

// inclusion is a file and the role in which it is read.
type inclusion struct {
	file       string
	constraint bool
}

// include reads a file; stack holds the lines of -r and -c that led to it.
func (r *requirementsReader) include(in inclusion, stack []logicalLine) error {
	// Its lines are in the result already, and pip takes equal lines as one.
	if r.seen[in] {
		return nil
	}
	if r.seen[in] = true; len(r.seen) > maxRequirementsFiles {
		return &runtimes.InputError{File: in.file, Problem: fmt.Sprintf("more than %d files include each other", maxRequirementsFiles)}
	}
	text, err := r.read(in.file, stack)
	if err != nil {
		return err
	}
	if err := checkConflict(in.file, []byte(text), "resolve the merge; a file that a tool wrote is best written by it anew"); err != nil {
		return err
	}
	for l := range logicalLines(in.file, text) {
		if r.lines++; r.lines > maxRequirementsLines {
			return l.errorf("", "more than %d lines", maxRequirementsLines)
		}
		if err := r.line(l, in, stack); err != nil {
			return err
		}
	}
	return nil
}

func (r *requirementsReader) read(file string, stack []logicalLine) (string, error) {
	fail := func(err error) error {
		err = reason(err) // the path is said already
		if len(stack) == 0 {
			return &runtimes.InputError{File: file, Problem: "cannot be read", Err: err}
		}
		l := stack[len(stack)-1]
		return &runtimes.InputError{File: l.file, Line: l.number, Problem: "cannot read " + file, Err: err}
	}
	f, err := r.project.Open(file)
	if err != nil {
		return "", fail(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRequirementsFile+1))
	if err != nil {
		return "", fail(err)
	}
	if len(data) > maxRequirementsFile {
		return "", &runtimes.InputError{File: file, Problem: fmt.Sprintf("larger than %d MiB, which no requirements file is", maxRequirementsFile>>20)}
	}
	return decodeText(file, data)
}

// line follows one logical line: a requirement, or options.
func (r *requirementsReader) line(l logicalLine, in inclusion, stack []logicalLine) error {
	if err := l.check(); err != nil {
		return err
	}
	args, opts, err := l.split()
	if err != nil {
		return err
	}
	if args == "" && len(opts) > 0 && opts[0].name != "--editable" {
		return r.optionLine(l, opts, in, stack)
	}
	line, err := parseRequirementLine(l, args, opts)
	if err != nil {
		return err
	}
	if !in.constraint {
		r.result.lines = append(r.result.lines, line)
		return nil
	}
	if line.name == "" {
		return l.errorf("", "a constraint must name its package")
	}
	if line.path != "" {
		return l.errorf("name it where the packages are required", "a constraint cannot be a path")
	}
	if len(line.extras) > 0 {
		return l.errorf("write the extras where the package is required", "a constraint cannot have extras")
	}
	r.result.constraints = append(r.result.constraints, line)
	return nil
}

// optionLine follows a line of options. pip takes several on one line.
func (r *requirementsReader) optionLine(l logicalLine, opts []lineOption, in inclusion, stack []logicalLine) error {
	for _, opt := range opts {
		switch opt.name {
		case "--requirement", "--constraint":
			included, err := includedFile(l, in.file, opt.value)
			if err != nil {
				return err
			}
			stack := append(stack[:len(stack):len(stack)], l)
			if err := checkStack(stack, included); err != nil {
				return err
			}
			err = r.include(inclusion{included, opt.name == "--constraint"}, stack)
			if err != nil {
				return err
			}
		default:
			if err := r.result.options.set(l, opt); err != nil {
				return err
			}
		}
	}
	return nil
}

// includedFile resolves the path of -r or -c, relative to the file that has it.
func includedFile(l logicalLine, from, target string) (string, error) {
	if strings.Contains(target, "://") || strings.HasPrefix(strings.ToLower(target), "file:") {
		return "", l.errorf("copy the file into the project", "includes a file from a URL, which can change at any time")
	}
	file := path.Join(path.Dir(from), target)
	if path.IsAbs(target) || !fs.ValidPath(file) {
		return "", l.errorf("move the file below the folder of the configuration", "%s is outside the project", target)
	}
	return file, nil
}

// checkStack refuses a file that is being read already, and endless nesting.
func checkStack(stack []logicalLine, file string) error {
	last := stack[len(stack)-1]
	if len(stack) > maxRequirementsDepth {
		return last.errorf("", "files include each other more than %d deep", maxRequirementsDepth)
	}
	for _, l := range stack {
		if l.file == file {
			return last.errorf("", "%s includes itself", file)
		}
	}
	return nil
}

// set records an option that holds for all packages.
func (o *requirementOptions) set(l logicalLine, opt lineOption) error {
	switch opt.name {
	case "--index-url":
		o.indexURL = opt.value
	case "--extra-index-url":
		o.extraIndexURLs = append(o.extraIndexURLs, opt.value)
	case "--no-index":
		o.noIndex = true
	case "--find-links":
		o.findLinks = append(o.findLinks, opt.value)
	case "--trusted-host":
		o.trustedHosts = append(o.trustedHosts, opt.value)
	case "--only-binary":
		o.onlyBinary = append(o.onlyBinary, formatNames(opt.value)...)
	case "--no-binary":
		o.noBinary = append(o.noBinary, formatNames(opt.value)...)
	case "--pre":
		o.pre = true
	case "--prefer-binary":
		o.preferBinary = true
	case "--require-hashes":
		o.requireHashes = true
	case "--use-feature":
		o.features = append(o.features, opt.value)
	case "--hash":
		return l.errorf(`end the line before it with " \"`, "--hash without a requirement")
	default:
		return l.errorf("", "%s is out of place here", opt.name)
	}
	return nil
}

// formatNames reads the value of --only-binary and --no-binary.
func formatNames(value string) []string {
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		switch name = strings.TrimSpace(name); name {
		case "":
		case ":all:", ":none:":
			names = append(names, name)
		default:
			names = append(names, pep.NormaliseName(name))
		}
	}
	return names
}
