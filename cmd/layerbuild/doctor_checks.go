package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/builder/doctor"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// patient is what doctor looks at. Where a build would stop at the first thing
// that is wrong, it goes on without that.
type patient struct {
	sel    *selection
	config *builder.Config
	found  []doctor.Finding // before anything is asked
	checks []doctor.Check
	clock  doctor.Clock

	logins   []runtimes.Login
	caBundle string
	client   *http.Client
}

// examine looks at all.
func (p *patient) examine(ctx context.Context) []doctor.Finding {
	version := readVersion()
	p.say("layerbuild", doctor.OK, strings.TrimPrefix(version.String(), "layerbuild "))
	if p.config.File != "" {
		p.say("config", doctor.OK, fmt.Sprintf("%s, %s", p.config.File, plural(len(p.config.Layers), "%d layer", "%d layers")))
	} else if len(p.found) < 2 {
		p.say("config", doctor.OK, "no "+builder.ConfigName+" here or in a folder above: the defaults are looked at")
	}
	servers := p.network(ctx)
	p.machine()
	p.containers()
	for _, s := range servers {
		s.Client = p.client
		p.checks = append(p.checks, s.Check(&p.clock))
	}
	p.remotes(ctx)
	p.tools()
	p.clock.Built = builtAt()
	all := append(p.found, doctor.Run(ctx, p.checks)...)
	return append(all, p.clock.Finding(time.Now()))
}

func (p *patient) say(subject string, status doctor.Status, text string) {
	p.found = append(p.found, doctor.Finding{Subject: subject, Status: status, Text: text})
}

// wrong notes what would stop a build.
func (p *patient) wrong(subject string, err error) {
	p.found = append(p.found, doctor.Finding{Subject: subject, Status: doctor.Fail, Text: err.Error(), Err: err})
}

// network reads what the user configured of indexes, logins and certificates,
// and lists the servers that the layers need.
func (p *patient) network(ctx context.Context) []doctor.Server {
	python, err := findIndexes(ctx, p.config)
	if err != nil {
		p.wrong("python index", err)
	}
	node, err := findRegistries(p.config)
	if err != nil {
		p.wrong("npm registry", err)
	}
	java, err := findMaven(p.config)
	if err != nil {
		p.wrong("maven repo", err)
	}
	p.logins = slices.Concat(python.Logins, node.Logins, java.logins)
	p.found = append(p.found, doctor.Proxies(os.Getenv)...)
	p.certificates(python.Certificates, node.Certificates)

	servers := p.servers("python", "python index", orDefault(python.Indexes, direct.DefaultIndex()))
	var registries []string
	for _, line := range node.Registries {
		_, address, _ := strings.Cut(line, "=")
		registries = append(registries, strings.TrimSpace(address))
	}
	if !slices.ContainsFunc(node.Registries, func(line string) bool { return strings.HasPrefix(line, "registry=") }) {
		registries = append(registries, direct.DefaultRegistry())
	}
	for _, s := range p.servers("nodejs", "npm registry", registries) {
		if u, err := url.Parse(s.Address); err == nil {
			if _, known := runtimes.FindLogin(p.logins, u); known {
				s.WhoAmI = "-/whoami"
			}
		}
		servers = append(servers, s)
	}
	return append(servers, p.servers("java", "maven repo", orDefault(java.settings.Indexes(), direct.DefaultRepository()))...)
}

// orDefault puts the ecosystem's own address in the place of "".
func orDefault(addresses []string, own string) []string {
	if len(addresses) == 0 {
		return []string{own}
	}
	var all []string
	for _, a := range addresses {
		all = append(all, cmp.Or(a, own))
	}
	return all
}

// servers are those at addresses, where a layer has packages of theirs, or
// where there is no layer at all.
func (p *patient) servers(family, subject string, addresses []string) []doctor.Server {
	used := slices.ContainsFunc(p.config.Layers, func(l builder.Layer) bool {
		return !l.Plain && slices.ContainsFunc(l.Runtimes, func(r runtimes.Info) bool { return r.Family == family })
	})
	if !used && len(p.config.Layers) > 0 {
		return nil
	}
	var all []doctor.Server
	for _, address := range addresses {
		if address != "" && !slices.ContainsFunc(all, func(s doctor.Server) bool { return s.Address == address }) {
			all = append(all, doctor.Server{Subject: subject, Of: family, Address: address, Needed: used})
		}
	}
	return all
}

// certificates finds the CA bundle, and makes the client that trusts it.
func (p *patient) certificates(tools ...string) {
	var err error
	if p.caBundle, err = findCABundle(p.config, tools...); err != nil {
		p.found = append(p.found, doctor.Finding{Subject: "CA bundle", Status: doctor.Fail, Text: err.Error(), Err: err,
			Fix: "correct caBundle in " + builder.ConfigName + ", or put the file there"})
	}
	for _, name := range caVariables {
		file := os.Getenv(name)
		if _, err := os.Stat(file); file != "" && errors.Is(err, fs.ErrNotExist) {
			p.found = append(p.found, doctor.Finding{Subject: "CA bundle", Status: doctor.Warn,
				Text: name + " names " + file + ", which is not there; it is passed over", Fix: "unset " + name + ", or put the file there"})
		}
	}
	switch {
	case p.caBundle != "":
		f := doctor.Certificates(p.caBundle, time.Now())
		p.found = append(p.found, f)
		if f.Status != doctor.OK {
			p.caBundle = ""
		}
	case err == nil:
		p.say("CA bundle", doctor.OK, "none beside the system's (caBundle in "+builder.ConfigName+", "+strings.Join(caVariables, ", ")+")")
	}
	if p.client, err = direct.NewClient(p.caBundle, p.logins); err != nil {
		p.wrong("CA bundle", err)
		p.caBundle = ""
		p.client, _ = direct.NewClient("", p.logins) // which cannot fail without a bundle
	}
}

// machine looks at folders.
func (p *patient) machine() {
	output := p.config.Output
	if p.sel.output != "" {
		output = p.sel.output
	}
	if abs, err := filepath.Abs(output); err == nil {
		output = abs
	}
	dir, err := cacheDir(p.config)
	var store *cache.Cache
	if err == nil {
		store, err = openStore(p.config)
	}
	if err != nil {
		p.wrong("cache", err)
	} else {
		store.Close()
		p.checks = append(p.checks, doctor.Folder{Subject: "cache", Path: dir, Move: "LAYERBUILD_CACHE_DIR", Size: size}.Check())
	}
	p.checks = append(p.checks,
		doctor.Folder{Subject: "output", Path: output, Needed: true, Move: "--output", Size: size}.Check(),
		doctor.Folder{Subject: "temporary", Path: os.TempDir(), Needed: true, Move: "TMPDIR", Size: size}.Check())
}

// containers looks for the engine.
func (p *patient) containers() {
	dir, err := cacheDir(p.config)
	if err != nil {
		return // it has been said
	}
	c := doctor.Containers{
		Engine: p.sel.containers(p.config, dir, p.caBundle, p.logins),
		Asked:  cmp.Or(p.sel.engine, p.config.Engine, "auto"),
		Runs:   make(map[runtimes.Arch]string),
	}
	for _, l := range p.config.Layers {
		for _, arch := range l.Architectures {
			if !slices.Contains(c.Arches, arch) {
				c.Arches = append(c.Arches, arch)
			}
			if why := runsInContainer(l); why != "" && c.Runs[arch] == "" {
				c.Runs[arch] = why
			}
		}
	}
	c.Images = images(p.config.Layers, c.Asked)
	if len(p.config.Layers) == 0 {
		c.Arches = []runtimes.Arch{runtimes.X86_64, runtimes.ARM64}
	}
	check := c.Check()
	look := check.Look
	check.Look = func(ctx context.Context) []doctor.Finding {
		defer c.Engine.Close() // of a daemon that was started for it
		return look(ctx)
	}
	p.checks = append(p.checks, check)
}

// images are those that builds of the layers begin with, where they take a
// container.
func images(layers []builder.Layer, engine string) (all []doctor.Image) {
	for _, l := range layers {
		if (l.Plain || engine == "direct") && runsInContainer(l) == "" {
			continue
		}
		for _, info := range l.Runtimes {
			for _, arch := range l.Architectures {
				t := runtimes.Target{Runtime: info, Arch: arch, Own: l.Own}
				jars := info.Family == "java" && l.Own.Empty()
				if jars {
					t.Arch = runtimes.X86_64 // one image does for all
				}
				all = append(all, doctor.Image{Ref: t.Image(jars || len(l.AllowScripts) > 0), Arch: t.Arch})
			}
		}
	}
	return all
}

// runsInContainer says what of a layer's configuration needs a container. Which
// packages must be built from source, its lock file alone tells: see plan.
func runsInContainer(l builder.Layer) string {
	switch {
	case !l.Own.Empty():
		return "layer " + l.Name + " has an image of its own"
	case l.Bytecode:
		return "layer " + l.Name + " has bytecode: true"
	case len(l.AllowScripts) > 0:
		return "layer " + l.Name + " has allowScripts"
	case l.Check.Import:
		return "layer " + l.Name + " has check: {import: true}"
	}
	return ""
}

func (p *patient) remotes(ctx context.Context) {
	all, err := p.sel.remotes(ctx, p.config, p.caBundle, p.logins)
	if err != nil {
		p.wrong("remote", err)
	}
	if err == nil && len(all) == 0 {
		none := doctor.Finding{Subject: "remote", Status: doctor.OK, Text: "none (cache: remotes in " + builder.ConfigName + ", " + cacheFromVariable + ")"}
		p.checks = append(p.checks, doctor.Check{Look: func(context.Context) []doctor.Finding { return []doctor.Finding{none} }})
	}
	for _, r := range all {
		p.checks = append(p.checks, doctor.Remote{Name: r.Name, Backend: r.Backend, Pull: r.Pull, Push: r.Push, Required: r.Required}.Check())
	}
}

// tools looks at the programs that builds may call.
func (p *patient) tools() {
	mvn := doctor.Tool{Names: []string{"mvn"}, Args: []string{"--version"},
		For: "only the first build of a pom.xml needs it, or a container",
		Fix: "install Maven, or name a BuildKit with --builder, or commit a layerbuild.lock made elsewhere"}
	python := doctor.Tool{Names: []string{"python3", "python"}, Args: []string{"--version"},
		For: "only resolving what a Python project leaves open needs it",
		Fix: "install a Python 3, or commit a layerbuild.lock made elsewhere"}
	_, err := os.Stat(filepath.Join(p.config.Root, builder.LockName))
	locked := err == nil
	for _, l := range p.config.Layers {
		if has := func(name string) bool {
			_, err := os.Stat(filepath.Join(p.config.Root, filepath.FromSlash(l.Path), name))
			return err == nil
		}; !locked {
			if has("pom.xml") && !has("gradle.lockfile") {
				mvn.Needed = "layer " + l.Name + " has a pom.xml that is not resolved yet"
			}
			if has("requirements.txt") {
				python.Needed = "layer " + l.Name + " may have to be resolved yet"
			}
		}
	}
	p.checks = append(p.checks, python.Check(), mvn.Check(), doctor.Tool{Names: []string{"git"}, Args: []string{"--version"},
		For: "only packages from Git repositories need it"}.Check())
}

// builtAt is when the revision that this program is of was made, or zero.
func builtAt() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			at, _ := time.Parse(time.RFC3339, s.Value) // zero where there is none
			return at
		}
	}
	return time.Time{}
}
