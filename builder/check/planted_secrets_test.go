package check_test

import (
	"strings"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// The characters of tokens.
const (
	hexDigits = "0123456789abcdef"
	upper     = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	alnum     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// made gives n characters of an alphabet that look as if by chance, always the
// same ones. Tokens are put together when a test runs: one that stands in a file
// of this repository would be a finding of every scanner.
func made(alphabet string, n int) string {
	var b strings.Builder
	for x := uint32(n) + 7; b.Len() < n; {
		x = x*1664525 + 1013904223
		b.WriteByte(alphabet[int(x>>16)%len(alphabet)])
	}
	return b.String()
}

// privateKey is what looks like one, in lines of 64.
func privateKey(kind string) string {
	var b strings.Builder
	b.WriteString("-----" + "BEGIN " + kind + "PRIVATE " + "KEY-----\n")
	for i := range 6 {
		b.WriteString("MII" + made(alnum, 61-i) + "\n")
	}
	b.WriteString("-----" + "END " + kind + "PRIVATE " + "KEY-----\n")
	return b.String()
}

var (
	githubToken = "ghp" + "_" + made(alnum, 36)
	awsKey      = "AK" + "IA" + made(upper, 16)
	awsSecret   = made(alnum+"/+", 40)
	password    = made(alnum, 12)
)

func plantedInSecrets() []planted {
	var all []planted
	add := func(id, name, at, content string) {
		own := runtimes.Tree{at: runtimes.NewTreeFile([]byte(content), false)}
		all = append(all, planted{name, al2023, own, id, at})
	}
	source := func(token string) string { return "import os\n\nTOKEN = \"" + token + "\"\n" }
	for name, token := range map[string]string{
		"GitHub":             githubToken,
		"GitHub fine":        "github" + "_pat_" + made(alnum, 82),
		"GitLab":             "gl" + "pat-" + made(alnum, 20),
		"AWS":                awsKey,
		"npm":                "np" + "m_" + made(alnum, 36),
		"Python index":       "py" + "pi-AgEIcHlwaS5vcmc" + made(alnum, 80),
		"Slack":              "xo" + "xb-" + made("123456789", 12) + "-" + made("123456789", 11) + "-" + made(alnum, 24),
		"Stripe":             "sk" + "_live_" + made(alnum, 24),
		"OpenAI":             "sk" + "-" + made(alnum, 20) + "T3Blbk" + "FJ" + made(alnum, 20),
		"Anthropic":          "sk" + "-ant-api03-" + made(alnum, 93) + "AA",
		"Terraform":          made(alnum, 14) + ".atlas" + "v1." + made(alnum, 64),
		"DigitalOcean":       "do" + "p_v1_" + made(hexDigits, 64),
		"SendGrid":           "S" + "G." + made(alnum, 22) + "." + made(alnum, 43),
		"Hugging Face":       "h" + "f_" + made(alnum[36:], 34),
		"MaxMind (a suffix)": made(alnum, 6) + "_" + made(alnum, 29) + "_m" + "mk",
	} {
		add(check.SecretToken, name, "python/app/settings.py", source(token))
	}
	add(check.SecretToken, "AWS, the secret half", "python/app/config.toml", "[aws]\naws_secret_access_key = \""+awsSecret+"\"\n")
	add(check.SecretToken, "in a folded manifest", "java/lib/own.jar", string(jarOf("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nBuilt-With: "+githubToken[:20]+"\r\n "+githubToken[20:]+"\r\n\r\n")))
	add(check.SecretToken, "in a wheel", "python/own-1.0-py3-none-any.whl", string(jarOf("own.py", source(githubToken))))
	add(check.SecretKey, "PKCS 8", "python/app/server.pem", privateKey(""))
	add(check.SecretKey, "OpenSSH", "bin/id_ed25519", privateKey("OPENSSH "))
	add(check.SecretKey, "in JSON", "nodejs/account.json", `{"private_key": "`+strings.ReplaceAll(privateKey("RSA "), "\n", `\n`)+`"}`)
	url := "https://ci:" + password + "@packages.example/simple"
	add(check.SecretLogin, "direct_url.json", "python/m-1.0.dist-info/direct_url.json", `{"url": "`+url+`/m-1.0.zip", "archive_info": {}}`)
	add(check.SecretLogin, "_resolved", "nodejs/node_modules/m/package.json", `{"name": "m", "_resolved": "`+url+`/m.tgz"}`)
	add(check.SecretLogin, "a lock file", "python/app/uv.lock", "[[package]]\nsource = { registry = \""+url+"\" }\n")
	add(check.SecretLogin, "pip.conf", "python/pip.conf", "[global]\nindex-url = "+url+"\n")
	add(check.SecretLogin, "a token as the user", "python/app/requirements.txt", "m @ git+https://"+made(alnum, 30)+"@git.example/m\n")
	add(check.SecretLogin, ".npmrc", "nodejs/.npmrc", "//packages.example/:_authToken="+made(alnum, 30)+"\n")
	add(check.SecretLogin, ".netrc", "python/.netrc", "machine packages.example\nlogin ci\npassword "+password+"\n")
	add(check.SecretLogin, ".env", "python/app/.env", "STAGE=prod\nexport DB_PASSWORD='"+password+"'\n")
	add(check.SecretLogin, "settings.xml", "java/settings.xml", "<server><id>own</id><password>"+password+"</password></server>")
	add(check.SecretLogin, "docker", "bin/.docker/config.json", `{"auths": {"packages.example": {"auth": "`+made(alnum, 24)+`"}}}`)
	add(check.SecretLogin, "properties in a jar", "java/lib/own.jar", string(jarOf("application.properties", "stage=prod\nspring.datasource.password="+password+"7\n")))
	return all
}
