package python

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// parseRequirementLine reads a line that asks for a package. Lines that are
// right and cannot be followed say so in refused: whether that matters depends
// on the target.
func parseRequirementLine(l logicalLine, args string, opts []lineOption) (requirementLine, error) {
	line := requirementLine{file: l.file, line: l.number, text: args}
	for _, opt := range opts {
		if err := line.option(l, opt); err != nil {
			return line, err
		}
	}
	slices.Sort(line.sha256)
	line.sha256 = slices.Compact(line.sha256)
	if len(line.sha256) > 0 {
		line.otherHash = "" // those of another kind only add other files
	}
	if args == "" {
		return line, nil // -e
	}
	var err error
	switch target, marker := splitTarget(args); {
	case versionControl.MatchString(target):
		line.setGit(target)
		err = line.setMarker(marker)
	case isFileURL(target), isPath(target) && !isURL.MatchString(target):
		if err = line.setMarker(marker); err == nil {
			err = line.setPath(target)
		}
	case isURL.MatchString(target):
		if err = line.setMarker(marker); err == nil {
			err = line.setURL(target)
		}
	default:
		err = line.setRequirement(args)
	}
	if err != nil {
		return line, l.errorf("", "%v", err)
	}
	return line, nil
}

// refuse keeps the first reason.
func (line *requirementLine) refuse(reason string) {
	if line.refused == "" {
		line.refused = reason
	}
}

// option takes an option that stands on the line of a requirement.
func (line *requirementLine) option(l logicalLine, opt lineOption) error {
	switch opt.name {
	case "--hash":
		return line.hash(l, opt.value)
	case "--editable":
		if line.text != "" {
			return l.errorf("put -e on a line of its own", "-e after a requirement")
		}
		line.text = "-e " + opt.value
		if versionControl.MatchString(opt.value) || isURL.MatchString(opt.value) && !isFileURL(opt.value) {
			line.setGit(opt.value)
			return nil
		}
		return line.setEditable(l, opt.value)
	case "--global-option", "--config-settings":
		line.refuse(opt.name + " needs a build from source")
	default:
		return l.errorf("put it on a line of its own", "%s cannot follow a requirement", opt.name)
	}
	return nil
}

// digestSizes are the kinds of hashes that pip takes, with their bytes.
var digestSizes = map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}

func (line *requirementLine) hash(l logicalLine, value string) error {
	kind, digest, _ := strings.Cut(value, ":")
	size, ok := digestSizes[kind]
	if !ok {
		return l.errorf("use --hash=sha256:…", "the hash %q is not of a kind that pip takes", shortText(value))
	}
	digest = strings.ToLower(digest)
	if b, err := hex.DecodeString(digest); err != nil || len(b) != size {
		return l.errorf("", "%q is not a %s in hex: %d digits are needed", shortText(digest), kind, 2*size)
	}
	if kind == "sha256" {
		line.sha256 = append(line.sha256, digest)
	} else {
		line.otherHash = kind
	}
	return nil
}

func shortText(s string) string {
	const limit = 80
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

var (
	versionControl = regexp.MustCompile(`(?i)^(?:(?:git|hg|svn|bzr)\+|git://)`)
	isURL          = regexp.MustCompile(`(?i)^(?:[a-z][a-z0-9+.-]*://|file:)`)
	isArchive      = regexp.MustCompile(`(?i)\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|lzma))$`)
	drive          = regexp.MustCompile(`(?i)^[a-z]:[\\/]`)
)

// splitTarget parts a line that starts with a path or URL from its marker. A
// URL may hold a semicolon, so there a space must follow or precede it.
func splitTarget(args string) (target, marker string) {
	n := strings.IndexAny(args, " \t")
	if i := strings.IndexByte(args, ';'); i >= 0 && (n < 0 || i < n) && (i+1 == n || !isURL.MatchString(args)) {
		return args[:i], args[i+1:]
	}
	if n < 0 {
		return args, ""
	}
	target, rest := args[:n], strings.TrimSpace(args[n:])
	if marker, ok := strings.CutPrefix(rest, ";"); ok {
		return target, marker
	}
	return target, rest // which setMarker will find to be no marker
}

func (line *requirementLine) setMarker(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var err error
	line.marker, err = pep.ParseMarker(text)
	return err
}

// isPath tells whether pip would take target, the first word of a line, for a
// file or folder.
func isPath(target string) bool {
	target, _, _ = strings.Cut(target, "[")
	if i := strings.IndexAny(target, "@<>=!~"); i > 0 {
		target = target[:i] // "name@https://…", "name==1"
	}
	return strings.HasPrefix(target, ".") || strings.HasPrefix(target, "~") || strings.ContainsRune(target, '/') ||
		strings.HasPrefix(target, `\`) || drive.MatchString(target) || isArchive.MatchString(target)
}

func (line *requirementLine) setRequirement(args string) error {
	req, err := pep.ParseRequirement(args)
	if err != nil {
		return err
	}
	line.name, line.extras, line.specifiers, line.marker = req.Name, req.Extras, req.Specifiers, req.Marker
	switch {
	case req.URL == "":
		return nil
	case versionControl.MatchString(req.URL):
		line.setGit(req.URL)
		return nil
	case isFileURL(req.URL) || !isURL.MatchString(req.URL):
		return line.setPath(req.URL)
	}
	return line.setURL(req.URL)
}

// setGit takes a repository under version control.
func (line *requirementLine) setGit(text string) {
	if !strings.HasPrefix(strings.ToLower(text), "git+") {
		line.refuse("is fetched from version control that is not Git")
		return
	}
	source := gitFromRequirement(text)
	line.git = &source
	if line.name == "" {
		line.name = eggName(text)
	}
	if problem := source.check(); problem != "" {
		line.refuse(problem)
	}
}

// eggName is the package's name in the fragment of an address, "" where it
// has none.
func eggName(text string) string {
	_, fragment, _ := strings.Cut(text, "#")
	values, err := url.ParseQuery(fragment)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(values.Get("egg"), "[")
	return pep.NormaliseName(name)
}

// setURL takes a wheel with one SHA-256, from --hash or the URL's fragment.
// Every other URL is refused.
func (line *requirementLine) setURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("a URL that cannot be read")
	}
	fragment, err := url.ParseQuery(u.EscapedFragment())
	if err != nil {
		return fmt.Errorf("a URL whose fragment cannot be read: %w", err)
	}
	file := path.Base(u.Path)
	if (u.Scheme != "https" && u.Scheme != "http") || !strings.HasSuffix(file, ".whl") {
		line.refuse("is a URL of something other than a wheel")
		return nil
	}
	if line.wheel, err = pep.ParseWheel(file); err != nil {
		return err
	}
	if line.name != "" && line.name != line.wheel.Name {
		return fmt.Errorf("asks for %s and points to a wheel of %s", line.name, line.wheel.Name)
	}
	line.name = line.wheel.Name
	if digest := strings.ToLower(fragment.Get("sha256")); digest != "" {
		if b, err := hex.DecodeString(digest); err != nil || len(b) != digestSizes["sha256"] {
			return fmt.Errorf("%q is not a sha256 in hex", shortText(digest))
		}
		if len(line.sha256) > 0 && !slices.Contains(line.sha256, digest) {
			return errors.New("--hash is not the sha256 of the URL's fragment")
		}
		line.sha256 = []string{digest}
	}
	if len(line.sha256) > 1 {
		return fmt.Errorf("%d hashes for the one file of a URL", len(line.sha256))
	}
	u.Fragment, u.RawFragment = "", ""
	line.url, line.wheelFile = u.String(), file
	return nil
}
