package builder

import (
	"maps"
	"slices"

	"github.com/layerbuild/layerbuild/runtimes"
)

// schema is a JSON Schema (draft 7, which every editor knows) or a part of
// one. The configuration's is made of the tables of fields that decode it; it
// refuses nothing that they accept, and what it cannot express they alone
// check.
type schema map[string]any

// schemaID is where editors find the schema.
const schemaID = "https://raw.githubusercontent.com/layerbuild/layerbuild/main/doc/layerbuild.schema.json"

// describer returns a field's description, by the table that it stands in.
type describer func(table, field string) string

// The tables of fields, as doc/config.md calls them.
const (
	fileTable    = "The file"
	layerTable   = "A layer"
	runtimeTable = "Runtimes"
	builderTable = "The builder"
	tlsTable     = "Builder: tls"
	cacheTable   = "The cache"
	remoteTable  = "The cache: remotes"
	secretTable  = "Secrets"
	sourceTable  = "Secrets: password"
	checkTable   = "Checks"
	allowTable   = "Checks: allow"
)

// configSchema is the schema of layerbuild.yaml.
func configSchema(describe describer) schema {
	layer := objectSchema(layerFields, describe, layerTable)
	layer["required"] = []string{"path"}
	// What means nothing in a plain layer.
	none := make(schema)
	for _, name := range plainLacks {
		none[name] = false
	}
	layer["if"] = schema{"properties": schema{"plain": schema{"const": true}}, "required": []string{"plain"}}
	layer["then"] = schema{"properties": none}

	tls := objectSchema(tlsFields, describe, tlsTable)
	tls["dependencies"] = schema{"cert": []string{"key"}, "key": []string{"cert"}}

	file := objectSchema(fileFields, describe, fileTable)
	maps.Copy(file, schema{
		"$schema":  "http://json-schema.org/draft-07/schema#",
		"$id":      schemaID,
		"title":    ConfigName,
		"required": []string{"layers"},
		"definitions": schema{
			"defaults":  objectSchema(defaultFields(), describe, layerTable),
			"layer":     layer,
			"runtime":   objectSchema(runtimeFields, describe, runtimeTable),
			"builder":   objectSchema(builderFields, describe, builderTable),
			"tls":       tls,
			"cache":     objectSchema(cacheFields, describe, cacheTable),
			"remote":    remoteSchema(describe),
			"check":     objectSchema(checkFields, describe, checkTable),
			"allowance": allowanceSchema(describe),
			"secret":    secretSchema(describe),
			"password":  sourceSchema(describe),
		},
		"allOf": []schema{requiredBelow("runtime"), requiredBelow("architectures")},
	})
	return file
}

// requiredBelow demands a field of each layer where defaults lacks it.
func requiredBelow(name string) schema {
	return schema{
		"if": schema{"properties": schema{"defaults": schema{"required": []string{name}}}, "required": []string{"defaults"}},
		"else": schema{"properties": schema{"layers": schema{
			"additionalProperties": schema{"required": []string{name}}}}},
	}
}

// objectSchema is the schema of a mapping whose fields are those of a table.
func objectSchema[T any](fields []field[T], describe describer, table string) schema {
	properties := make(schema)
	for _, f := range fields {
		p := f.schema()
		if ref, ok := p["$ref"]; ok { // beside which nothing counts
			p = schema{"allOf": []schema{{"$ref": ref}}}
		}
		p["description"] = describe(table, f.name)
		properties[f.name] = p
	}
	return schema{"type": "object", "properties": properties, "additionalProperties": false}
}

func defaultsSchema() schema { return schema{"$ref": "#/definitions/defaults"} }

func tlsSchema() schema { return schema{"$ref": "#/definitions/tls"} }

func builderSchema() schema {
	return schema{"anyOf": []schema{addressSchema(), {"$ref": "#/definitions/builder"}}}
}

func layersSchema() schema {
	layer := schema{"$ref": "#/definitions/layer"}
	return schema{
		"type":              "object",
		"minProperties":     1,
		"patternProperties": schema{"^[A-Za-z0-9_-]{1,140}$": layer},
		// Any other name is but a label, of a path that is a pattern.
		"additionalProperties": schema{"allOf": []schema{layer, {
			"properties": schema{"path": schema{"pattern": `[*?\[{]`}},
		}}},
	}
}

func stringSchema() schema { return schema{"type": "string", "minLength": 1} }

func booleanSchema() schema { return schema{"type": "boolean"} }

func textSchema(limit int) func() schema {
	return func() schema { return schema{"type": "string", "minLength": 1, "maxLength": limit} }
}

func listSchema() schema { return listOf(stringSchema()) }

func listOf(item schema) schema { return schema{"type": "array", "items": item, "uniqueItems": true} }

func patternsSchema() schema {
	return listOf(schema{"type": "string", "pattern": `^[^/]`, "not": schema{"pattern": `(^|/)\.\.(/|$)`}})
}

// Paths: what every one may hold, and what none may begin with.
const (
	pathCharacters = `[^\\\x00-\x1f\x7f]`
	homePath       = `^~(/|$)`
)

func pathSchema() schema {
	return schema{"type": "string", "pattern": `^` + pathCharacters + `+$`, "not": schema{"pattern": homePath}}
}

func projectPathSchema() schema {
	return schema{"type": "string", "pattern": `^[^/\\\x00-\x1f\x7f]` + pathCharacters + `*$`,
		"not": schema{"pattern": homePath + `|^\.\.(/|$)`}}
}

func layerPathSchema() schema {
	return schema{"type": "string", "pattern": `^[^/\\\x00-\x1f\x7f]` + pathCharacters + `*$`,
		"not": schema{"pattern": homePath + `|^\.\.(/|$)|^\.$`}}
}

func fileNameSchema() schema {
	return schema{"type": "string", "pattern": `^[^/\\\x00-\x1f\x7f]+$`, "not": schema{"enum": []string{".", "..", "~"}}}
}

func includeSchema() schema {
	return schema{"type": "object", "propertyNames": projectPathSchema(), "additionalProperties": layerPathSchema()}
}

func buildRequiresSchema() schema {
	return schema{"type": "object", "propertyNames": schema{"minLength": 1}, "additionalProperties": listSchema()}
}

func slimSchema() schema { return listOf(schema{"enum": slices.Clone(slimClasses)}) }

func artifactsSchema() schema {
	return listOf(schema{"type": "string", "pattern": artifactPattern.String()})
}

func runtimeSchema() schema {
	var names []string
	for _, info := range runtimes.Table() {
		names = append(names, info.Name)
	}
	own := schema{"type": "string", "pattern": runtimes.NamePattern} // which the file may define
	several := listOf(schema{"anyOf": []schema{{"enum": names}, own}})
	several["minItems"] = 1
	return schema{"anyOf": []schema{{"enum": names}, own, several}}
}

func runtimesSchema() schema {
	return schema{
		"type": "object", "propertyNames": schema{"pattern": runtimes.NamePattern},
		"additionalProperties": schema{"$ref": "#/definitions/runtime"},
	}
}

func architecturesSchema() schema {
	s := listOf(schema{"enum": runtimes.Arches()})
	s["minItems"] = 1
	return s
}

func engineSchema() schema { return schema{"enum": slices.Clone(engines)} }

func buildersSchema() schema {
	return schema{"type": "object", "propertyNames": schema{"enum": runtimes.Arches()}, "additionalProperties": addressSchema()}
}

func networkSchema() schema { return schema{"const": "host"} }

func addressSchema() schema { return schema{"type": "string", "pattern": "://"} }
