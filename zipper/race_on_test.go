//go:build race

package zipper

const raceEnabled = true
