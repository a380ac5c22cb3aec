package settings

import (
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func read(t *testing.T, text string) (Settings, error) {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".m2"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".m2", "settings.xml"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return Read(home, func(name string) (string, bool) {
		value, ok := map[string]string{"MIRROR": "m.example", "PASSWORD": "hush"}[name]
		return value, ok
	})
}

func mirror(of, url, more string) string {
	return "<mirror><id>m</id><mirrorOf>" + of + "</mirrorOf><url>" + url + "</url>" + more + "</mirror>"
}

func TestIndexes(t *testing.T) {
	for text, want := range map[string]string{
		"": "",
		mirror("*", "https://${env.MIRROR}/a/", ""):                                         "https://m.example/a",
		mirror("external:*", "http://m.example/a", ""):                                      "http://m.example/a",
		mirror("central", "https://m.example", ""):                                          "https://m.example,",
		mirror(" central , other ", "https://m.example", ""):                                "https://m.example,",
		mirror("*,!inner", "https://m.example", ""):                                         "https://m.example,",
		mirror("*,!central", "https://m.example", ""):                                       "",
		mirror("other", "https://m.example", ""):                                            "",
		mirror("*", "http://0.0.0.0", "<blocked>true</blocked>"):                            "",
		mirror("*", "https://all.example", "") + mirror("central", "https://m.example", ""): "https://m.example,",
	} {
		s, err := read(t, `<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0"><mirrors>`+text+"</mirrors></settings>")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := strings.Join(s.Indexes(), ","); got != want {
			t.Errorf("%s gives %q, want %q", text, got, want)
		}
	}
	if s, err := Read(t.TempDir(), os.LookupEnv); err != nil || s.Indexes() != nil || s.HasServers() {
		t.Errorf("without a file: %v, %v", s, err)
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"<settings>\n<mirrors>": "settings.xml:2: is no settings.xml of Maven that can be read",
		"<project/>":            "settings.xml: is no settings.xml of Maven that can be read",
		"<settings><mirrors>" + mirror("*", "file:///srv/m2", "") + "</mirrors></settings>":          `the address of mirror "m" is neither https nor http`,
		"<settings><mirrors>" + mirror("*", "https://me:pw@m.example", "") + "</mirrors></settings>": `the address of mirror "m" holds a user or password`,
		"<settings>" + strings.Repeat(" ", maxSize) + "</settings>":                                  "has more than 1048576 bytes",
	} {
		_, err := read(t, text)
		var input *runtimes.InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw@") {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func TestProfiles(t *testing.T) {
	repository := func(id, url string) string {
		return "<repository><id>" + id + "</id><url>" + url + "</url><snapshots><enabled>false</enabled></snapshots></repository>"
	}
	profile := func(id, more, repositories string) string {
		return "<profile><id>" + id + "</id>" + more + "<repositories>" + repositories + "</repositories></profile>"
	}
	const byDefault = "<activation><activeByDefault>true</activeByDefault></activation>"
	for _, test := range []struct{ mirrors, profiles, active, want string }{
		{"", profile("a", "", repository("acme", "https://a.example/m2/")), "", ""},
		{"", profile("a", "", repository("acme", "https://${env.MIRROR}/m2/")), "a", ",https://m.example/m2"},
		{"", profile("a", byDefault, repository("acme", "https://a.example")), "", ",https://a.example"},
		{"", profile("a", byDefault, repository("acme", "https://a.example")) + profile("b", "", repository("b", "https://b.example")), "b", ",https://b.example"},
		{"", profile("a", byDefault, repository("central", "https://c.example")+repository("acme", "https://a.example")), "", "https://c.example,,https://a.example"},
		{mirror("central", "https://m.example", ""), profile("a", "", repository("acme", "https://a.example")), "a", "https://m.example,,https://a.example"},
		{mirror("*", "https://m.example", ""), profile("a", "", repository("acme", "https://a.example")), "a", "https://m.example"},
	} {
		s, err := read(t, "<settings><mirrors>"+test.mirrors+"</mirrors><profiles>"+test.profiles+"</profiles><activeProfiles><activeProfile>"+test.active+"</activeProfile></activeProfiles></settings>")
		if got := strings.Join(s.Indexes(), ","); err != nil || got != test.want {
			t.Errorf("%+v: %q, %v", test, got, err)
		}
	}
}

func TestLogins(t *testing.T) {
	const text = `<settings><servers>
<server><id>m</id><username>me</username><password>${env.PASSWORD}</password></server>
<server><id>acme</id><username>you</username><password>&lt;pw&gt;</password></server>
<server><id>unset</id><username>you</username><password>${env.UNSET}</password></server>
<server><id>unused</id><username>x</username><password>{encrypted}</password></server>
<server><id>key</id><privateKey>k</privateKey></server>
</servers><mirrors><mirror><id>m</id><mirrorOf>central</mirrorOf><url>https://m.example/a</url></mirror></mirrors></settings>`
	project := []Repository{{ID: "acme", URL: "http://a.example:8081/m2"}, {ID: "unset", URL: "https://u.example"}, {ID: "key", URL: "https://k.example"}, {ID: "none", URL: "https://n.example"}}
	s, err := read(t, text)
	if err != nil {
		t.Fatal(err)
	}
	logins, err := s.Logins(project)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range logins {
		server, _, _ := strings.Cut(l.From, " in ")
		got = append(got, l.Scheme+"://"+l.Host+" "+l.User+":"+l.Password+" "+l.Lacks+" "+server)
	}
	want := []string{"https://m.example me:hush  server m", "http://a.example:8081 you:<pw>  server acme", "https://u.example : UNSET server unset"}
	if !slices.Equal(got, want) {
		t.Errorf("logins %q, want %q", got, want)
	}
	if _, err := s.Logins([]Repository{{ID: "unused", URL: "https://x.example"}}); err == nil || strings.Contains(err.Error(), "{encrypted}") {
		t.Errorf("an encrypted password: %v", err)
	}

	file := s.XML(project)
	if strings.Contains(string(file), "hush") || strings.Contains(string(file), "pw") {
		t.Errorf("a login is in\n%s", file)
	}
	file, err = AddServers(file, append(logins, runtimes.Login{Scheme: "https", Host: "n.example", Bearer: true, Password: "t"}), strings.ToUpper)
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := xml.Unmarshal(file, &doc); err != nil {
		t.Fatal(err)
	}
	if servers := []server{{"m", "me", "HUSH"}, {"acme", "you", "<PW>"}}; !slices.Equal(doc.Servers, servers) || len(doc.active()) != 0 {
		t.Errorf("servers %+v, want %+v", doc.Servers, servers)
	}
	if file, err := AddServers(s.XML(nil), nil, strings.ToUpper); file != nil || err != nil {
		t.Errorf("without logins: %s, %v", file, err)
	}
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte("<settings><mirrors>" + mirror("*,!x", "https://${env.A}${user.home}", "<blocked>true</blocked>") + "</mirrors></settings>"))
	f.Add([]byte("<settings><mirrors><mirror/></mirrors></settings>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parse("settings.xml", data, func(name string) string { return name })
		if err != nil {
			var input *runtimes.InputError
			if !errors.As(err, &input) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		for _, index := range s.Indexes() {
			if index != "" && !strings.HasPrefix(index, "https://") && !strings.HasPrefix(index, "http://") {
				t.Fatalf("asks %q", index)
			}
		}
	})
}
