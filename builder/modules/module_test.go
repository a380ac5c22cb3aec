package modules

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// v is a variant in few words: "name usage=java-runtime version=11 cap=g:x".
func v(text string) string {
	short := map[string]string{
		"usage": usageAttribute, "category": categoryAttribute, "elements": elementsAttribute,
		"bundling": bundlingAttribute, "env": environmentAttribute, "kotlin": kotlinAttribute,
	}
	fields := strings.Fields(text)
	attributes := map[string]any{}
	out := map[string]any{"name": fields[0], "attributes": attributes, "files": []map[string]string{{"name": fields[0], "url": fields[0] + ".jar"}}}
	for _, field := range fields[1:] {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "java":
			attributes[javaAttribute] = json.Number(value)
		case "cap":
			group, name, _ := strings.Cut(value, ":")
			out["capabilities"] = []map[string]string{{"group": group, "name": name, "version": "1"}}
		case "file":
			out["files"] = []map[string]string{{"name": value, "url": value}}
		default:
			attributes[short[key]] = value
		}
	}
	data, _ := json.Marshal(out)
	return string(data)
}

func TestChoose(t *testing.T) {
	const library = " category=library elements=jar bundling=external usage=java-"
	for name, test := range map[string]struct {
		variants []string
		want     string // a variant, "" for nothing
		err      string
	}{
		"plain":        {variants: []string{"api" + library + "api", "run" + library + "runtime", "docs category=documentation usage=java-runtime"}, want: "run"},
		"first is not": {variants: []string{"run" + library + "runtime", "api" + library + "api"}, want: "run"},
		"old words":    {variants: []string{"api usage=java-api-jars", "run usage=java-runtime-jars", "classes usage=java-runtime-classes"}, want: "run"},
		"sources":      {variants: []string{"run" + library + "runtime", "sources usage=java-runtime category=documentation"}, want: "run"},
		"classes":      {variants: []string{"run" + library + "runtime", "classes category=library elements=classes usage=java-runtime"}, want: "run"},
		"no words":     {variants: []string{"run"}, want: "run"},
		"platform":     {variants: []string{"apiElements category=platform usage=java-api", "runtimeElements category=platform usage=java-runtime", "enforced category=enforced-platform usage=java-runtime"}},
		"platform and library": {
			variants: []string{"platform category=platform usage=java-runtime", "run" + library + "runtime"}, want: "run",
		},
		"guava": {
			variants: []string{"android env=android java=8" + library + "runtime", "jre env=standard-jvm java=8" + library + "runtime"}, want: "jre",
		},
		"android only": {variants: []string{"android env=android" + library + "runtime"}, want: "android"},
		"kotlin": {
			variants: []string{
				"metadata usage=kotlin-metadata kotlin=common category=library", "js usage=kotlin-runtime kotlin=js category=library",
				"native usage=kotlin-api kotlin=native category=library", "jvm usage=java-runtime kotlin=jvm env=standard-jvm category=library",
				"android usage=java-runtime kotlin=androidJvm env=android category=library",
			}, want: "jvm",
		},
		"newest Java that fits": {variants: []string{"run8 java=8" + library + "runtime", "run11 java=11" + library + "runtime", "run21 java=21" + library + "runtime"}, want: "run11"},
		"Java too new":          {variants: []string{"run21 java=21" + library + "runtime", "run25 java=25" + library + "runtime"}, err: "g:m:1 needs Java 21, and the runtime has Java 17"},
		"shadowed":              {variants: []string{"shadow category=library bundling=shadowed elements=jar usage=java-runtime", "run" + library + "runtime"}, want: "run"},
		"only shadowed":         {variants: []string{"shadow category=library bundling=shadowed usage=java-runtime"}, want: "shadow"},
		"test fixtures":         {variants: []string{"fixtures cap=g:m-test-fixtures" + library + "runtime", "run" + library + "runtime"}, want: "run"},
		"own capability":        {variants: []string{"run cap=g:m" + library + "runtime", "other cap=h:m" + library + "runtime"}, want: "run"},
		"root's capability":     {variants: []string{"run cap=root:r" + library + "runtime"}, want: "run"},
		"fixtures only":         {variants: []string{"fixtures cap=g:x" + library + "runtime"}, err: "none of the variants of g:m:1 is for the run time on a JVM: fixtures"},
		"native only":           {variants: []string{"native usage=kotlin-api kotlin=native"}, err: "none of the variants of g:m:1 is for the run time on a JVM: native"},
		"android archive":       {variants: []string{"release usage=java-runtime category=library elements=aar"}, err: "none of the variants"},
		"two alike":             {variants: []string{"a file=x.jar" + library + "runtime", "b file=x.jar" + library + "runtime"}, want: "a"},
		"two":                   {variants: []string{"a" + library + "runtime", "b" + library + "runtime"}, err: "several variants for the run time on a JVM, a and b"},
		"fewer words":           {variants: []string{"a java=8" + library + "runtime", "b kotlin=jvm java=8" + library + "runtime"}, want: "b"},
		"none":                  {err: "none of the variants"},
	} {
		t.Run(name, func(t *testing.T) {
			var all []string
			for _, text := range test.variants {
				all = append(all, v(text))
			}
			m, err := parseModule([]byte(`{"formatVersion":"1.1","component":{"group":"root","module":"r"},"variants":[` + strings.Join(all, ",") + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.choose(coordinate.Coordinate{Group: "g", Artifact: "m", Version: "1"}, 17)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, %v, want %s", got, err, test.err)
				}
				return
			}
			name := ""
			if got != nil {
				name = got.Name
			}
			if err != nil || name != test.want {
				t.Errorf("got %q, %v, want %q", name, err, test.want)
			}
		})
	}
}

func FuzzModuleMetadata(f *testing.F) {
	f.Add([]byte(`{"formatVersion":"1.1","component":{"group":"g","module":"m"},"variants":[` + v("run usage=java-runtime java=11 cap=g:m") + `,` + v("p category=platform") + `]}`))
	f.Add([]byte(`{"formatVersion":"1.1","variants":[{"name":"a","attributes":{"org.gradle.jvm.version":"x","b":true,"c":null},"available-at":{"group":"g","module":"n","version":"1"}}]}`))
	f.Add([]byte(`{"formatVersion":"1.1","variants":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseModule(data)
		if err != nil {
			return
		}
		chosen, err := m.choose(coordinate.Coordinate{Group: "g", Artifact: "m", Version: "1"}, 17)
		if err == nil && chosen != nil && (!chosen.forRunTime() || chosen.java() > 17) {
			t.Errorf("chose %+v", chosen)
		}
	})
}

func FuzzPOM(f *testing.F) {
	f.Add([]byte(pomText("<packaging>${a}</packaging><properties><a>${b}</a><b>pom</b></properties>")))
	f.Add([]byte(pomText(redirect + "<distributionManagement><relocation><version>${project.version}</version></relocation></distributionManagement>")))
	f.Add([]byte("<project><properties><a>${a}${a}</a></properties><packaging>${a}</packaging></project>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePOM(coordinate.Coordinate{Group: "g", Artifact: "m", Version: "1"}, data)
		if err != nil || p.relocation == nil {
			return
		}
		if _, err := coordinate.Parse(p.relocation.String()); err != nil {
			t.Errorf("relocated to %v: %v", p.relocation, err)
		}
	})
}
