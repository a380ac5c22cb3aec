package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// installTools installs with apt-get what is needed and missing. The names
// are programs and the Debian packages that hold them.
func (tb *testbed) installTools(ctx context.Context) error {
	needed := [][2]string{{"runc", "runc"}, {"rootlesskit", "rootlesskit"}, {"newuidmap", "uidmap"}}
	if tb.standIns {
		needed = append(needed, [2]string{"debootstrap", "debootstrap"}, [2]string{"tar", "tar"})
	}
	for _, a := range tb.archs {
		if a.foreign() {
			needed = append(needed, [2]string{"qemu-" + a.qemu + "-static", "qemu-user-static"})
		}
	}
	var missing []string
	for _, n := range needed {
		if _, err := exec.LookPath(n[0]); err == nil {
			continue
		}
		// debootstrap lives in sbin, which not every root's PATH has.
		if _, err := os.Stat("/usr/sbin/" + n[0]); err == nil {
			continue
		}
		missing = append(missing, n[1])
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%s missing and no apt-get here: the testbed needs Debian, or these installed by hand", strings.Join(missing, ", "))
	}
	return step("installing "+strings.Join(missing, ", "), func() error {
		if err := tb.command(ctx, "apt", "apt-get", "-q", "update"); err != nil {
			return err
		}
		return tb.command(ctx, "apt", append([]string{"apt-get", "-q", "-y", "--no-install-recommends", "install"}, missing...)...)
	})
}

// wgetSettings has wget, by which debootstrap fetches some thousand packages, ask
// again where a mirror is overloaded or a name is not found: debootstrap itself
// gives up a whole root folder for one such answer.
const wgetSettings = `tries = 6
waitretry = 10
retry_connrefused = on
retry_on_host_error = on
retry_on_http_error = 429,500,502,503,504
`

func (tb *testbed) wgetrc() string { return filepath.Join(tb.state, "wgetrc") }

// A mirror is where Debian's packages come from on this machine.
type mirror struct {
	uri     string
	suites  []string
	keyring string // file, or empty
}

// findMirror returns the mirror that has the suite, from the configuration in
// etc (/etc/apt), whose suites are the machine's own. A Debian mirror has all
// suites, so one that serves another of them does too.
func findMirror(etc, suite string) (mirror, error) {
	if uri := os.Getenv("LAYERBUILD_TESTBED_MIRROR"); uri != "" {
		return mirror{uri: uri}, nil
	}
	mirrors, err := readSources(etc)
	if err != nil {
		return mirror{}, err
	}
	for _, m := range mirrors {
		if slices.Contains(m.suites, suite) {
			return m, nil
		}
	}
	for _, m := range mirrors {
		for _, s := range debianSuites {
			if slices.Contains(m.suites, s) {
				m.keyring = "" // it may know that suite's keys only
				return m, nil
			}
		}
	}
	return mirror{}, fmt.Errorf("no source in %s has Debian's %s: set LAYERBUILD_TESTBED_MIRROR to the address of a Debian mirror", etc, suite)
}

var debianSuites = []string{"bullseye", "bookworm", "trixie", "forky", "sid", "oldoldstable", "oldstable", "stable", "testing", "unstable"}

// readSources reads apt's sources, in both of its formats.
func readSources(etc string) ([]mirror, error) {
	var mirrors []mirror
	files := []string{filepath.Join(etc, "sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		found, err := filepath.Glob(filepath.Join(etc, "sources.list.d", pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(file, ".sources") {
			mirrors = append(mirrors, parseDeb822(string(data))...)
		} else {
			mirrors = append(mirrors, parseOneLine(string(data))...)
		}
	}
	return mirrors, nil
}

// parseOneLine reads the lines "deb [options] uri suite component...".
func parseOneLine(data string) []mirror {
	var mirrors []mirror
	for line := range strings.Lines(data) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		var m mirror
		rest = strings.TrimSpace(rest)
		if options, after, ok := strings.Cut(rest, "]"); ok && strings.HasPrefix(options, "[") {
			for _, option := range strings.Fields(options[1:]) {
				if file, ok := strings.CutPrefix(option, "signed-by=/"); ok {
					m.keyring = "/" + file
				}
			}
			rest = after
		}
		if fields := strings.Fields(rest); len(fields) >= 2 {
			m.uri, m.suites = fields[0], fields[1:2]
			mirrors = append(mirrors, m)
		}
	}
	return mirrors
}

// parseDeb822 reads stanzas of "Field: value" lines.
func parseDeb822(data string) []mirror {
	var mirrors []mirror
	for stanza := range strings.SplitSeq(data, "\n\n") {
		fields := make(map[string]string)
		for line := range strings.Lines(stanza) {
			name, value, ok := strings.Cut(line, ":")
			if ok && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, " ") {
				fields[strings.ToLower(name)] = strings.TrimSpace(value)
			}
		}
		uris := strings.Fields(fields["uris"])
		if len(uris) == 0 || strings.EqualFold(fields["enabled"], "no") || !slices.Contains(strings.Fields(fields["types"]), "deb") {
			continue
		}
		m := mirror{uri: uris[0], suites: strings.Fields(fields["suites"])}
		if strings.HasPrefix(fields["signed-by"], "/") {
			m.keyring = fields["signed-by"]
		}
		mirrors = append(mirrors, m)
	}
	return mirrors
}
