// Package builder turns a configuration into layers.
//
// The flow goes one way: configuration → targets → recipes → keys → cache
// look-up, and for a miss: engine → tree → normalise → check → zip → verify →
// cache store; then delivery of the archive and its manifest into the output
// folder. A hit needs no engine, no network and no package manager.
//
// The terms recipe, target and tree are those of package runtimes. A key is
// the SHA-256 of everything that decides a layer's bytes, see doc/key.md.
package builder
