package builder

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const referenceHead = `# layerbuild.yaml: all fields

Made from the code that reads the file, by ` + "`make update`" + `: do not edit it. What a field
means comes from the tables in [config.md](config.md), which explains them with examples.
NAME stands for a name of one's own, [] for each item of a list.
`

// TestReferenceCurrent: doc/config-reference.md is what the tables of fields
// give, with the defaults and meanings of doc/config.md.
func TestReferenceCurrent(t *testing.T) {
	data, err := os.ReadFile("../doc/config.md")
	if err != nil {
		t.Fatal(err)
	}
	r := reference{t: t, sections: sectionsOf(string(data))}
	r.WriteString(referenceHead)
	referTo(&r, "", fileTable, fileFields)
	referTo(&r, "layers.NAME.", layerTable, layerFields)
	referTo(&r, "layers.NAME.check.", checkTable, checkFields)
	referTo(&r, "layers.NAME.check.allow[].", allowTable, allowFields)
	referTo(&r, "runtimes.NAME.", runtimeTable, runtimeFields)
	referTo(&r, "builder.", builderTable, builderFields)
	referTo(&r, "builder.tls.", tlsTable, tlsFields)
	referTo(&r, "cache.", cacheTable, cacheFields)
	referTo(&r, "cache.remotes[].", remoteTable, remoteFields)
	referTo(&r, "secrets.NAME.", secretTable, secretFields)
	referTo(&r, "secrets.NAME.password.", sourceTable, sourceFields)
	golden(t, "../doc/config-reference.md", r.String())
}

// reference is the text of the page.
type reference struct {
	strings.Builder
	t        *testing.T
	sections map[string]string // of doc/config.md
}

// referTo writes what a table of fields gives.
func referTo[T any](r *reference, prefix, table string, fields []field[T]) {
	anchor := strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(table, ":", "")), " ", "-")
	fmt.Fprintf(r, "\n## %s\n\n[More](config.md#%s)\n\n| field | takes | default | meaning |\n|---|---|---|---|\n", table, anchor)
	for _, f := range fields {
		def, meaning := r.row(table, f.name)
		fmt.Fprintf(r, "| `%s%s` | %s | %s | %s |\n", prefix, f.name, takes(f.schema()), def, meaning)
	}
}

// row is what doc/config.md says of a field.
func (r *reference) row(table, field string) (def, meaning string) {
	for line := range strings.Lines(r.sections[table]) {
		// | `name` | type | default | meaning | example |
		if cells := strings.Split(line, " | "); len(cells) >= 4 && cells[0] == "| `"+field+"`" {
			// What lies below a table there, does not here.
			meaning := strings.NewReplacer(", see below", "", "; see below for names", "", "; see below", "", "[below](#", "[config.md](config.md#").Replace(cells[3])
			return cells[2], meaning
		}
	}
	r.t.Errorf("doc/config.md does not describe %s in section %q", field, table)
	return "", ""
}

// words are those for schemas that say less to people than to programs.
var words = []struct {
	schema schema
	text   string
}{
	{pathSchema(), "path"},
	{projectPathSchema(), "path in the project"},
	{layerPathSchema(), "path in the layer"},
	{fileNameSchema(), "name of a file"},
	{patternsSchema()["items"].(schema), "pattern of paths"},
	{addressSchema(), "address with a scheme, `x://…`"},
	{sizeSchema(), "size, such as `20GB`, or `none`"},
	{weightSchema()["anyOf"].([]schema)[0], "size, such as `80MB`"},
	{remoteURLSchema(), "address of `" + strings.Join(remoteSchemes, "`, `") + "`"},
	{runtimeSchema()["anyOf"].([]schema)[2], "a list of these"},
	{imageSchema(), "image reference"},
	{artifactsSchema()["items"].(schema), "`group:artifact:classifier`"},
	{trustSchema()["items"].(schema), "public key, `layerbuild-pub-1:…`"},
	{glibcSchema(), "version, such as `\"2.34\"`"},
	{userSchema(), "string without a colon"},
	{envSchema(), "name of a variable"},
	{librariesSchema()["items"].(schema), "name of a library"},
	{copySchema()["additionalProperties"].(schema), "folder in the layer, with a `/` at the end"},
	{schema{"pattern": copyFromPattern}, "absolute path in the image"},
	{schema{"pattern": variablePattern}, "name of a variable"},
	{layersSchema()["additionalProperties"].(schema), "layer"},
	{secretsSchema()["propertyNames"].(schema), "`host` or `host:port`"},
	{runtimesSchema()["propertyNames"].(schema), "runtime"},
	{runtimeSchema()["anyOf"].([]schema)[1], "a name that `runtimes` has"},
	{stringSchema(), "string"},
	{booleanSchema(), "boolean"},
	{dateSchema(), "date, such as `\"2027-06-30\"`"},
	{schema{"type": "string"}, "string, maybe empty"},
	{schema{"minLength": 1}, "string"},
}

// takes says in words what a schema accepts.
func takes(s schema) string {
	for _, w := range words {
		if reflect.DeepEqual(s, w.schema) {
			return w.text
		}
	}
	switch {
	case s["$ref"] != nil:
		return "mapping, " + strings.TrimPrefix(s["$ref"].(string), "#/definitions/")
	case s["enum"] != nil:
		return oneOf(s["enum"])
	case s["const"] != nil:
		return fmt.Sprintf("`%v`", s["const"])
	case s["anyOf"] != nil:
		var all []string
		for _, one := range s["anyOf"].([]schema) {
			if text := takes(one); !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
		return strings.Join(all, "; or ")
	}
	switch s["type"] {
	case "array":
		return "list: " + takes(s["items"].(schema))
	case "integer":
		return fmt.Sprintf("number, %v to %v", s["minimum"], s["maximum"])
	case "object":
		name := "name"
		if names, ok := s["propertyNames"].(schema); ok {
			name = takes(names)
		}
		return "mapping of " + name + " to " + takes(s["additionalProperties"].(schema))
	}
	if s["maxLength"] != nil {
		return fmt.Sprintf("string, at most %v characters", s["maxLength"])
	}
	return fmt.Sprintf("%v that matches `%v`", s["type"], s["pattern"])
}

func oneOf(values any) string {
	v := reflect.ValueOf(values)
	all := make([]string, v.Len())
	for i := range all {
		all[i] = fmt.Sprintf("`%v`", v.Index(i).Interface())
	}
	return strings.Join(all, ", ")
}
