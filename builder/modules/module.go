package modules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// module is Gradle's module metadata.
type module struct {
	FormatVersion string `json:"formatVersion"`
	Component     struct {
		Group  string `json:"group"`
		Module string `json:"module"`
	} `json:"component"`
	Variants []variant `json:"variants"`
}

// variant is one form of a module, for one use.
type variant struct {
	Name         string         `json:"name"`
	Attributes   attributes     `json:"attributes"`
	Files        []variantFile  `json:"files"`
	Capabilities []capability   `json:"capabilities"`
	AvailableAt  *availableWord `json:"available-at"`
}

type variantFile struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

type capability struct {
	Group string `json:"group"`
	Name  string `json:"name"`
}

type availableWord struct {
	Group   string `json:"group"`
	Module  string `json:"module"`
	Version string `json:"version"`
}

// attributes are strings, numbers and booleans; here all are as text.
type attributes map[string]string

func (a *attributes) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*a = make(attributes, len(raw))
	for name, value := range raw {
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		(*a)[name] = text
	}
	return nil
}

// The attributes that decide. A variant without one fits every value.
const (
	usageAttribute       = "org.gradle.usage"
	categoryAttribute    = "org.gradle.category"
	elementsAttribute    = "org.gradle.libraryelements"
	bundlingAttribute    = "org.gradle.dependency.bundling"
	environmentAttribute = "org.gradle.jvm.environment"
	javaAttribute        = "org.gradle.jvm.version"
	kotlinAttribute      = "org.jetbrains.kotlin.platform.type"
)

// parseModule reads module metadata.
func parseModule(data []byte) (*module, error) {
	m := new(module)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("its module metadata cannot be read: %w", err)
	}
	if major, _, _ := strings.Cut(m.FormatVersion, "."); major != "1" {
		return nil, fmt.Errorf("its module metadata has the format version %q, and only 1 is known", m.FormatVersion)
	}
	return m, nil
}

// noVariant says that a module has nothing for the JVM's run time, though it
// is no platform.
type noVariant struct {
	release coordinate.Coordinate
	needs   int // the Java version that would do, 0 where none would
	java    int
	names   []string
}

func (e *noVariant) Error() string {
	if e.needs > 0 {
		return fmt.Sprintf("%s needs Java %d, and the runtime has Java %d", e.release, e.needs, e.java)
	}
	return fmt.Sprintf("none of the variants of %s is for the run time on a JVM: %s", e.release, strings.Join(e.names, ", "))
}

// choose returns the variant for the run time on a Java version, nil where the
// module is a platform, which contributes nothing.
func (m *module) choose(release coordinate.Coordinate, java int) (*variant, error) {
	var fit []*variant
	missed := &noVariant{release: release, java: java}
	platform := false
	for i := range m.Variants {
		v := &m.Variants[i]
		if category := v.Attributes[categoryAttribute]; category == "platform" || category == "enforced-platform" {
			platform = true
			continue
		}
		missed.names = append(missed.names, v.Name)
		if !v.forRunTime() || !m.isDefault(v, release) {
			continue
		}
		if needs := v.java(); needs > java {
			if missed.needs == 0 || needs < missed.needs {
				missed.needs = needs
			}
			continue
		}
		fit = append(fit, v)
	}
	if len(fit) == 0 {
		if platform && missed.needs == 0 {
			return nil, nil
		}
		return nil, missed
	}
	fit = preferred(fit)
	for _, other := range fit[1:] {
		if !sameContent(fit[0], other) {
			return nil, fmt.Errorf("%s has several variants for the run time on a JVM, %s and %s, and nothing says which", release, fit[0].Name, other.Name)
		}
	}
	return fit[0], nil
}

// forRunTime tells whether the variant is one of jars for the run time.
func (v *variant) forRunTime() bool {
	among := func(attribute string, values ...string) bool {
		value, has := v.Attributes[attribute]
		return !has || slices.Contains(values, value)
	}
	return among(usageAttribute, "java-runtime", "java-runtime-jars") &&
		among(categoryAttribute, "library") &&
		among(elementsAttribute, "jar") &&
		among(bundlingAttribute, "external", "embedded", "shadowed") &&
		among(kotlinAttribute, "jvm", "androidJvm")
}

// isDefault tells whether the variant stands for the module itself. One with
// other capabilities only, such as test fixtures, must be asked for by name.
func (m *module) isDefault(v *variant, release coordinate.Coordinate) bool {
	return len(v.Capabilities) == 0 || slices.ContainsFunc(v.Capabilities, func(c capability) bool {
		return c.Group == release.Group && c.Name == release.Artifact ||
			c.Group == m.Component.Group && c.Name == m.Component.Module
	})
}

// java is the oldest Java version that the variant runs on, 0 where it does not say.
func (v *variant) java() int {
	n, _ := strconv.Atoi(v.Attributes[javaAttribute])
	return n
}

// preferred narrows variants that all fit, one attribute after the other.
func preferred(fit []*variant) []*variant {
	rank := func(v *variant, attribute, best string) int {
		switch value, has := v.Attributes[attribute]; {
		case value == best:
			return 0
		case !has:
			return 1
		}
		return 2
	}
	for _, order := range []func(v *variant) int{
		func(v *variant) int { return rank(v, environmentAttribute, "standard-jvm") },
		func(v *variant) int { return rank(v, bundlingAttribute, "external") },
		func(v *variant) int { return rank(v, kotlinAttribute, "jvm") },
		func(v *variant) int { return -v.java() },
		func(v *variant) int { return len(v.Attributes) }, // as Gradle does: the fewer it was not asked for
	} {
		best := order(slices.MinFunc(fit, func(a, b *variant) int { return cmp.Compare(order(a), order(b)) }))
		fit = slices.DeleteFunc(slices.Clone(fit), func(v *variant) bool { return order(v) != best })
	}
	return fit
}

func sameContent(a, b *variant) bool {
	if a.AvailableAt != nil || b.AvailableAt != nil {
		return a.AvailableAt != nil && b.AvailableAt != nil && *a.AvailableAt == *b.AvailableAt
	}
	return slices.Equal(a.Files, b.Files)
}
