package runtimes

import (
	"io/fs"
	"path"
	"strings"
)

// maxVersionFile bounds what is read of a file that names a version.
const maxVersionFile = 64 << 10

// VersionFile reads the nearest file of one of the names, in dir or a folder
// above it: its first line that says something. asdf's .tool-versions is read
// for the tool instead. file is "" where there is none.
func VersionFile(project fs.FS, dir, tool string, names ...string) (file, version string) {
	for at := path.Clean(dir); ; at = path.Dir(at) {
		for _, name := range append(names, ".tool-versions") {
			file := path.Join(at, name)
			info, err := fs.Stat(project, file)
			if err != nil || info.IsDir() || info.Size() > maxVersionFile {
				continue
			}
			data, err := fs.ReadFile(project, file)
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(data)) {
				line, _, _ = strings.Cut(line, "#")
				words := strings.Fields(line)
				if name == ".tool-versions" {
					if len(words) < 2 || words[0] != tool {
						continue
					}
					words = words[1:]
				}
				if len(words) > 0 {
					return file, words[0]
				}
			}
		}
		if at == "." {
			return "", ""
		}
	}
}
