package maven

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java"
)

// TestExplain reads what Maven 3.8.7 and 3.9.14 printed.
func TestExplain(t *testing.T) {
	const where = "(https://repo.example/m2)"
	for name, test := range map[string]struct{ line, want string }{
		"a parent that is nowhere": {"[FATAL] Non-resolvable parent POM for t:noparent:1: Could not find artifact t:nope:pom:1 in central " + where + " and 'parent.relativePath' points at no local POM @ line 1, column 55",
			"app/pom.xml: its parent is neither in the project nor in a repository: t:nope:pom:1"},
		"another pom in the parent's place": {"[FATAL] Non-resolvable parent POM for t:noparent:1: Could not find artifact t:nope:pom:1 in central " + where + " and 'parent.relativePath' points at wrong local POM @ line 1, column 55",
			"app/pom.xml: its parent is neither in the project nor in a repository: t:nope:pom:1"},
		"a list of versions that is nowhere": {"[ERROR] Non-resolvable import POM: Could not find artifact t:bom:pom:1 in central " + where + " @ line 1, column 183",
			"app/pom.xml: the list of versions that it imports is neither in the project nor in a repository: t:bom:pom:1"},
		"a jar that is nowhere": {"[ERROR] Failed to execute goal on project missing: Could not resolve dependencies for project t:missing:jar:1: Could not find artifact org.slf4j:slf4j-nope:jar:2.0.7 in central " + where + " -> [Help 1]",
			"app/pom.xml: fetch https://repo.example/m2: the repository central does not have org.slf4j:slf4j-nope:jar:2.0.7"},
		"an empty range": {"[ERROR] Failed to execute goal on project x: Could not resolve dependencies for project t:x:jar:1: Failed to collect dependencies at org.slf4j:slf4j-api:jar:[9,10): No versions available for org.slf4j:slf4j-api:jar:[9,10) within specified range -> [Help 1]",
			"app/pom.xml: no version is within the range of org.slf4j:slf4j-api:jar:[9,10)"},
		"no version": {"[ERROR] 'dependencies.dependency.version' for org.slf4j:slf4j-api:jar is missing. @ line 3, column 3",
			"app/pom.xml: org.slf4j:slf4j-api:jar has no version"},
		"no login": {"[ERROR] … Could not transfer artifact x:lib:pom:1 from/to mine " + where + ": authentication failed for https://repo.example/m2/x/lib/1/lib-1.pom, status: 401 Unauthorized -> [Help 1]",
			"fetch x:lib:pom:1 from https://repo.example/m2: repo.example wants a user and a password (401 Unauthorized), and none is known for it"},
		"no login, Maven 3.9": {"[ERROR] … Could not transfer artifact x:lib:pom:1 from/to mine " + where + ": status code: 401, reason phrase: Unauthorized (401) -> [Help 1]",
			"fetch x:lib:pom:1 from https://repo.example/m2: repo.example wants a user and a password (401 Unauthorized), and none is known for it"},
		"forbidden": {"[ERROR] … Could not transfer metadata x:lib/maven-metadata.xml from/to mine " + where + ": status code: 403, reason phrase: Forbidden (403)",
			"fetch x:lib/maven-metadata.xml from https://repo.example/m2: repo.example forbids it (403 Forbidden), and no user and password are known for it"},
		"the proxy's login": {"[ERROR] … Could not transfer artifact x:lib:pom:1 from/to mine " + where + ": status code: 407, reason phrase: Proxy Authentication Required (407)",
			"the proxy wants a user and a password (407 Proxy Authentication Required), and none is known for it"},
		"not trusted": {"[ERROR] … Could not transfer artifact x:lib:pom:1 from/to mine " + where + ": PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target",
			"the certificate of repo.example is not trusted: x509: certificate signed by unknown authority"},
		"no connection": {"[ERROR] … Could not transfer artifact x:lib:pom:1 from/to mine " + where + ": Connect to repo.example:443 failed: Connection refused -> [Help 1]",
			"fetch x:lib:pom:1 from https://repo.example/m2: Connect to repo.example:443 failed: Connection refused"},
		"http": {"[ERROR] … Could not transfer artifact x:lib:pom:1 from/to maven-default-http-blocker (http://0.0.0.0/): Blocked mirror for repositories: [mine (http://repo.example/, default, releases+snapshots)]",
			"app/pom.xml: Maven asks no repository by http: mine (http://repo.example/, default, releases+snapshots)"},
		"anything else": {"[INFO] Scanning for projects...\n[ERROR] Something broke -> [Help 1]\n[ERROR] \n[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.\n[ERROR] [Help 1] http://help.example",
			"app/pom.xml: cannot be resolved: Something broke"},
	} {
		r := run{job: java.Job{Module: "app/pom.xml"}}
		lines := strings.Split("[INFO] Scanning for projects...\n"+test.line, "\n")
		for _, err := range []error{&runtimes.InstallError{Lines: lines, Err: errors.New("exit code: 1")}, &failure{lines, errors.New("exit status 1")}} {
			got := r.explain(err)
			if got.Error() != test.want {
				t.Errorf("%s: %v\nwant %s", name, got, test.want)
			}
			if input := (*runtimes.InputError)(nil); errors.As(got, &input) && input.Hint == "" {
				t.Errorf("%s: without a hint", name)
			}
			if errors.As(got, new(x509.UnknownAuthorityError)) != (name == "not trusted") {
				t.Errorf("%s: %T", name, got)
			}
		}
	}
	other := errors.New("the disk is full")
	if got := (run{}).explain(other); got != other {
		t.Errorf("another error: %v", got)
	}
}
