package main

import (
	"path/filepath"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
)

func TestCacheDir(t *testing.T) {
	t.Setenv("HOME", "/home/somebody")
	work := t.TempDir()
	t.Chdir(work)
	for _, test := range []struct{ variable, config, xdg, want string }{
		{"/variable", "/config", "/xdg", "/variable"},
		{"relative", "/config", "/xdg", filepath.Join(work, "relative")},
		{"", "/config", "/xdg", "/config"},
		{"", "", "/xdg", "/xdg/layerbuild"},
		{"", "", "", "/home/somebody/.cache/layerbuild"},
	} {
		t.Setenv("LAYERBUILD_CACHE_DIR", test.variable)
		t.Setenv("XDG_CACHE_HOME", test.xdg)
		if got, err := cacheDir(&builder.Config{Cache: builder.CacheConfig{Folder: test.config}}); err != nil || got != test.want {
			t.Errorf("%+v: got %s, %v", test, got, err)
		}
	}
}

func TestBuilderAddress(t *testing.T) {
	for _, test := range []struct{ flag, variable, config, want, from string }{
		{"tcp://flag.example:1", "tcp://variable.example:1", "tcp://config.example:1", "tcp://flag.example:1", "--builder"},
		{"", "tcp://variable.example:1", "tcp://config.example:1", "tcp://variable.example:1", "BUILDKIT_HOST"},
		{"", "", "tcp://config.example:1", "tcp://config.example:1", "layerbuild.yaml"},
		{"", "", "", "", ""},
	} {
		t.Setenv("BUILDKIT_HOST", test.variable)
		config := &builder.Config{Builder: builder.BuilderConfig{Address: test.config}}
		got, from := (&selection{builder: test.flag}).builderAddress(config)
		if got != test.want || from != test.from {
			t.Errorf("%+v: got %s (%s)", test, got, from)
		}
	}
}
