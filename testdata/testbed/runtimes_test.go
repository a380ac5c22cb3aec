package main

import (
	"os"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
)

const ecr = "public.ecr.aws/"

// shell runs a script in an image, with Lambda's environment of it and the
// machine's CA bundle at /run/ca.pem.
func shell(t *testing.T, image string, a arch, script string) string {
	t.Helper()
	data, err := os.ReadFile(getenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
	if err != nil {
		t.Fatal(err)
	}
	opt := client.SolveOpt{Session: []session.Attachable{secretsprovider.FromMap(map[string][]byte{"ca": data})}}
	ro := []llb.RunOption{
		llb.AddSecret("/run/ca.pem", llb.SecretID("ca"), llb.SecretFileOpt(0, 0, 0o444)),
		llb.Args([]string{"/bin/sh", "-euc", script}),
	}
	for _, e := range lambdaEnv {
		name, value, _ := strings.Cut(e, "=")
		ro = append(ro, llb.AddEnv(name, value))
	}
	return runStep(t, image, a, opt, ro...)
}

func TestNodeRuns(t *testing.T) {
	tests := []struct {
		image     string
		node, npm string
		native    bool
	}{
		{"lambda/nodejs:22", node22[0].Version, node22[2].Version, false},
		{"lambda/nodejs:24", node24[0].Version, node24[2].Version, true},
		{"sam/build-nodejs22.x:latest-" + native().lambda, node22[0].Version, node22[2].Version, true},
	}
	cpu := map[string]string{"amd64": "x64", "arm64": "arm64"}
	for _, tt := range tests {
		for _, a := range archs {
			if tt.native && a.foreign() {
				continue
			}
			t.Run(tt.image+"/"+a.oci, func(t *testing.T) {
				out := shell(t, ecr+tt.image, a, `
					/var/lang/bin/node -p '[process.version, process.arch, require.resolve.paths("x").length > 0].join(" ")'
					npm --version
					test -f /var/lang/include/node/node.h
					id -un`)
				if want := "v" + tt.node + " " + cpu[a.oci] + " true\n" + tt.npm + "\nroot\n"; out != want {
					t.Errorf("printed %q, want %q", out, want)
				}
			})
		}
	}
}

// In the image for building, npm compiles an addon with the headers that are
// there: it fetches none.
func TestAddonCompiles(t *testing.T) {
	out := shell(t, ecr+"sam/build-nodejs22.x:latest-"+native().lambda, native(), `
		mkdir /tmp/addon && cd /tmp/addon
		cat >package.json <<'END'
{"name": "probe", "version": "1.0.0", "gypfile": true}
END
		cat >binding.gyp <<'END'
{"targets": [{"target_name": "probe", "sources": ["probe.cc"]}]}
END
		cat >probe.cc <<'END'
#include <node.h>
void init(v8::Local<v8::Object> exports) { NODE_SET_METHOD(exports, "f", [](const v8::FunctionCallbackInfo<v8::Value>& a) { a.GetReturnValue().Set(42); }); }
NODE_MODULE(probe, init)
END
		npm_config_nodedir=/var/lang npm install --offline >npm.txt 2>&1 || { cat npm.txt; exit 1; }
		node -p 'require("./build/Release/probe").f()'
		git --version >git.txt`)
	if out != "42\n" {
		t.Errorf("printed %q, want 42", out)
	}
}

// A step reaches npm's registry.
func TestNPMDownloads(t *testing.T) {
	out := shell(t, ecr+"lambda/nodejs:22", native(), `
		mkdir /tmp/project && cd /tmp/project
		NODE_EXTRA_CA_CERTS=/run/ca.pem npm install --no-audit --no-fund --no-update-notifier ms@2.1.3 >npm.txt 2>&1 || { cat npm.txt; exit 1; }
		node -p 'require("ms")("1m")'`)
	if out != "60000\n" {
		t.Errorf("printed %q, want 60000", out)
	}
}

// The images of the runtime trust the public authorities and have no compiler;
// those for building compile, and have Maven.
func TestJavaRuns(t *testing.T) {
	for _, version := range []string{"17", "21"} {
		t.Run(version, func(t *testing.T) {
			const show = `/var/lang/bin/java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java\.\(home\|specification\.version\) = //p'`
			out := shell(t, ecr+"lambda/java:"+version, native(), show+`
				keytool -list -cacerts -storepass changeit 2>/dev/null | grep -q trustedCertEntry
				test ! -e /var/lang/bin/javac && test ! -e /usr/local/maven`)
			if !strings.HasPrefix(out, "/usr/lib/jvm/") || !strings.HasSuffix(out, "\n"+version+"\n") {
				t.Errorf("printed %q, want a home below /usr/lib/jvm and %s", out, version)
			}
			out = shell(t, ecr+"sam/build-java"+version+":latest-"+native().lambda, native(), `
				cd /tmp
				echo 'public class Probe { public static void main(String[] a) { System.out.println(Runtime.version().feature()); } }' >Probe.java
				export JAVA_HOME=/var/lang
				javac Probe.java && java Probe
				/usr/local/maven/apache-maven-*/bin/mvn -v | sed -n 's/^.*Apache Maven \([0-9.]*\).*/\1/p'`)
			if want := version + "\n" + mavenVersion + "\n"; out != want {
				t.Errorf("printed %q, want %q", out, want)
			}
		})
	}
}
