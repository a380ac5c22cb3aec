package builder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

const schemaFile = "../doc/layerbuild.schema.json"

// TestSchemaCurrent: the committed schema is what the tables of fields give,
// with the descriptions of doc/config.md.
func TestSchemaCurrent(t *testing.T) {
	data, err := os.ReadFile("../doc/config.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := sectionsOf(string(data))
	describe := func(table, field string) string {
		for line := range strings.Lines(sections[table]) {
			// | `name` | type | default | meaning | example |
			cells := strings.Split(line, " | ")
			if len(cells) < 4 || cells[0] != "| `"+field+"`" {
				continue
			}
			text := cells[3]
			if cells[2] != "none" && cells[2] != "required" {
				text += "; default: " + cells[2]
			}
			return strings.ReplaceAll(text, ", see below", "")
		}
		t.Errorf("doc/config.md does not describe %s in section %q", field, table)
		return ""
	}
	got, err := encodeJSON(configSchema(describe))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, schemaFile, string(got))
}

// sectionsOf splits a document by its titles of the second level.
func sectionsOf(text string) map[string]string {
	sections := make(map[string]string)
	for _, s := range strings.Split(text, "\n## ")[1:] {
		title, body, _ := strings.Cut(s, "\n")
		sections[title] = body
	}
	return sections
}

// compileSchema reads the committed schema, as an editor does.
func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate holds a YAML text against the schema, each of its documents.
func validate(schema *jsonschema.Schema, data []byte) error {
	documents := yaml.NewDecoder(bytes.NewReader(data))
	for n := 0; ; n++ {
		var v any
		if err := documents.Decode(&v); err == io.EOF && n > 0 {
			return nil
		} else if err != nil {
			return err
		}
		if err := schema.Validate(asJSON(v)); err != nil {
			return err
		}
	}
}

// asJSON turns what YAML holds into what JSON can hold.
func asJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			v[name] = asJSON(value)
		}
	case map[any]any:
		object := make(map[string]any)
		for name, value := range v {
			object[fmt.Sprint(name)] = asJSON(value)
		}
		return object
	case []any:
		for i, value := range v {
			v[i] = asJSON(value)
		}
	case time.Time:
		return v.String() // as in YAML 1.2, which has no dates
	}
	return v
}

// decoderOnly are the examples whose only defects no schema can express.
var decoderOnly = map[string]string{
	"cache_size.yaml":     "that a size is 0, in whatever unit",
	"bytecode.yaml":       "one archive for several runtimes, with what defaults say",
	"file_names.yaml":     "names of outputs that collide",
	"patterns.yaml":       "what folders there are",
	"patterns_files.yaml": "what folders there are",
}

// TestSchema runs the examples of the decoder.
func TestSchema(t *testing.T) {
	schema := compileSchema(t)
	eachConfig(t, "valid", func(t *testing.T, name string, data []byte, _ string) {
		if err := validate(schema, data); err != nil {
			t.Error(err)
		}
	})
	eachConfig(t, "invalid", func(t *testing.T, name string, data []byte, _ string) {
		err := validate(schema, data)
		if _, ok := decoderOnly[name]; ok != (err == nil) {
			t.Errorf("got %v; expected to be found by the decoder alone: %v", err, ok)
		}
		var invalid *jsonschema.ValidationError
		if errors.As(err, &invalid) {
			t.Logf("%v", invalid)
		}
	})
}

// TestSchemaRefuses: what the schema says of single fields.
func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t)
	const layer = "layers: {api: {path: a, runtime: python3.13, architectures: [arm64], %s}}\n"
	for _, text := range []string{
		"plain: 1", "lockfile: a/b", "groups: web", "exclude: [a, a]", "excludeFiles: [/abs]", "excludeFiles: [a/../b]",
		"include: {/etc: x}", "include: {x: ../x}", "include: {x: .}", "description: ''", "nonsense: true",
		"plain: true, groups: [web]", "plain: true, lockfile: uv.lock",
		"bytecode: 1", "project: web", "buildRequires: [x]", "buildRequires: {x: y}", "buildRequires: {'': [y]}", "plain: true, project: true", "plain: true, bytecode: true",
	} {
		data := fmt.Appendf(nil, layer, text)
		if err := validate(schema, data); err == nil {
			t.Errorf("the schema accepts %s", text)
		}
		if _, err := parseConfig("f", "/project", sampleProject, data); err == nil {
			t.Errorf("the decoder accepts %s", text)
		}
	}
	for _, text := range []string{
		"layers: {api: {path: a, runtime: python3.13}}",
		"layers: {api: {path: a, architectures: [arm64]}}\ndefaults: {architectures: [arm64]}",
		"layers: {a.b: {path: a, runtime: python3.13, architectures: [arm64]}}",
		"layers: {api: {runtime: python3.13, architectures: [arm64]}}",
		"defaults: {path: a}\nlayers: {api: {path: a, runtime: python3.13, architectures: [arm64]}}",
		"builder: {tls: {cert: a}}\nlayers: {api: {path: a, runtime: python3.13, architectures: [arm64]}}",
		"secrets: {a.example: {password: hush}}\nlayers: {api: {path: a, runtime: python3.13, architectures: [arm64]}}",
		"secrets: {a.example: {password: {env: A, file: b}}}\nlayers: {api: {path: a, runtime: python3.13, architectures: [arm64]}}",
		"secrets: {a.example: {user: ci}}\nlayers: {api: {path: a, runtime: python3.13, architectures: [arm64]}}",
		"builder: localhost\nlayers: {api: {path: a, runtime: python3.13, architectures: [arm64]}}",
	} {
		if err := validate(schema, []byte(text)); err == nil {
			t.Errorf("the schema accepts %s", text)
		}
		if _, err := parseConfig("f", "/project", sampleProject, []byte(text)); err == nil {
			t.Errorf("the decoder accepts %s", text)
		}
	}
}
