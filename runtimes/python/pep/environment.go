package pep

import (
	"slices"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Environment is what markers are evaluated against. The fields are the
// markers' variables under their own names.
type Environment struct {
	PythonVersion                string // "3.11"
	PythonFullVersion            string // "3.11.14"
	OSName                       string // "posix"
	SysPlatform                  string // "linux"
	PlatformSystem               string // "Linux"
	PlatformMachine              string // "x86_64", "aarch64"
	PlatformPythonImplementation string // "CPython"
	ImplementationName           string // "cpython"
	ImplementationVersion        string // "3.11.14"
	PlatformRelease              string // of the kernel
	PlatformVersion              string // of the kernel

	// Extras are those asked for. `extra == 'x'` is true where x is among
	// them, `'x' in extras` (PEP 751) as well. Names need not be normalised.
	Extras []string

	// DependencyGroups are those asked for: `'x' in dependency_groups`.
	DependencyGroups []string
}

// patchReleases are the newest releases of each Python on 2026-11-23. Lambda
// documents no patch release and moves to newer ones by itself, so
// python_full_version is an assumption: a marker that tells two patch releases
// of one Python apart is evaluated for these.
var patchReleases = map[string]string{
	"3.9":  "3.9.25",
	"3.10": "3.10.22",
	"3.11": "3.11.18",
	"3.12": "3.12.16",
	"3.13": "3.13.18",
	"3.14": "3.14.10",
}

// EnvironmentFor is the environment of t's runtime. The kernel's release and
// version are empty, as where they cannot be told: Lambda promises none.
func EnvironmentFor(t runtimes.Target) Environment {
	full, ok := patchReleases[t.Runtime.Version]
	if !ok {
		full = t.Runtime.Version + ".0"
	}
	return Environment{
		PythonVersion:                t.Runtime.Version,
		PythonFullVersion:            full,
		OSName:                       "posix",
		SysPlatform:                  "linux",
		PlatformSystem:               "Linux",
		PlatformMachine:              machine(t.Arch),
		PlatformPythonImplementation: "CPython",
		ImplementationName:           "cpython",
		ImplementationVersion:        full,
		Extras:                       slices.Clone(t.Extras),
		DependencyGroups:             slices.Clone(t.Groups),
	}
}

// value is the value of a variable that holds one string.
func (env Environment) value(name string) string {
	switch name {
	case "python_version":
		return env.PythonVersion
	case "python_full_version":
		return env.PythonFullVersion
	case "os_name":
		return env.OSName
	case "sys_platform":
		return env.SysPlatform
	case "platform_system":
		return env.PlatformSystem
	case "platform_machine":
		return env.PlatformMachine
	case "platform_python_implementation":
		return env.PlatformPythonImplementation
	case "implementation_name":
		return env.ImplementationName
	case "implementation_version":
		return env.ImplementationVersion
	case "platform_release":
		return env.PlatformRelease
	case "platform_version":
		return env.PlatformVersion
	}
	return ""
}
