package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const binfmtDir = "/proc/sys/fs/binfmt_misc"

// registerQemu tells the kernel to hand programs of a foreign architecture to
// qemu. Both the mount and the entry go with a reboot, so each up asks.
func registerQemu(a arch) error {
	entry := filepath.Join(binfmtDir, "qemu-"+a.qemu)
	if _, err := os.Stat(filepath.Join(binfmtDir, "register")); errors.Is(err, os.ErrNotExist) {
		if err := syscall.Mount("binfmt_misc", binfmtDir, "binfmt_misc", 0, ""); err != nil {
			return fmt.Errorf("mounting binfmt_misc on %s: %w; the kernel needs binfmt_misc to run %s programs", binfmtDir, err, a.oci)
		}
	}
	switch data, err := os.ReadFile(entry); {
	case err == nil && usable(data):
		return nil
	case err == nil:
		// Left by another qemu, or switched off: ours takes its place.
		if err := os.WriteFile(entry, []byte("-1"), 0); err != nil {
			return fmt.Errorf("replacing %s: %w", entry, err)
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	conf := "/usr/lib/binfmt.d/qemu-" + a.qemu + ".conf"
	line, err := os.ReadFile(conf)
	if err != nil {
		return fmt.Errorf("%w; it comes with Debian's qemu-user-static", err)
	}
	if err := os.WriteFile(filepath.Join(binfmtDir, "register"), bytes.TrimSpace(line), 0); err != nil {
		return fmt.Errorf("registering %s: %w", conf, err)
	}
	say("registered qemu for %s", a.oci)
	return nil
}

// usable reports whether an entry of binfmt_misc is on and has the flag F:
// only then does the kernel hold the interpreter open, so that it works in a
// root folder that has no qemu.
func usable(entry []byte) bool {
	if !bytes.HasPrefix(entry, []byte("enabled\n")) {
		return false
	}
	for line := range bytes.Lines(entry) {
		if flags, ok := bytes.CutPrefix(line, []byte("flags:")); ok {
			return bytes.ContainsRune(flags, 'F')
		}
	}
	return false
}
