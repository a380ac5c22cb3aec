package builder

import (
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

var (
	checkFields = []field[CheckConfig]{
		{"allow", allowSchema, func(v value, into *CheckConfig) { into.Allow = v.allowances() }},
		{"otherLayers", weightSchema, func(v value, into *CheckConfig) { into.OtherLayers = v.weight() }},
		{"function", weightSchema, func(v value, into *CheckConfig) { into.Function = v.weight() }},
		{"import", booleanSchema, func(v value, into *CheckConfig) { into.Import = v.boolean() }},
		{"skip", listSchema, func(v value, into *CheckConfig) { into.Skip = v.strs() }},
	}
	allowFields = []field[Allowance]{
		{"id", checkIDSchema, func(v value, into *Allowance) { into.ID = v.checkID() }},
		{"files", patternSchema, func(v value, into *Allowance) { into.Files = v.pattern() }},
		{"reason", stringSchema, func(v value, into *Allowance) { into.Reason, _ = v.str() }},
	}
)

func (v value) check() (c CheckConfig) {
	mapping(v, checkFields, &c)
	return c
}

func (v value) allowances() []Allowance {
	all := []Allowance{}
	if v.node.Kind != yaml.SequenceNode {
		v.wrong("a list of mappings with id and reason")
		return all
	}
	for _, n := range v.node.Content {
		line := n.Line
		if n = v.d.follow(n); n == nil {
			return all
		}
		item := value{v.d, "an item of allow", line, n}
		var a Allowance
		lines := mapping(item, allowFields, &a)
		for _, name := range []string{"id", "reason"} {
			if lines != nil && lines[name] == 0 {
				item.addf("for example {id: "+check.ELFVersion+", files: python/vendored/**, reason: only used on our own machines}",
					"an item of allow has no %s", name)
			}
		}
		all = append(all, a)
	}
	return all
}

// weight reads what something weighs, unzipped: a size, or a number of bytes.
func (v value) weight() int64 {
	n, err := strconv.ParseInt(v.node.Value, 10, 64)
	if v.node.Tag != "!!int" || err != nil {
		n, err = ParseSize(v.node.Value)
	}
	switch {
	case v.node.Kind != yaml.ScalarNode, err != nil, n < 0:
		v.wrong("a size, such as 80MB, or a number of bytes")
	case n > UnzippedLimit:
		v.addf("no function can have it", "%s is more than the %d bytes that Lambda takes in all", v.name, UnzippedLimit)
	}
	return n
}

func checkIDs() []string {
	var ids []string
	for _, rule := range check.Rules() {
		ids = append(ids, rule.ID)
	}
	return ids
}

func (v value) checkID() string {
	s, ok := v.str()
	if _, known := check.RuleOf(s); ok && !known {
		v.addf(hint(s, checkIDs()), "unknown check %q", short(s))
	}
	return s
}

func (v value) pattern() string {
	s, ok := v.str()
	if problem, hint := runtimes.CheckFilePattern(s); ok && problem != "" {
		v.addf(hint, "%s", problem)
	}
	return s
}

func checkSchema() schema { return schema{"$ref": "#/definitions/check"} }

func allowSchema() schema {
	return schema{"type": "array", "items": schema{"$ref": "#/definitions/allowance"}}
}

func allowanceSchema(describe describer) schema {
	s := objectSchema(allowFields, describe, allowTable)
	s["required"] = []string{"id", "reason"}
	return s
}

func weightSchema() schema {
	return schema{"anyOf": []schema{
		{"type": "string", "pattern": weightPattern},
		{"type": "integer", "minimum": 0, "maximum": UnzippedLimit},
	}}
}

func checkIDSchema() schema { return schema{"enum": checkIDs()} }

func patternSchema() schema { return stringSchema() }
