package cache

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// testKey returns a private key that depends on n alone.
func testKey(t testing.TB, n byte) PrivateKey {
	t.Helper()
	seed := make([]byte, 32)
	seed[0] = n
	k, err := ParsePrivateKey(privatePrefix + base64.RawStdEncoding.EncodeToString(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKeyTexts pins the texts, which lie in configurations and CI settings. The
// keys are those of RFC 8032's first test.
func TestKeyTexts(t *testing.T) {
	const private = "layerbuild-key-1:nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
	const public = "layerbuild-pub-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo"
	k, err := ParsePrivateKey(private)
	if err != nil || k.Text() != private || k.Public().String() != public {
		t.Fatalf("read as %s, %s, %v", k.Text(), k.Public(), err)
	}
	if got, err := ParsePublicKey(public); err != nil || got != k.Public() {
		t.Errorf("read as %v, %v", got, err)
	}
	data, err := json.Marshal(k.Public())
	if err != nil || string(data) != `"`+public+`"` {
		t.Errorf("JSON %s, %v", data, err)
	}
	var back PublicKey
	if err := json.Unmarshal(data, &back); err != nil || back != k.Public() {
		t.Errorf("JSON read as %v, %v", back, err)
	}
}

func TestNewPrivateKey(t *testing.T) {
	a, err := NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewPrivateKey()
	if err != nil || a.Text() == b.Text() {
		t.Fatalf("two keys are one, or %v", err)
	}
	again, err := ParsePrivateKey(a.Text())
	if err != nil || again.Text() != a.Text() || again.Public() != a.Public() {
		t.Errorf("read as %v, %v", again, err)
	}
}

func TestWrongKeys(t *testing.T) {
	k := testKey(t, 7)
	private, public := k.Text(), k.Public().String()
	for _, test := range []struct {
		what, text, want string
	}{
		{"nothing", "", "does not begin with PREFIX"},
		{"no prefix", private[len(privatePrefix):], "does not begin with PREFIX"},
		{"another version", strings.Replace(private, "-1:", "-2:", 1), "does not begin with PREFIX"},
		{"upper case", strings.ToUpper(private), "does not begin with PREFIX"},
		{"space before", " PREFIX" + private[len(privatePrefix):], "does not begin with PREFIX"},
		{"short", "PREFIX" + private[len(privatePrefix)+1:], "is not 43 characters of base64, without padding"},
		{"long", "PREFIX" + private[len(privatePrefix):] + "A", "is not 43 characters of base64, without padding"},
		{"padding", "PREFIX" + private[len(privatePrefix):] + "=", "is not 43 characters of base64, without padding"},
		{"line break", "PREFIX" + private[len(privatePrefix):] + "\n", "is not 43 characters of base64, without padding"},
		{"line break within", "PREFIX\r\n" + private[len(privatePrefix):], "is not 43 characters of base64, without padding"},
		{"other alphabet", "PREFIX" + strings.Repeat("_", 43), "is not 43 characters of base64, without padding"},
		{"bits left over", "PREFIX" + strings.Repeat("A", 42) + "B", "is not 43 characters of base64, without padding"},
	} {
		text := func(prefix string) string { return strings.ReplaceAll(test.text, "PREFIX", prefix) }
		want := func(prefix string) string { return strings.ReplaceAll(test.want, "PREFIX", prefix) }
		if _, err := ParsePrivateKey(text(privatePrefix)); err == nil || err.Error() != want(privatePrefix) {
			t.Errorf("%s: as a private key: %v", test.what, err)
		}
		if _, err := ParsePublicKey(text(publicPrefix)); err == nil || err.Error() != want(publicPrefix) && !strings.Contains(err.Error(), "private key") {
			t.Errorf("%s: as a public key: %v", test.what, err)
		}
	}
	if _, err := ParsePublicKey(private); err == nil || err.Error() != "is a private key, not a public one" {
		t.Errorf("a private key as a public one: %v", err)
	}
	if _, err := ParsePrivateKey(public); err == nil || err.Error() != "is a public key, not a private one" {
		t.Errorf("a public key as a private one: %v", err)
	}
}

func TestParsePrivateKeys(t *testing.T) {
	a, b := testKey(t, 1), testKey(t, 2)
	many := ""
	for n := range byte(maxSignatures + 1) {
		many += testKey(t, n).Text() + "\n"
	}
	for _, test := range []struct {
		text string
		n    int
		err  string
	}{
		{a.Text(), 1, ""},
		{"\r\n" + a.Text() + "\r\n", 1, ""},
		{a.Text() + "\n" + b.Text() + "\n", 2, ""},
		{"", 0, "has no key"},
		{" \n", 0, "has no key"},
		{a.Text() + " " + a.Text(), 0, "has one key twice"},
		{many, 0, "has 9 keys; 8 are allowed"},
		{a.Text() + " hush", 0, "does not begin with layerbuild-key-1:"},
	} {
		got, err := ParsePrivateKeys(test.text)
		if len(got) != test.n || (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("%q: %d keys, %v", test.text, len(got), err)
		}
	}
}

// TestPrivateKeyHidesItself: no verb, no encoder shows it.
func TestPrivateKeyHidesItself(t *testing.T) {
	k := testKey(t, 200)
	secret := k.key.Seed()
	shown := []string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%o", "%c", "%U", "%t", "%e"} {
		shown = append(shown, fmt.Sprintf(verb, k), fmt.Sprintf(verb, &k), fmt.Sprintf(verb, []PrivateKey{k}), fmt.Sprintf(verb, struct{ K PrivateKey }{k}))
	}
	data, err := json.Marshal(map[string]any{"key": k})
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, string(data), fmt.Sprint(PrivateKey{}))
	hidden := []string{string(secret), k.Text()[len(privatePrefix):], fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprint(secret), "[]"), "200"}
	for _, text := range shown {
		for _, h := range hidden {
			if strings.Contains(text, h) {
				t.Errorf("shown: %s", text)
			}
		}
	}
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(testKey(f, 1).Public().String())
	f.Add(testKey(f, 1).Text())
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := ParsePublicKey(text); err == nil && k.String() != text {
			t.Errorf("%q is read as %s", text, k)
		}
	})
}

func FuzzParsePrivateKey(f *testing.F) {
	f.Add(testKey(f, 1).Text())
	f.Add(testKey(f, 1).Public().String())
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := ParsePrivateKey(text); err == nil && k.Text() != text {
			t.Errorf("%q is read as %s", text, k.Text())
		}
	})
}
