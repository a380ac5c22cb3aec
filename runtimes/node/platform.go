package node

import (
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/node/ranges"
)

// targetCPU is an architecture in Node.js's words.
func targetCPU(arch runtimes.Arch) string {
	if arch == runtimes.ARM64 {
		return "arm64"
	}
	return "x64"
}

// The operating system and C library of Lambda, in npm's words.
const (
	targetOS   = "linux"
	targetLibc = "glibc"
)

// fitsPlatform tells whether what a package's package.json says of its platform
// admits the target, as npm, pnpm, yarn and bun read it.
func fitsPlatform(p *runtimes.Platform, t runtimes.Target) bool {
	return p == nil || admitsWord(p.OS, targetOS) && admitsWord(p.CPU, targetCPU(t.Arch)) && admitsWord(p.Libc, targetLibc)
}

// admitsWord tells whether a list of os, cpu or libc admits a word: "!word"
// forbids it, any other entry admits only what it names.
func admitsWord(list []string, word string) bool {
	if len(list) == 1 && list[0] == "any" {
		return true
	}
	negated, named := 0, false
	for _, entry := range list {
		if other, not := strings.CutPrefix(entry, "!"); not {
			if other == word {
				return false
			}
			negated++
		} else if entry == word {
			named = true
		}
	}
	return named || negated == len(list)
}

// fitsNode tells whether an engines.node admits the target's Node.js.
func fitsNode(engines string, t runtimes.Target) bool {
	return engines == "" || t.Runtime.Version == "" || ranges.Admits(engines, t.Runtime.Version)
}

// platformWords says for people where a package runs: "darwin arm64".
func platformWords(p *runtimes.Platform) string {
	var words []string
	for _, list := range [][]string{p.OS, p.CPU, p.Libc} {
		if len(list) > 0 {
			words = append(words, strings.Join(list, " or "))
		}
	}
	return strings.Join(words, ", ")
}
