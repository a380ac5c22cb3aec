package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// printEnv writes the variables of the running testbed as a shell reads them.
func (tb *testbed) printEnv(w io.Writer) error {
	p := tb.recorded(daemon)
	if !p.alive() {
		return errors.New("the testbed is not up: run go -C testdata/testbed run . up")
	}
	key, err := programsKey()
	if err != nil {
		return err
	}
	env := [][2]string{
		{"LAYERBUILD_TESTBED", "1"},
		{"BUILDKIT_HOST", "unix://" + tb.socket()},
		{"LAYERBUILD_TEST_BUILDKIT_TLS_ADDR", "tcp://" + p.Addr},
		{"LAYERBUILD_TEST_BUILDKIT_TLS_DIR", filepath.Join(tb.state, "tls")},
		{"LAYERBUILD_TEST_BUILDKIT_PROGRAMS", tb.partDir("buildkit", key)},
		{"LAYERBUILD_TEST_SERVERS", tb.serversDir()},
		{"LAYERBUILD_TEST_STORES", tb.storesDir()},
	}
	if tb.standIns {
		r := tb.recorded("registry")
		if !r.alive() {
			return errors.New("the testbed's registry is down: run go -C testdata/testbed run . up")
		}
		env = append(env, [2]string{"LAYERBUILD_TEST_REGISTRY", r.Addr})
		for _, a := range tb.archs {
			root, err := tb.rootOf(images[0], a)
			if err != nil {
				return err
			}
			env = append(env, [2]string{"LAYERBUILD_TEST_ROOTFS_" + strings.ToUpper(a.oci), root})
			if a.foreign() {
				continue
			}
			if root, err = tb.rootOf(imageNamed("sam/build-java21:latest"), a); err != nil {
				return err
			}
			env = append(env, [2]string{"LAYERBUILD_TEST_ROOTFS_BUILD_JAVA21", root})
		}
	}
	for _, e := range env {
		if _, err := fmt.Fprintf(w, "export %s=%s\n", e[0], quote(e[1])); err != nil {
			return err
		}
	}
	return nil
}

// rootOf is the root folder of an image that up has made.
func (tb *testbed) rootOf(im image, a arch) (string, error) {
	_, key, err := im.recipe(a)
	if err != nil {
		return "", err
	}
	return filepath.Join(tb.partDir(im.partName(a), key), "rootfs"), nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// status says what runs, where, and where to look when something is wrong.
func (tb *testbed) status(w io.Writer) error {
	for _, name := range []string{daemon, "registry"} {
		p := tb.recorded(name)
		state := "down"
		if p.alive() {
			state = fmt.Sprintf("process %d at %s", p.PID, p.Addr)
		}
		if _, err := fmt.Fprintf(w, "%-10s %s (log: %s)\n", name, state, tb.log(name)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%-10s %s\n", "cache", tb.cache)
	return err
}
