package buildkit

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"

	"github.com/layerbuild/layerbuild/runtimes"
)

var update = flag.Bool("update", false, "write the golden files anew")

// image is pinned by a digest that nothing has.
const image = "public.example/lambda/python:3.11@sha256:" +
	"1111111111111111111111111111111111111111111111111111111111111111"

// smallContainer has one of each thing that a container can hold.
func smallContainer() *runtimes.Container {
	return &runtimes.Container{
		Image: image,
		Steps: []runtimes.Step{{
			Name:     "get the tool",
			Args:     []string{"/bin/get", "--to", "/work/tool"},
			Env:      []string{"HOME=/tmp", "PATH=/bin"},
			Inputs:   []runtimes.InlineFile{{Path: "/work/tool.txt", Data: []byte("tool==1\n")}},
			Caches:   []runtimes.CacheMount{{ID: "get", Path: "/cache/get", KeepsLogins: true}},
			CABundle: []string{"GET_CERT"},
			Netrc:    []string{"NETRC"},
		}, {
			Name: "install 2 packages",
			Args: []string{"/work/tool/install", "a b"},
			Env:  []string{"OPTIONS=a=b"},
			Inputs: []runtimes.InlineFile{
				{Path: "/work/a.txt", Data: []byte("a")},
				{Path: "/work/in/b.txt", Data: []byte("b")},
			},
			CABundle: []string{"A_CERT", "B_CERT"},
		}},
		Output: "/layer",
	}
}

func options() graphOptions {
	return graphOptions{platform: llb.LinuxAmd64}
}

// readable writes a definition's operations in order as JSON.
func readable(t *testing.T, d *llb.Definition) []byte {
	t.Helper()
	type vertex struct {
		Name        string
		IgnoreCache bool `json:",omitempty"`
		Op          *pb.Op
	}
	var vertices []vertex
	for _, data := range d.Def {
		v := vertex{Op: new(pb.Op)}
		if err := v.Op.UnmarshalVT(data); err != nil {
			t.Fatal(err)
		}
		m := d.Metadata[digest.FromBytes(data)]
		v.Name, v.IgnoreCache = m.Description["llb.customname"], m.IgnoreCache
		vertices = append(vertices, v)
	}
	js, err := json.MarshalIndent(vertices, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(js, '\n')
}

func TestGraphGolden(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*graphOptions)
	}{
		{"plain", func(*graphOptions) {}},
		{"cabundle", func(o *graphOptions) { o.caBundle = true }},
		{"secretproxy", func(o *graphOptions) {
			o.secretEnv = proxySecrets(&llb.ProxyEnv{HTTPSProxy: "http://me:hush@proxy.example:3128", NoProxy: "localhost"}, map[string][]byte{})
		}},
		{"netrc", func(o *graphOptions) { o.netrc = true }},
		{"hostnet", func(o *graphOptions) { o.hostNet = true }},
		{"nocache", func(o *graphOptions) { o.noCache = true }},
		{"proxy", func(o *graphOptions) { o.proxy = &llb.ProxyEnv{HTTPSProxy: "http://proxy.example:3128"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options()
			tt.set(&o)
			g, err := newGraph(t.Context(), smallContainer(), o)
			if err != nil {
				t.Fatal(err)
			}
			got := readable(t, g.definition)
			golden := filepath.Join("testdata", tt.name+".llb.json")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the LLB is not that of %s:\n%s", golden, got)
			}
		})
	}
}

// TestGraphStable: the daemon's cache works only where the same recipe gives
// the same graph, whatever its steps are called.
func TestGraphStable(t *testing.T) {
	head := func(c *runtimes.Container) string {
		g, err := newGraph(t.Context(), c, options())
		if err != nil {
			t.Fatal(err)
		}
		digest, err := g.definition.Head()
		if err != nil {
			t.Fatal(err)
		}
		return digest.String()
	}
	want := head(smallContainer())
	renamed := smallContainer()
	renamed.Steps[1].Name = "another name"
	changed := smallContainer()
	changed.Steps[0].Inputs[0].Data = []byte("tool==2\n")
	for range 5 {
		if got := head(smallContainer()); got != want {
			t.Fatalf("the same recipe gave %s and %s", want, got)
		}
	}
	if got := head(renamed); got != want {
		t.Error("a step's name changes the graph")
	}
	if got := head(changed); got == want {
		t.Error("an input does not change the graph")
	}
}

func TestGraphRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*runtimes.Container)
		want string
	}{
		{"tag", func(c *runtimes.Container) { c.Image = "public.example/python:3.11" }, "not pinned by its digest"},
		{"no steps", func(c *runtimes.Container) { c.Steps = nil }, "no steps"},
		{"no output", func(c *runtimes.Container) { c.Output = "" }, "output folder"},
		{"relative input", func(c *runtimes.Container) { c.Steps[0].Inputs[0].Path = "tool.txt" }, "not absolute"},
		{"large inputs", func(c *runtimes.Container) {
			c.Steps[0].Inputs[0].Data = make([]byte, maxInputs/2)
			c.Steps[1].Inputs[0].Data = make([]byte, maxInputs/2+1)
		}, "it takes 12582912 at most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := smallContainer()
			tt.set(c)
			_, err := newGraph(t.Context(), c, options())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that says %q", err, tt.want)
			}
		})
	}
}

// TestGraphOfBuilds: a step that fetches nothing, and may run a package's code,
// is told neither the proxy nor any secret of it.
func TestGraphOfBuilds(t *testing.T) {
	c := smallContainer()
	o := options()
	o.proxy = &llb.ProxyEnv{HTTPSProxy: "http://proxy.example:3128"}
	o.secretEnv = map[string]string{"HTTPS_PROXY": "the-secret"}
	o.netrc = true
	has := func() bool {
		g, err := newGraph(t.Context(), c, o)
		if err != nil {
			t.Fatal(err)
		}
		var all bytes.Buffer
		for _, def := range g.definition.Def {
			all.Write(def)
		}
		return bytes.Contains(all.Bytes(), []byte("proxy.example")) || bytes.Contains(all.Bytes(), []byte("the-secret"))
	}
	if !has() {
		t.Error("steps that fetch are not told the proxy")
	}
	for i := range c.Steps {
		c.Steps[i].CABundle, c.Steps[i].Netrc = nil, nil
	}
	if has() {
		t.Error("steps that fetch nothing are told the proxy")
	}
}
