package java

import (
	"io/fs"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// gradleCatalog is Gradle's default version catalog. It only serves to call
// things as the project does: what is installed, the lock decides.
const gradleCatalog = "gradle/libs.versions.toml"

const maxCatalog = 4 << 20

// catalogName is the name of a module "group:artifact" in the version catalog,
// in the form that a build script has it ("libs.commons.lang3"), or "".
func catalogName(project fs.FS, dir, module string) string {
	file := findAbove(project, dir, gradleCatalog)
	if file == "" {
		return ""
	}
	data, err := readBounded(project, file, maxCatalog)
	if err != nil {
		return ""
	}
	return catalogAlias(data, module)
}

// catalogAlias does not complain of a catalog that it cannot read: Gradle does.
func catalogAlias(data []byte, module string) string {
	var catalog struct {
		Libraries map[string]any `toml:"libraries"`
	}
	if toml.Unmarshal(data, &catalog) != nil {
		return ""
	}
	found := ""
	for alias, library := range catalog.Libraries {
		name := ""
		switch l := library.(type) {
		case string: // "group:artifact:version"
			if i := strings.LastIndex(l, ":"); i > 0 {
				name = l[:i]
			}
		case map[string]any:
			name, _ = l["module"].(string)
			if group, ok := l["group"].(string); ok {
				artifact, _ := l["name"].(string)
				name = group + ":" + artifact
			}
		}
		if name == module && (found == "" || alias < found) {
			found = alias
		}
	}
	if found == "" {
		return ""
	}
	return "libs." + strings.NewReplacer("-", ".", "_", ".").Replace(found)
}
