package export

import (
	"errors"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// layer is an archive of the output folder.
func layer(file string, size int64) Layer {
	e := builder.IndexEntry{Name: file, Runtimes: []string{"python3.13"}, Architectures: []string{"arm64"}}
	e.File, e.Size, e.SHA256, e.SHA256Base64 = file, size, strings.Repeat("0f", 32), "Dw8="
	return Layer{e, "dist/" + file}
}

// TestNames: no two layers of a stack are one resource, and Lambda takes each name.
func TestNames(t *testing.T) {
	for id, want := range map[string][2]string{
		"api":                  {"Api", "api"},
		"api-python3.13-arm64": {"ApiPython313Arm64", "api-python3-13-arm64"},
		"big_data.2-x86_64":    {"BigData2X8664", "big_data-2-x86_64"},
	} {
		if got := [2]string{camel(id), layer(id+".zip", 1).lambdaName()}; got != want {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
	_, err := CloudFormation([]Layer{layer("a-b.zip", 1), layer("a_b.zip", 1)}, CloudFormationOptions{})
	var input *runtimes.InputError
	if !errors.As(err, &input) || !strings.Contains(input.Problem, "a-b and a_b would both be AB") || input.Hint == "" {
		t.Errorf("two layers of one logical id: %v", err)
	}
}

// TestLarge: an archive of the most that a request takes goes in one, one byte more
// goes through a bucket, and without a bucket nowhere.
func TestLarge(t *testing.T) {
	for _, test := range []struct {
		size   int64
		bucket string
		want   string // of the script; "" is an error
	}{
		{builder.DirectUpload, "", "--zip-file fileb://dist/api.zip"},
		{builder.DirectUpload + 1, "artifacts", "upload dist/api.zip artifacts layers/0f0f"},
		{builder.DirectUpload + 1, "", ""},
	} {
		script, err := CLI([]Layer{layer("api.zip", test.size)}, CLIOptions{Bucket: test.bucket, Prefix: "layers/"})
		if (err != nil) != (test.want == "") || !strings.Contains(string(script), test.want) {
			t.Errorf("%d bytes, bucket %q: %v\n%s", test.size, test.bucket, err, script)
		}
	}
}

func TestShell(t *testing.T) {
	for word, want := range map[string]string{
		"fileb://a/b-1_2.zip": "fileb://a/b-1_2.zip",
		"":                    "''",
		"it's $HOME":          `'it'\''s $HOME'`,
		"a;b":                 "'a;b'",
		"~x":                  "'~x'",
	} {
		if got := shell(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}
