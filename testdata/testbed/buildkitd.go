package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// modules names BuildKit's exact source: its programs are tools of this module.
//
//go:embed go.mod go.sum
var modules embed.FS

func programsKey() (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, "buildkit 1", runtime.Version(), runtime.GOARCH)
	files := []string{"go.mod", "go.sum"}
	for _, name := range files {
		data, err := modules.ReadFile(name)
		if err != nil {
			return "", err
		}
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// buildPrograms returns the folder that holds buildkitd and buildctl.
func (tb *testbed) buildPrograms(ctx context.Context) (string, error) {
	key, err := programsKey()
	if err != nil {
		return "", err
	}
	return tb.part("buildkit", key, func(dir string) error {
		src := filepath.Join(dir, "src")
		if err := os.CopyFS(src, modules); err != nil {
			return err
		}
		return step("building buildkitd", func() error {
			log, err := os.Create(tb.log("build"))
			if err != nil {
				return err
			}
			defer log.Close()
			const cmds = "github.com/moby/buildkit/cmd/"
			cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir, cmds+"buildkitd", cmds+"buildctl")
			cmd.Dir = src
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
			cmd.Stdout = log
			cmd.Stderr = log
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			if err := cmd.Run(); err != nil {
				return logged(err, log.Name())
			}
			return nil
		})
	})
}

const daemon = "buildkitd"

func (tb *testbed) socket() string { return filepath.Join(tb.state, "buildkitd.sock") }

// root is where BuildKit keeps its data. It is not a part: its content is
// BuildKit's own affair, as are its versions.
func (tb *testbed) root() string { return filepath.Join(tb.cache, "buildkit") }

// startBuildkitd starts the daemon unless it runs, answers and has the wanted
// configuration. mirror is the registry that answers for the public ones.
func (tb *testbed) startBuildkitd(ctx context.Context, programs, mirror string) error {
	certs, fingerprint, err := makeCerts(filepath.Join(tb.state, "tls"))
	if err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	p := tb.recorded(daemon)
	if p.Addr != "" && p.Config == tb.config(programs, p.Addr, mirror, certs, fingerprint) && p.alive() && tb.probe(ctx, programs) == nil {
		return nil
	}
	if err := tb.stop(ctx, daemon); err != nil {
		return err
	}
	tb.cleanAfter(ctx)
	addr, err := freeAddr(p.Addr, tb.tlsAddr)
	if err != nil {
		return fmt.Errorf("finding a port for buildkitd: %w", err)
	}
	config := tb.config(programs, addr, mirror, certs, fingerprint)
	file := filepath.Join(tb.state, "buildkitd.toml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return err
	}
	argv := []string{filepath.Join(programs, "buildkitd"), "--config", file}
	return step("buildkitd at "+tb.socket(), func() error {
		return tb.start(ctx, daemon, addr, config, argv, func(ctx context.Context) error { return tb.probe(ctx, programs) })
	})
}

// config returns the text of buildkitd.toml. What it says in comments is there
// so that a change of it restarts the daemon.
func (tb *testbed) config(programs, addr, mirror string, certs certFiles, fingerprint string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n# certificates %s\n", programs, fingerprint)
	fmt.Fprintf(&b, "root = %q\n\n", tb.root())
	fmt.Fprintf(&b, "[grpc]\naddress = [%q, %q]\n", "unix://"+tb.socket(), "tcp://"+addr)
	fmt.Fprintf(&b, "[grpc.tls]\nca = %q\ncert = %q\nkey = %q\n\n", certs.ca, certs.serverCert, certs.serverKey)
	// Steps share the machine's network: it may have no bridge, and its ways
	// to the package registries are the ones that work.
	b.WriteString("[worker.oci]\nenabled = true\nnetworkMode = \"host\"\n")
	// A run of all tests leaves tens of gigabytes, of which the next needs little.
	b.WriteString("gc = true\nmaxUsedSpace = \"16GB\"\n")
	b.WriteString("[worker.containerd]\nenabled = false\n")
	if mirror != "" {
		fmt.Fprintf(&b, "\n[registry.\"public.ecr.aws\"]\nmirrors = [%q]\n", mirror)
		fmt.Fprintf(&b, "[registry.%q]\nhttp = true\n", mirror)
	}
	return b.String()
}

// probe asks the daemon for its workers and their platforms.
func (tb *testbed) probe(ctx context.Context, programs string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "buildctl"), "--addr", "unix://"+tb.socket(), "debug", "workers", "--format", "{{json .}}")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("buildkitd does not answer at %s: %w", tb.socket(), err)
	}
	var workers []struct {
		Platforms []struct{ Architecture string } `json:"platforms"`
	}
	if err := json.Unmarshal(out, &workers); err != nil {
		return fmt.Errorf("buildkitd's workers: %w", err)
	}
	has := make(map[string]bool)
	for _, w := range workers {
		for _, p := range w.Platforms {
			has[p.Architecture] = true
		}
	}
	for _, a := range tb.archs {
		if !has[a.oci] {
			return fmt.Errorf("buildkitd does not offer linux/%s", a.oci)
		}
	}
	return nil
}

// cleanAfter removes what a killed daemon left: containers that run on, and
// mounts. Only what lies in our own root folder is touched.
func (tb *testbed) cleanAfter(ctx context.Context) {
	inside := tb.root() + "/"
	if out, err := exec.CommandContext(ctx, "runc", "list", "--format", "json").Output(); err == nil {
		var containers []struct{ ID, Bundle string }
		if err := json.Unmarshal(out, &containers); err == nil {
			for _, c := range containers {
				if strings.HasPrefix(c.Bundle, inside) {
					say("removing container %s, left by a killed buildkitd", c.ID)
					if err := exec.CommandContext(ctx, "runc", "delete", "--force", c.ID).Run(); err != nil {
						say("removing container %s: %v", c.ID, err)
					}
				}
			}
		}
	}
	for {
		data, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			return
		}
		last := ""
		for line := range strings.Lines(string(data)) {
			if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], inside) {
				last = fields[4] // mounts stand in order: the last has none on it
			}
		}
		if last == "" {
			break
		}
		if err := syscall.Unmount(last, syscall.MNT_DETACH); err != nil {
			say("unmounting %s, left by a killed buildkitd: %v", last, err)
			break
		}
	}
	if err := os.Remove(tb.socket()); err != nil && !errors.Is(err, os.ErrNotExist) {
		say("%v", err)
	}
}
