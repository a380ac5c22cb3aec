package export

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// logicalHash is how many hex digits of an archive's SHA-256 its resource's name
// has.
const logicalHash = 12

// CloudFormationOptions say where a stack finds archives and where it says which
// versions it has.
type CloudFormationOptions struct {
	// Bucket and Prefix are where the archives lie, by their SHA-256. Without a
	// bucket they are named by their paths, for "aws cloudformation package".
	Bucket, Prefix string
	// Parameters is the path under which SSM has the versions' ARNs; "" means no
	// parameters.
	Parameters string
	// Exports has the stack export the ARNs.
	Exports bool
}

type template struct {
	Version     string  `yaml:"AWSTemplateFormatVersion"`
	Description string  `yaml:"Description"`
	Resources   ordered `yaml:"Resources"`
	Outputs     ordered `yaml:"Outputs"`
}

// ordered is a mapping in the order of the layers.
type ordered []member

type member struct {
	name  string
	value any
}

// MarshalYAML makes a mapping of it.
func (o ordered) MarshalYAML() (any, error) {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, m := range o {
		var value yaml.Node
		if err := value.Encode(m.value); err != nil {
			return nil, err
		}
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: m.name}, &value)
	}
	return node, nil
}

type resource struct {
	Type string `yaml:"Type"`
	// Functions of other stacks may go on using a version.
	DeletionPolicy      string `yaml:"DeletionPolicy,omitempty"`
	UpdateReplacePolicy string `yaml:"UpdateReplacePolicy,omitempty"`
	Properties          any    `yaml:"Properties"`
}

type layerVersion struct {
	LayerName     string   `yaml:"LayerName"`
	Description   string   `yaml:"Description,omitempty"`
	LicenseInfo   string   `yaml:"LicenseInfo,omitempty"`
	Runtimes      []string `yaml:"CompatibleRuntimes,omitempty,flow"`
	Architectures []string `yaml:"CompatibleArchitectures,omitempty,flow"`
	Content       any      `yaml:"Content"`
}

type s3Content struct {
	Bucket string `yaml:"S3Bucket"`
	Key    string `yaml:"S3Key"`
}

type parameter struct {
	Name        string `yaml:"Name"`
	Type        string `yaml:"Type"`
	Description string `yaml:"Description"`
	Value       ref    `yaml:"Value"`
}

type ref struct {
	Ref string `yaml:"Ref"`
}

type output struct {
	Description string `yaml:"Description"`
	Value       ref    `yaml:"Value"`
	Export      any    `yaml:"Export,omitempty"`
}

// CloudFormation is a stack of the layers. A version's logical id is made of the
// layer's name and its archive's hash, so it changes with the content alone.
func CloudFormation(layers []Layer, opts CloudFormationOptions) ([]byte, error) {
	t := template{Version: "2010-09-09", Description: "Lambda layers, made by layerbuild export cloudformation"}
	named := make(map[string]string)
	for _, l := range layers {
		name := camel(l.ID())
		if other := named[name]; other != "" {
			return nil, &runtimes.InputError{
				Problem: fmt.Sprintf("the layers %s and %s would both be %s in the stack", other, l.ID(), name),
				Hint:    "give one of them another name in layerbuild.yaml",
			}
		}
		named[name] = l.ID()
		version := ref{name + l.SHA256[:logicalHash]}
		t.Resources = append(t.Resources, member{version.Ref, resource{
			Type: "AWS::Lambda::LayerVersion", DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain",
			Properties: layerVersion{
				LayerName: l.lambdaName(), Description: l.Description, LicenseInfo: l.LicenseInfo,
				Runtimes: l.Runtimes, Architectures: l.Architectures, Content: l.content(opts),
			},
		}})
		if opts.Parameters != "" {
			t.Resources = append(t.Resources, member{name + "Parameter", resource{
				Type: "AWS::SSM::Parameter",
				Properties: parameter{
					Name: opts.Parameters + "/" + l.lambdaName(), Type: "String",
					Description: "ARN of the newest version of the layer " + l.lambdaName(), Value: version,
				},
			}})
		}
		out := output{Description: "ARN of the version of the layer " + l.lambdaName(), Value: version}
		if opts.Exports {
			out.Export = map[string]any{"Name": map[string]string{"Fn::Sub": "${AWS::StackName}-" + l.lambdaName()}}
		}
		t.Outputs = append(t.Outputs, member{name, out})
	}
	var buf bytes.Buffer
	e := yaml.NewEncoder(&buf)
	e.SetIndent(2)
	if err := e.Encode(t); err != nil {
		return nil, fmt.Errorf("write the template: %w", err)
	}
	return buf.Bytes(), nil
}

// content says where the archive is.
func (l Layer) content(opts CloudFormationOptions) any {
	if opts.Bucket == "" {
		return l.Path
	}
	return s3Content{opts.Bucket, opts.Prefix + l.SHA256 + ".zip"}
}

// camel makes a name that a logical id can begin with: letters and digits.
func camel(id string) string {
	var b strings.Builder
	upper := true
	for _, r := range id {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			upper = true
			continue
		}
		if upper {
			r = unicode.ToUpper(r)
		}
		upper = false
		b.WriteRune(r)
	}
	return b.String()
}
