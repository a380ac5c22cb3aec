//go:build !linux

package buildkit

import "errors"

// daemon is never started on this system.
type daemon struct {
	socket string
	done   chan struct{}
	err    error
}

func ownSupported() error { return errors.New("buildkitd can be started on Linux only") }

func startDaemon(programs, string) (*daemon, error) { return nil, ownSupported() }

func (*daemon) stop() error  { return nil }
func (*daemon) kill()        {}
func (*daemon) said() string { return "" }
