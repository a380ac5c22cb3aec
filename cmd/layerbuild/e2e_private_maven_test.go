//go:build e2e

package main

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/layerbuild/layerbuild/testdata/webserver"
)

// privateMaven is a project with a layer of a pom and one of a Gradle lock,
// which need a jar of a repository that wants a password.
type privateMaven struct {
	*private
	password string
}

func newPrivateMaven(t *testing.T) *privateMaven {
	t.Helper()
	setting(t, "BUILDKIT_HOST")
	password := rand.Text()
	server, err := webserver.StartPrivate(t.TempDir(), password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	p := &privateMaven{newPrivate(t, "com.acme:greet", server.URL, webserver.User, password), password}
	version := fmt.Sprintf("1.0.%d", p.began.Unix()) // what a daemon keeps has others
	base := filepath.Join(server.Folder, "com/acme/greet", version, "greet-"+version)
	var jar bytes.Buffer
	z := zip.NewWriter(&jar)
	w, err := z.Create("greet.properties")
	if err == nil {
		_, err = w.Write([]byte(version))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	put(t, base+".jar", jar.String())
	const pom = "<project><modelVersion>4.0.0</modelVersion><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version>%s</project>"
	put(t, base+".pom", fmt.Sprintf(pom, "com.acme", "greet", version, ""))
	put(t, filepath.Join(p.dir, "app/pom.xml"), fmt.Sprintf(pom, "com.acme", "app", "1",
		"<repositories><repository><id>acme</id><url>"+server.URL+"</url></repository></repositories>"+
			"<dependencies><dependency><groupId>com.acme</groupId><artifactId>greet</artifactId><version>"+version+"</version></dependency></dependencies>"))
	put(t, filepath.Join(p.dir, "locked/gradle.lockfile"), "com.acme:greet:"+version+"=runtimeClasspath\nempty=\n")
	put(t, filepath.Join(p.dir, "layerbuild.yaml"), "defaults: {runtime: java21, architectures: [x86_64]}\nlayers:\n  app: {path: app}\n  locked: {path: locked}\n")
	return p
}

// settings gives a machine a settings.xml. Its server is that of the pom's
// repository, or of one of the same address in an active profile.
func (p *privateMaven) settings(r *runner, server string) {
	put(p.t, filepath.Join(r.data, ".m2/settings.xml"), "<settings><servers>"+server+"</servers>"+
		"<profiles><profile><id>acme</id><repositories><repository><id>acme</id><url>"+p.url+"</url></repository></repositories></profile></profiles>"+
		"<activeProfiles><activeProfile>acme</activeProfile></activeProfiles></settings>")
	r.env = append(r.env, "HOME="+r.data)
}

// TestPrivateMaven resolves and builds in both engines, and by this machine's
// Maven, with the right login, and without one and with a wrong one.
func TestPrivateMaven(t *testing.T) {
	p := newPrivateMaven(t)
	server := func(password string) string {
		return "<server><id>acme</id><username>" + webserver.User + "</username><password>" + password + "</password></server>"
	}
	wrong := []string{"refuses the user or password (401 Unauthorized) that server acme in ", "settings.xml has for it", "hint: the password may be wrong"}
	machine := func(login string) *runner {
		r := p.machine(p.dir)
		p.settings(r, login)
		r.env = append(r.env, "ACME_PASSWORD="+p.password)
		return r
	}
	fails := func(login string, says []string, args ...string) {
		t.Helper()
		p.fails(machine(login), says, args...)
	}
	right := server("${env.ACME_PASSWORD}")

	// A Gradle lock needs no Maven.
	fails("", []string{"wants a user and a password (401 Unauthorized), and none is known for it", "under servers in ~/.m2/settings.xml"}, "locked", "--engine", "direct")
	fails(server("${env.ACME_OTHER}"), []string{"wants a login (401 Unauthorized), and server acme in ",
		"settings.xml has one with the variable ACME_OTHER, which is not set", "hint: set the variable ACME_OTHER"}, "locked", "--engine", "direct")
	fails(server("guess"), wrong, "locked", "--engine", "direct")

	// Resolving in a container, and copying there.
	fails(server("guess"), wrong, "app", "--engine", "buildkit")
	r := machine(right)
	want := p.builds(r, "app", "--engine", "buildkit")["app.zip"]
	p.searched(r)
	fails(server("guess"), wrong, "app", "--engine", "buildkit", "--no-cache")

	r = machine(right)
	got := p.builds(r, "app", "locked", "--engine", "direct")
	p.searched(r)
	if !bytes.Equal(got["app.zip"], want) || !bytes.Equal(got["locked.zip"], want) {
		t.Error("the engines differ")
	}

	// This machine's Maven says the same.
	lock := r.read("layerbuild.lock")
	if err := os.Remove(filepath.Join(p.dir, "layerbuild.lock")); err != nil {
		t.Fatal(err)
	}
	r = machine(right)
	r.env = append(r.env, "BUILDKIT_HOST=tcp://127.0.0.1:1")
	r.run(0, "lock")
	p.searched(r)
	if got := r.read("layerbuild.lock"); got != lockedImages.ReplaceAllString(lock, "") {
		t.Errorf("the machine's Maven gives\n%s\nand the image's\n%s", got, lock)
	}
}
