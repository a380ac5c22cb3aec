package yamledit

import (
	"errors"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const sample = `# Head.
Resources:   # of the stack
  Layer:
    Type: "AWS::Serverless::LayerVersion"   # a layer
    Properties:
      Name: 'it''s'
      ContentUri: layer/  # the folder
      Runtimes: [ python3.13,  'python3.12' ]

    # How it is built.
    Metadata:
      BuildMethod: python3.13
      Other: |
        text
        # not a comment

  # The function.
  Api: {CodeUri: src/, Layers: [!Ref Layer]}
Regions:
  - a # one
  - b # two
Alone:
- x
Outputs:
  - Name: a
    Value: b
`

func TestFile(t *testing.T) {
	tests := map[string]struct {
		change    func(f *File, layer *yaml.Node) error
		old, text string // what of the sample becomes what; "" is an error
	}{
		"plain":  {func(f *File, l *yaml.Node) error { return f.Set(at(l, "Properties", "ContentUri"), "a.zip") }, "layer/  #", "a.zip  #"},
		"double": {func(f *File, l *yaml.Node) error { return f.Set(at(l, "Type"), "X") }, `"AWS::Serverless::LayerVersion"  `, `"X"  `},
		"single": {func(f *File, l *yaml.Node) error { return f.Set(at(l, "Properties", "Name"), "a'b") }, `'it''s'`, `'a''b'`},
		"flow": {func(f *File, _ *yaml.Node) error {
			return f.Set(at(f.Root(), "Resources", "Api", "CodeUri"), "app")
		}, "src/,", "app,"},
		"no plain scalar": {func(f *File, l *yaml.Node) error { return f.Set(at(l, "Properties", "ContentUri"), "a: b") }, "", ""},
		"a number":        {func(f *File, l *yaml.Node) error { return f.Set(at(l, "Properties", "ContentUri"), "1") }, "", ""},
		"literal":         {func(f *File, l *yaml.Node) error { return f.Set(at(l, "Metadata", "Other"), "a") }, "", ""},
		"tagged": {func(f *File, _ *yaml.Node) error {
			return f.Set(at(f.Root(), "Resources", "Api", "Layers").Content[0], "a")
		}, "", ""},
		"remove":            {func(f *File, l *yaml.Node) error { return f.Remove(at(l, "Metadata"), "BuildMethod") }, "      BuildMethod: python3.13\n", ""},
		"remove literal":    {func(f *File, l *yaml.Node) error { return f.Remove(at(l, "Metadata"), "Other") }, "      Other: |\n        text\n        # not a comment\n", ""},
		"remove mapping":    {func(f *File, l *yaml.Node) error { return f.Remove(l, "Properties") }, "    Properties:\n      Name: 'it''s'\n      ContentUri: layer/  # the folder\n      Runtimes: [ python3.13,  'python3.12' ]\n", ""},
		"remove of a list":  {func(f *File, _ *yaml.Node) error { return f.Remove(at(f.Root(), "Outputs").Content[0], "Value") }, "    Value: b\n", ""},
		"behind a dash":     {func(f *File, _ *yaml.Node) error { return f.Remove(at(f.Root(), "Outputs").Content[0], "Name") }, "", ""},
		"remove of flow":    {func(f *File, _ *yaml.Node) error { return f.Remove(at(f.Root(), "Resources", "Api"), "CodeUri") }, "", ""},
		"remove what isn't": {func(f *File, l *yaml.Node) error { return f.Remove(l, "Condition") }, "", ""},
		"add": {func(f *File, l *yaml.Node) error { return f.Add(l, "Condition", "IsProd") },
			"        # not a comment\n", "        # not a comment\n    Condition: IsProd\n"},
		"add a mapping": {func(f *File, l *yaml.Node) error {
			return f.Add(at(l, "Properties"), "package", map[string]any{"artifact": "a.zip", "x": []string{"1"}})
		}, "'python3.12' ]\n", "'python3.12' ]\n      package:\n        artifact: a.zip\n        x:\n          - \"1\"\n"},
		"add at the end": {func(f *File, _ *yaml.Node) error { return f.Add(f.Root(), "Last", true) }, "    Value: b\n", "    Value: b\nLast: true\n"},
		"add to flow": {func(f *File, _ *yaml.Node) error {
			return f.Add(at(f.Root(), "Resources", "Api"), "a", map[string]any{"b": []string{"c"}})
		}, "{CodeUri", "{a: {b: [c]}, CodeUri"},
		"add two": {func(f *File, l *yaml.Node) error {
			return errors.Join(f.Add(l, "Condition", "IsProd"), f.Add(l, "DependsOn", "Api"))
		}, "        # not a comment\n", "        # not a comment\n    Condition: IsProd\n    DependsOn: Api\n"},
		"append": {func(f *File, l *yaml.Node) error { return f.Append(at(l, "Properties"), "Runtimes", "!x") },
			"'python3.12' ]", "'python3.12', '!x' ]"},
		"append to lines": {func(f *File, l *yaml.Node) error { return f.Append(f.Root(), "Regions", "*") }, "- b # two\n", "- b # two\n  - '*'\n"},
		"append two": {func(f *File, l *yaml.Node) error {
			return errors.Join(f.Append(f.Root(), "Regions", "c"), f.Append(f.Root(), "Regions", "d"))
		}, "- b # two\n", "- b # two\n  - c\n  - d\n"},
		"append two in brackets": {func(f *File, l *yaml.Node) error {
			return errors.Join(f.Append(at(l, "Properties"), "Runtimes", "x"), f.Append(at(l, "Properties"), "Runtimes", "y"))
		}, "'python3.12' ]", "'python3.12', x, y ]"},
		"drop": {func(f *File, l *yaml.Node) error { return f.Drop(f.Root(), "Regions", "a") }, "  - a # one\n", ""},
		"drop in brackets": {func(f *File, l *yaml.Node) error { return f.Drop(at(l, "Properties"), "Runtimes", "python3.13") },
			"python3.13,  'python3.12'", "'python3.12'"},
		"drop the last": {func(f *File, l *yaml.Node) error { return f.Drop(at(l, "Properties"), "Runtimes", "python3.12") },
			"python3.13,  'python3.12'", "python3.13"},
		"drop all":            {func(f *File, _ *yaml.Node) error { return f.Drop(f.Root(), "Alone", "x") }, "Alone:\n- x\n", ""},
		"drop what isn't":     {func(f *File, _ *yaml.Node) error { return f.Drop(f.Root(), "Alone", "y") }, "", ""},
		"append to a mapping": {func(f *File, _ *yaml.Node) error { return f.Append(f.Root(), "Resources", "y") }, "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, variant := range []string{"\n", "\r\n"} {
				f, err := Parse([]byte(replace(sample, "\n", variant)))
				if err != nil {
					t.Fatal(err)
				}
				err = test.change(f, at(f.Root(), "Resources", "Layer"))
				var got []byte
				if err == nil {
					got, err = f.Bytes()
				}
				if test.old == "" {
					if !errors.Is(err, ErrByHand) {
						t.Errorf("%v, gives\n%s", err, got)
					}
					continue
				}
				if want := replace(replace(sample, test.old, test.text), "\n", variant); err != nil || string(got) != want {
					t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
				}
			}
		})
	}
}

// at goes down mappings.
func at(n *yaml.Node, names ...string) *yaml.Node {
	for _, name := range names {
		n = Get(n, name)
	}
	return n
}

func replace(text, old, by string) string { return strings.ReplaceAll(text, old, by) }

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"":                "it is empty",
		"a: 1\n---\nb: 2": "more than one document",
		"a: [":            "line",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// FuzzFile changes each place of any text by all means: what comes out says what
// was meant, or there is an error.
func FuzzFile(f *testing.F) {
	for _, text := range []string{sample, "a: b", "- a: &x 1\n  b: *x\n", "{\"a\": {\"b\": \"c\"}}", "a: é\nb: \"ü\"  # é\n", "\ufeffa: b\u2028c: d\n", "? a\n: b\n? c\n"} {
		f.Add([]byte(text), uint(0))
		f.Add([]byte(text), uint(4))
	}
	f.Fuzz(func(t *testing.T, text []byte, which uint) {
		file, err := Parse(text)
		if err != nil {
			return
		}
		var nodes []*yaml.Node
		var list func(n *yaml.Node)
		list = func(n *yaml.Node) {
			nodes = append(nodes, n)
			for _, c := range n.Content {
				list(c)
			}
		}
		list(file.Root())
		n := nodes[which%uint(len(nodes))]
		if n.Kind == yaml.ScalarNode {
			err = file.Set(n, "new/value.zip")
		} else if len(n.Content) > 0 && which%2 == 0 {
			err = file.Add(n, "added", []string{"value"})
		} else if len(n.Content) > 0 {
			err = file.Remove(n, n.Content[0].Value)
		}
		if err != nil && !errors.Is(err, ErrByHand) {
			t.Fatal(err)
		}
		out, err := file.Bytes()
		if err != nil {
			return
		}
		again, err := Parse(out)
		if err != nil || !same(again.root, file.root, 0) {
			t.Errorf("%q becomes %q: %v", text, out, err)
		}
	})
}
