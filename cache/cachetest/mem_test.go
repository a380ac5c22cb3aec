package cachetest

import (
	"testing"

	"github.com/layerbuild/layerbuild/cache"
)

func TestMem(t *testing.T) {
	TestBackend(t, func(t *testing.T) cache.Backend { return new(Mem) })
}
