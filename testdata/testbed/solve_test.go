package main

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// pythons are the versions that have images.
var pythons = []string{"3.11", "3.13"}

func pythonImage(version string) string { return "public.ecr.aws/lambda/python:" + version }

func buildImage(version string) string {
	return "public.ecr.aws/sam/build-python" + version + ":latest-" + native().lambda
}

func native() arch {
	for _, a := range archs {
		if !a.foreign() {
			return a
		}
	}
	panic("the machine has neither of Lambda's architectures")
}

// variable returns what env prints; these tests are about a running testbed.
func variable(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf(`%s is not set: run go -C testdata/testbed run . up, then eval "$(go -C testdata/testbed run . env)"`, name)
	}
	return v
}

// A watchdog, not a measure: a cold start under qemu takes seconds.
func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(patience(t), variable(t, "BUILDKIT_HOST"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// runStep runs a command in an image, never from the cache, and returns what
// it printed.
func runStep(t *testing.T, image string, a arch, opt client.SolveOpt, ro ...llb.RunOption) string {
	t.Helper()
	c := dial(t)
	ctx := patience(t)
	platform := ocispecs.Platform{OS: "linux", Architecture: a.oci}
	ro = append(ro, llb.IgnoreCache)
	def, err := llb.Image(image).Run(ro...).Root().Marshal(ctx, llb.Platform(platform))
	if err != nil {
		t.Fatal(err)
	}
	status := make(chan *client.SolveStatus)
	printed := make(chan string)
	go func() {
		var out bytes.Buffer
		for s := range status {
			for _, l := range s.Logs {
				out.Write(l.Data)
			}
		}
		printed <- out.String()
	}()
	_, err = c.Solve(ctx, def, opt, status)
	out := <-printed
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

func TestPythonRuns(t *testing.T) {
	want := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}
	for _, version := range pythons {
		for _, a := range archs {
			t.Run(version+"/"+a.oci, func(t *testing.T) {
				out := runStep(t, pythonImage(version), a, client.SolveOpt{}, llb.Args([]string{"/var/lang/bin/python" + version, "-c",
					"import ssl, sys, platform; print(platform.machine(), sys.prefix, '%d.%d' % sys.version_info[:2])"}))
				if w := want[a.oci] + " /var/lang " + version + "\n"; out != w {
					t.Errorf("printed %q, want %q", out, w)
				}
			})
		}
	}
}

// In the images for building, an extension module is compiled and imported. It
// calls libffi, the one library beyond libc that wheels are often built with.
func TestExtensionCompiles(t *testing.T) {
	for _, version := range pythons {
		t.Run(version, func(t *testing.T) {
			out := runStep(t, buildImage(version), native(), client.SolveOpt{}, llb.Args([]string{"/bin/sh", "-euc", `
				cd /tmp
				cat >probe.c <<'END'
#include <Python.h>
#include <ffi.h>
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "probe", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_probe(void) {
	ffi_cif cif;
	PyObject *m = PyModule_Create(&def);
	PyModule_AddIntConstant(m, "status", ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 0, &ffi_type_void, NULL));
	return m;
}
END
				python=/var/lang/bin/python` + version + `
				gcc -shared -fPIC $($python -c 'import sysconfig; print("-I" + sysconfig.get_path("include"))') \
					-o probe$($python -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))') probe.c -lffi
				$python -c 'import probe; print(probe.__name__, probe.status)'
				make --version >make.txt && git --version >git.txt && g++ --version >cc.txt`}))
			if out != "probe 0\n" {
				t.Errorf("printed %q, want probe 0", out)
			}
		})
	}
}

// A layer's packages are found where Lambda's runtime looks for them.
func TestLayerPath(t *testing.T) {
	out := runStep(t, pythonImage("3.11"), archs[0], client.SolveOpt{},
		llb.AddEnv("PYTHONPATH", "/opt/python/lib/python3.11/site-packages:/opt/python"),
		llb.Args([]string{"/bin/sh", "-euc", `
			mkdir -p /opt/python/lib/python3.11/site-packages
			echo 'where = "first"' >/opt/python/lib/python3.11/site-packages/probe.py
			echo 'where = "second"' >/opt/python/probe.py
			/var/lang/bin/python3.11 -c 'import probe; print(probe.where)'`}))
	if out != "first\n" {
		t.Errorf("printed %q, want first", out)
	}
}

// A step reaches the package index, by the machine's CA bundle where the
// machine needs one.
func TestPipDownloads(t *testing.T) {
	bundle := getenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
	data, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	opt := client.SolveOpt{Session: []session.Attachable{secretsprovider.FromMap(map[string][]byte{"ca": data})}}
	out := runStep(t, pythonImage("3.11"), archs[0], opt,
		llb.AddSecret("/run/ca.pem", llb.SecretID("ca"), llb.SecretFileOpt(0, 0, 0o444)),
		llb.AddEnv("PIP_CERT", "/run/ca.pem"),
		llb.Args([]string{"/var/lang/bin/python3.11", "-m", "pip", "download", "--no-cache-dir", "--no-deps", "--dest", "/tmp/wheels", "six==1.17.0"}))
	if !strings.Contains(out, "six-1.17.0") {
		t.Errorf("pip printed %q", out)
	}
}

func TestTLS(t *testing.T) {
	addr := variable(t, "LAYERBUILD_TEST_BUILDKIT_TLS_ADDR")
	dir := variable(t, "LAYERBUILD_TEST_BUILDKIT_TLS_DIR")
	u, err := url.Parse(addr)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(opts ...client.ClientOpt) error {
		ctx := patience(t)
		c, err := client.New(ctx, addr, opts...)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.ListWorkers(ctx)
		return err
	}
	server := client.WithServerConfig(u.Hostname(), filepath.Join(dir, "ca.pem"))
	own := client.WithCredentials(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err := ask(server, own); err != nil {
		t.Errorf("with certificate: %v", err)
	}
	if err := ask(server); err == nil {
		t.Error("without certificate: answered, want a refusal")
	}
}
