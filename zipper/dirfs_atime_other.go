//go:build unix && !linux

package zipper

const noAtime = 0
