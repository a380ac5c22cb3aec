package check_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// found are the findings on secrets in a tree.
func found(t runtimes.Tree) []check.Finding {
	return slices.DeleteFunc(check.Gather(t, limit).Found, func(f check.Finding) bool { return !strings.HasPrefix(f.ID, "secret-") })
}

// TestNoSecret: what stands for a secret is none.
func TestNoSecret(t *testing.T) {
	for _, f := range []struct{ at, content string }{
		{"python/app/aws.py", "KEY = 'AKIAIOSFODNN7EXAMPLE'\naws_secret_access_key = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'\n"},
		{"python/app/a.py", "TOKEN = 'ghp" + "_" + strings.Repeat("x", 36) + "'\n"},
		{"python/app/b.py", "TOKEN = 'ghp" + "_abcdefghijklmnopqrstuvwxyz0123456789'\n"},
		{"python/app/sum.py", "secret_access_key = '" + made(hexDigits, 40) + "'\n"},
		{"python/app/pem.py", "BEGIN = '-----BEGIN " + "PRIVATE KEY-----'\n\ndef wrap(body):\n    return BEGIN + '\\n' + body + '\\n' + END\n\nEND = '-----END " + "PRIVATE KEY-----'\n"},
		{"python/app/cert.pem", strings.ReplaceAll(privateKey(""), "PRIVATE "+"KEY", "CERTIFICATE")},
		{"python/app/public.pem", strings.ReplaceAll(privateKey(""), "PRIVATE", "PUBLIC")},
		{"nodejs/.npmrc", "//packages.example/:_authToken=${NPM_TOKEN}\n_password=\"${PASSWORD}\"\nalways-auth=true\n"},
		{"python/pip.conf", "index-url = https://${USER}:${PASSWORD}@packages.example/simple\n# https://user:password@packages.example\n"},
		{"python/uv.lock", "source = { git = \"ssh://git@git.example/own/m\" }\nurl = \"https://packages.example:8443/m-1.0.whl?a=b@c\"\n"},
		{"python/README.md", "postgres://user:" + password + "@localhost/\n"},
		{"python/.netrc", "machine packages.example login ci password <token>\n"},
		{"python/.env", "TOKEN=\nSECRET=changeme\nAPI_KEY=your-api-key-here\nDB_PASSWORD=${DB_PASSWORD}\nSECRET=arn:aws:secretsmanager:eu-west-1:1:secret:a9\nTOKEN_URL=https://login.example/a1b2c3\n"},
		{"python/.env.example", "DB_PASSWORD=" + password + "\n"},
		{"java/lib/texts.properties", "label.password=Kennwortänderung\nerror.token=The token 12345678 is not valid\n"},
		{"java/settings.xml", "<password>${env.TOKEN}</password><password>{COQLCE6DU6GtcS5P=}</password>"},
		{"nodejs/package.json", `{"repository": "git+ssh://git@git.example/own/m.git", "author": "A <a@b.example>"}`},
		{"python/data.txt", "\x00" + githubToken},
	} {
		if got := found(runtimes.Tree{f.at: runtimes.NewTreeFile([]byte(f.content), false)}); len(got) > 0 {
			t.Errorf("%s: %q is found: %v", f.at, f.content, got)
		}
	}
}

// TestSecretNotShown: what is stored and said of a secret is where it is, what
// it is, and its first characters where it is long.
func TestSecretNotShown(t *testing.T) {
	content := "# settings\n\nA = '" + githubToken + "'\nB = '" + awsKey + "'\n"
	facts := check.Gather(runtimes.Tree{
		"python/app/a.py": runtimes.NewTreeFile([]byte(content), false),
		"python/.netrc":   runtimes.NewTreeFile([]byte("machine a.example\n  login ci\n  password "+password+"\n"), false),
	}, limit)
	data, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	_, judged := facts.Judge([]check.Target{al2023}, nil)
	text := string(data) + judged.Error()
	for _, s := range []string{githubToken, awsKey} {
		if strings.Contains(text, s[:5]) || !strings.Contains(text, s[:4]+"…") {
			t.Errorf("more than the first 4 characters of %s, or less: %s", s, text)
		}
	}
	if strings.Contains(text, password[:2]) {
		t.Errorf("the password is shown: %s", text)
	}
	for _, want := range []string{"line 3 (github-pat, ", "line 4 (aws-access-token, ", "python/.netrc holds a secret in line 3 (netrc-password)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

// TestSecretPublished: what a package from a registry holds is nobody's secret,
// and RECORD tells in a foreign zip file what was changed since.
func TestSecretPublished(t *testing.T) {
	secret := runtimes.NewTreeFile([]byte("TOKEN = '"+githubToken+"'\n"), false)
	published := secret
	published.Published = true
	if got := found(runtimes.Tree{"python/a.py": published}); len(got) > 0 {
		t.Errorf("%v", got)
	}
	const record = "python/m-1.0.dist-info/RECORD"
	sum := func(f runtimes.TreeFile) string { return base64.RawURLEncoding.EncodeToString(f.SHA256[:]) }
	foreign := func(recorded runtimes.TreeFile, others ...string) runtimes.Tree {
		tree := runtimes.Tree{"python/m.py": secret, record: runtimes.NewTreeFile([]byte("m.py,sha256="+sum(recorded)+",0\n"), false)}
		for _, name := range others {
			tree[name] = runtimes.NewTreeFile([]byte("{}"), false)
		}
		return tree
	}
	changed := runtimes.NewTreeFile([]byte("TOKEN = None\n"), false)
	for _, c := range []struct {
		name string
		tree runtimes.Tree
		want int
	}{
		{"as RECORD says", foreign(secret), 0},
		{"changed since", foreign(changed), 1},
		{"of no index", foreign(secret, "python/m-1.0.dist-info/direct_url.json"), 1},
		{"of an npm package", runtimes.Tree{"nodejs/node_modules/m/a.js": secret}, 0},
		{"in its .npmrc", runtimes.Tree{"nodejs/node_modules/m/.npmrc": secret}, 1},
		{"beside the packages", runtimes.Tree{"nodejs/a.js": secret}, 1},
	} {
		facts := check.GatherZip(check.Zip{Tree: c.tree}, limit)
		got := slices.DeleteFunc(facts.Found, func(f check.Finding) bool { return f.ID != check.SecretToken })
		if len(got) != c.want {
			t.Errorf("%s: %v, want %d", c.name, got, c.want)
		}
	}
}

// TestSecretKeywords: no token is beyond the reach of its keyword, wherever in a
// text it stands, and many are not many findings.
func TestSecretKeywords(t *testing.T) {
	for _, p := range plantedInSecrets() {
		if p.id != check.SecretToken || strings.HasSuffix(p.path, ".jar") || strings.HasSuffix(p.path, ".whl") {
			continue
		}
		data, err := p.tree[p.path].ReadAll(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		filler := strings.Repeat("ghp xox AKIA -----BEGIN a = 1\n", 5000)
		text := filler + string(data) + filler
		if got := found(runtimes.Tree{p.path: runtimes.NewTreeFile([]byte(text), false)}); len(got) != 1 {
			t.Errorf("%s: %v", p.name, got)
		}
	}
	many := strings.Repeat("'"+githubToken+"'\n", 1000)
	if got := found(runtimes.Tree{"python/a.py": runtimes.NewTreeFile([]byte(many), false)}); len(got) != 20 {
		t.Errorf("%d findings", len(got))
	}
}

// TestSecretExamples: the examples, searched as own files, hold none.
func TestSecretExamples(t *testing.T) {
	const folder = "../../testdata/examples"
	tree := make(runtimes.Tree)
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(folder + "/" + name)
		tree[name] = runtimes.NewTreeFile(data, false)
		return err
	})
	if err != nil || len(tree) == 0 {
		t.Fatal(len(tree), err)
	}
	if got := found(tree); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

// FuzzSecrets: whatever a file holds, and whatever its name, what is found is a
// known check's, and at most 4 characters of it are told.
func FuzzSecrets(f *testing.F) {
	for _, p := range plantedInSecrets() {
		data, err := p.tree[p.path].ReadAll(1 << 20)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.path, data)
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		lines := strings.Count(string(data), "\n") + 1
		got := found(runtimes.Tree{name: runtimes.NewTreeFile(data, false)})
		for _, one := range got {
			var line int
			if _, err := fmt.Sscanf(one.Problem, "holds a secret in line %d", &line); err != nil || !strings.Contains(one.Problem, " of ") && line > lines || line < 1 {
				t.Errorf("%q: no line of %d", one.Problem, lines)
			}
			_, begins, _ := strings.Cut(one.Problem, ", ")
			begins, _, _ = strings.Cut(begins, "…")
			if _, ok := check.RuleOf(one.ID); !ok || len(begins) > 4 || one.Path != name {
				t.Errorf("%+v", one)
			}
		}
		if len(got) > 21 {
			t.Errorf("%d findings", len(got))
		}
	})
}
