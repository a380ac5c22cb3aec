package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// toolArchives are the package managers whose lock files the product reads,
// for the tests to hold it against: of Node.js in node, each in a folder of
// its own, and Maven in maven.
var toolArchives = slices.Concat(into("node", node22), []archive{
	{Registry: "npm", Name: "pnpm", Version: "8.15.9", Into: "node/lib/pnpm8",
		Integrity: "sha512-SZQ0ydj90aJ5Tr9FUrOyXApjOrzuW7Fee13pDzL0e1E6ypjNXP0AHDHw20VLw4BO3M1XhQHkyik6aBYWa72fgQ=="},
	{Registry: "npm", Name: "pnpm", Version: "9.15.9", Into: "node/lib/pnpm9",
		Integrity: "sha512-aARhQYk8ZvrQHAeSMRKOmvuJ74fiaR1p5NQO7iKJiClf1GghgbrlW1hBjDolO95lpQXsfF+UA+zlzDzTfc8lMQ=="},
	{Registry: "npm", Name: "pnpm", Version: "10.34.9", Into: "node/lib/pnpm10",
		Integrity: "sha512-9JtajqD97bRLs8DB1ldQkqU8KVDZW3rRXfEfF5dId6LeOgHAfpNOmyjOcW5RwJqUlixzBtCb4uHksYqMh2L9Mg=="},
	{Registry: "npm", Name: "yarn", Version: "1.22.22", Into: "node/lib/yarn1",
		Integrity: "sha512-prL3kGtyG7o9Z9Sv8IPfBNrWTDmXB4Qbes8A9rEzt6wkJV8mUvoirjU0Mp3GGAU06Y0XQyA3/2/RQFVuK7MTfg=="},
	{Registry: "npm", Name: "@yarnpkg/cli-dist", Version: "4.18.1", Into: "node/lib/yarn4",
		Integrity: "sha512-EH+A4TxAtBWXKE0DGQxW9Bo9crXHLJ73mfxjTQJuv8XonNWWTpei8BQ5JjczHJNU9GROTycwMFn8iOvRIZXUcA=="},
	// The one that asks the least of a processor.
	{Registry: "npm", Name: "@oven/bun-linux-x64-baseline", Version: "1.4.5", Arch: "amd64", Into: "node/lib/bun",
		Integrity: "sha512-s8yMwYcFnnrA178gji0gZbkE2WVDej/Ti1x770oPfihxyRxSMNhGhiAQNXV53aDeraZxksdvKV/RAdQBCd0qPA=="},
	{Registry: "npm", Name: "@oven/bun-linux-aarch64", Version: "1.4.5", Arch: "arm64", Into: "node/lib/bun",
		Integrity: "sha512-4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg=="},
	{Registry: maven.Registry, Name: maven.Name, Integrity: maven.Integrity, Into: "maven"},
})

// toolScripts are the programs that Node.js runs, by the name under which they
// are put beside it.
var toolScripts = map[string]string{
	"npm":    "node_modules/npm/bin/npm-cli.js",
	"npx":    "node_modules/npm/bin/npx-cli.js",
	"pnpm8":  "pnpm8/bin/pnpm.cjs",
	"pnpm9":  "pnpm9/bin/pnpm.cjs",
	"pnpm10": "pnpm10/bin/pnpm.cjs",
	"yarn1":  "yarn1/bin/yarn.js",
	"yarn4":  "yarn4/bin/yarn.js",
}

// launcher runs a script of the folder lib with the Node.js that lies beside
// it, which the script then finds as node, too.
const launcher = `#!/bin/sh
bin=$(dirname "$(readlink -f "$0")")
PATH=$bin:$PATH exec "$bin/node" "$bin/../lib/%s" "$@"
`

// into moves archives that are meant for Lambda's place to another.
func into(dir string, list []archive) []archive {
	moved := slices.Clone(list)
	for i := range moved {
		rel, err := filepath.Rel("var/lang", moved[i].Into)
		if err != nil {
			panic(err) // both are relative
		}
		moved[i].Into = filepath.Join(dir, rel)
	}
	return moved
}

// makeTools puts the tools into the cache folder's tools, where the Makefile
// puts those of Python, and makes them where they are missing.
func (tb *testbed) makeTools(ctx context.Context) error {
	a := archs[slices.IndexFunc(archs, func(a arch) bool { return !a.foreign() })]
	h := sha256.New()
	if err := json.NewEncoder(h).Encode([]any{"tools 1", a.oci, toolArchives, toolScripts, launcher}); err != nil {
		return err
	}
	made, err := tb.part("tools", hex.EncodeToString(h.Sum(nil)), func(dir string) error {
		if err := tb.unpack(ctx, toolArchives, a, dir); err != nil {
			return err
		}
		bin := filepath.Join(dir, "node", "bin")
		for name, script := range toolScripts {
			if err := os.WriteFile(filepath.Join(bin, name), fmt.Appendf(nil, launcher, script), 0o755); err != nil {
				return err
			}
		}
		return os.Symlink("../lib/bun/bin/bun", filepath.Join(bin, "bun"))
	})
	if err != nil {
		return err
	}
	tools := filepath.Join(tb.cache, "tools")
	if err := os.MkdirAll(tools, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"node", "maven"} {
		link := filepath.Join(tools, name)
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(filepath.Join(made, name), link); err != nil {
			return err
		}
	}
	return nil
}
