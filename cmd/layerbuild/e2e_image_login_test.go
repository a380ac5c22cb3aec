//go:build e2e

package main

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImageLogin: an image of a registry that wants a login is had with Docker's,
// and without it, or with a wrong one, people are told how to log in.
func TestImageLogin(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: setting(t, "LAYERBUILD_TEST_REGISTRY")})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); user != "me" || password != "right" {
			w.Header().Set("WWW-Authenticate", `Basic realm="images"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		behind.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")

	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	docker := t.TempDir()
	for _, dir := range []string{filepath.Join(r.data, "tmp"), filepath.Join(r.dir, "svc")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("DOCKER_CONFIG", docker)
	r.write("svc/file", "x")
	r.write("layerbuild.yaml", "layers:\n  svc: {path: svc, plain: true, runtime: python3.11, architectures: [x86_64], image: \""+host+
		"/lambda/python:3.11\", copy: {/etc/hostname: etc/}}\n")
	login := func(password string) {
		auth := base64.StdEncoding.EncodeToString([]byte("me:" + password))
		if err := os.WriteFile(filepath.Join(docker, "config.json"), []byte(`{"auths": {"`+host+`": {"auth": "`+auth+`"}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(want string) {
		t.Helper()
		_, stderr := r.run(1, "lock")
		for _, text := range []string{want, "hint: logins of image registries are Docker's: run docker login " + host} {
			if !strings.Contains(stderr, text) {
				t.Errorf("not said: %s\n%s", text, stderr)
			}
		}
	}
	fails(host + " wants a user and a password (401 Unauthorized), and none is known for it")
	diagnosed := func(code int, texts ...string) {
		t.Helper()
		stdout, _ := r.run(code, "doctor")
		for _, text := range texts {
			if !strings.Contains(stdout, text) {
				t.Errorf("doctor does not say %s:\n%s", text, stdout)
			}
		}
		if strings.Contains(stdout, "me:right") {
			t.Errorf("doctor shows a password:\n%s", stdout)
		}
	}
	diagnosed(1, "fail  image registry  "+host+" wants a user and a password (401 Unauthorized), and none is known for it",
		"fix: logins of image registries are Docker's: run docker login "+host)
	login("wrong")
	diagnosed(1, "fail  image registry  "+host+" refuses the user or password (401 Unauthorized)", "fix: logins of image registries are Docker's")
	fails(host + " refuses the user or password (401 Unauthorized) that " + filepath.Join(docker, "config.json") + " has for it")
	login("right")
	diagnosed(0, "ok    image registry  "+host+" answers (", " ms) and takes the login of "+filepath.Join(docker, "config.json"))
	r.run(0, "lock")
	if lock := r.read("layerbuild.lock"); !strings.Contains(lock, host+"/lambda/python:3.11") {
		t.Errorf("the image is not locked:\n%s", lock)
	}

	// What no registry has, and a registry that is not there.
	config := r.read("layerbuild.yaml")
	r.write("layerbuild.yaml", strings.Replace(config, "python:3.11", "python:0.1", 1))
	diagnosed(1, "fail  image registry  "+host+": "+host+"/lambda/python:0.1: the registry has no such image", "fix: check the image's name and tag")
	r.write("layerbuild.yaml", strings.Replace(config, host, "127.0.0.1:1", 1))
	diagnosed(1, "fail  image registry  127.0.0.1:1 does not answer BuildKit: ", "fix: see whether the name is right")
}
