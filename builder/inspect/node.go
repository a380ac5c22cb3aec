package inspect

import (
	"encoding/json"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/builder/check"
)

// maxJSON is more than any package.json has.
const maxJSON = 4 << 20

// node finds the packages below node_modules. Each is known by its folder, which
// is what lock files and require name, and not by what its package.json says.
func (r *reader) node() {
	folders := make(map[string]*Package)
	for _, name := range r.paths {
		folder, pkg := check.NodeFolder(name)
		if r.owner[name] != nil || pkg == "" || strings.HasPrefix(pkg, ".") {
			continue
		}
		p := folders[folder]
		if p == nil {
			version, license := r.packageJSON(path.Join(folder, "package.json"))
			p = r.add(Node, pkg, version, folder)
			p.license(license)
			folders[folder] = p
		}
		r.owner[name] = p
	}
}

// packageJSON reads the version and the licence of a package, "" where the file
// does not say.
func (r *reader) packageJSON(name string) (version, license string) {
	f, ok := r.t[name]
	if !ok || !f.Mode.IsRegular() {
		return "", ""
	}
	data, err := f.ReadAll(maxJSON)
	if err != nil {
		return "", ""
	}
	return parsePackageJSON(data)
}

// parsePackageJSON takes every kind of each field that registries hold.
func parsePackageJSON(data []byte) (version, license string) {
	var m struct {
		Version  json.RawMessage `json:"version"`
		License  json.RawMessage `json:"license"`
		Licenses json.RawMessage `json:"licenses"`
	}
	if json.Unmarshal(data, &m) != nil {
		return "", ""
	}
	_ = json.Unmarshal(m.Version, &version) // another kind is no version
	if license = licenseOf(m.License); license == "" {
		license = licenseOf(m.Licenses)
	}
	return version, license
}

// licenseOf reads a licence: its name, an object with its type, or, as before
// npm 1.2, a list of them, of which one may be chosen.
func licenseOf(data json.RawMessage) string {
	var name string
	if json.Unmarshal(data, &name) == nil {
		return name
	}
	var object struct{ Type, Name string }
	if json.Unmarshal(data, &object) == nil {
		if object.Type == "" {
			return object.Name
		}
		return object.Type
	}
	var list []json.RawMessage
	var names []string
	if json.Unmarshal(data, &list) == nil {
		for _, one := range list {
			if len(one) > 0 && one[0] != '[' {
				if name := licenseOf(one); name != "" {
					names = append(names, name)
				}
			}
		}
	}
	return strings.Join(names, " OR ")
}
