package builder

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// runtimeFields are those of a runtime that the configuration adds to the
// table, or changes there. doc/config.md describes each row.
var runtimeFields = []field[runtimes.Info]{
	{"os", stringSchema, func(v value, into *runtimes.Info) { into.OS, _ = v.str() }},
	{"glibc", glibcSchema, func(v value, into *runtimes.Info) { into.Glibc = v.glibc() }},
	{"image", stringSchema, func(v value, into *runtimes.Info) { into.Image, _ = v.str() }},
	{"buildImage", stringSchema, func(v value, into *runtimes.Info) { into.BuildImage, _ = v.str() }},
	{"interpreter", stringSchema, func(v value, into *runtimes.Info) { into.Interpreter, _ = v.str() }},
	{"libraries", librariesSchema, func(v value, into *runtimes.Info) { into.Libraries = v.libraries() }},
	{"deprecated", dateSchema, func(v value, into *runtimes.Info) { into.Deprecated = v.date() }},
}

// runtimeTable reads the rows that win over those of [runtimes.Table]. A
// runtime that the table lacks begins as its name has it.
func (v value) runtimeTable() []runtimes.Info {
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping of runtimes to their facts")
		return nil
	}
	var rows []runtimes.Info
	for _, e := range v.d.entries(v.node) {
		row := value{v.d, "runtime " + short(e.name), e.line, e.node}
		info, ok := runtimes.Lookup(e.name)
		if !ok {
			info, ok = runtimes.New(e.name)
		}
		if !ok || !info.Served() {
			row.addf("it is Lambda's identifier, for example python3.15, nodejs26.x or java29",
				"%q names no runtime of a language that layerbuild installs packages for", short(e.name))
			continue
		}
		os := info.OS
		lines := mapping(row, runtimeFields, &info)
		if lines["glibc"] == 0 && info.OS != os {
			if info.Glibc, ok = runtimes.GlibcOf(info.OS); !ok {
				row.addf(`add for example glibc: "2.34"`, "the C library of %q is not known", short(info.OS))
			}
		}
		rows = append(rows, info)
	}
	return rows
}

var glibcPattern = regexp.MustCompile(`^([0-9]{1,3})\.([0-9]{1,3})$`)

func glibcSchema() schema { return schema{"type": "string", "pattern": glibcPattern.String()} }

func (v value) glibc() runtimes.Glibc {
	s, ok := v.str()
	m := glibcPattern.FindStringSubmatch(s)
	if m == nil {
		if ok {
			v.addf(`for example glibc: "2.34"`, "%q is no version of the GNU C library", short(s))
		}
		return runtimes.Glibc{}
	}
	major, _ := strconv.Atoi(m[1]) // the pattern has digits only
	minor, _ := strconv.Atoi(m[2])
	return runtimes.Glibc{Major: major, Minor: minor}
}

// libraryPattern is that of a shared library's name as files ask for it.
const libraryPattern = `^[A-Za-z0-9_.+-]+\.so(\.[A-Za-z0-9_.+-]+)?$`

var libraryForm = regexp.MustCompile(libraryPattern)

func librariesSchema() schema {
	return schema{"type": "array", "items": schema{"type": "string", "pattern": libraryPattern}}
}

func (v value) libraries() string {
	names := v.strs()
	for _, name := range names {
		if !libraryForm.MatchString(name) {
			v.addf("for example libraries: [libpq.so.5]", "%q is no name of a shared library", short(name))
		}
	}
	return strings.Join(names, " ")
}

func dateSchema() schema { return schema{"type": "string", "format": "date"} }

func (v value) date() string {
	s, ok := v.str()
	if _, err := time.Parse(time.DateOnly, s); ok && err != nil {
		v.addf(`for example deprecated: "2027-06-30"`, "%q is no date", short(s))
	}
	return s
}

// Lookup finds a runtime: in the configuration, then in the table.
func (c *Config) Lookup(name string) (runtimes.Info, bool) {
	for _, info := range c.Runtimes {
		if info.Name == name {
			return info, true
		}
	}
	return runtimes.Lookup(name)
}

// deprecation says that a runtime is deprecated on day, a date like
// "2026-11-25"; "" where it is not.
func deprecation(info runtimes.Info, day string) string {
	if info.Deprecated == "" || day < info.Deprecated {
		return ""
	}
	return fmt.Sprintf("Lambda has deprecated %s on %s: functions of it can soon be neither created nor updated", info.Name, info.Deprecated)
}
