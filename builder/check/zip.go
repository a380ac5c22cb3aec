package check

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The ids of the checks on zip files that somebody else may have made.
const (
	ZipRefused = "zip-refused"
	ZipFolder  = "zip-folder"
	Zip64      = "zip64"
)

var zipRules = []Rule{
	{ZipRefused, Error, "a zip file that is damaged, or that programs which read it understand differently", "What Lambda makes of such a file is luck: \"Could not unzip uploaded file\", or another layer than was meant. Encrypted entries, names with a backslash, bytes that belong to no entry and more than 1 GiB of content are refused, too. doc/zip.md lists what is.",
		"make the zip anew: layerbuild zip packs a folder"},
	{ZipFolder, Error, "a folder in a zip file that Lambda's user may not enter", "Lambda unpacks folders with the mode that the zip states and runs functions as a user of its own: the function ends with \"permission denied\", or does not find its modules.",
		"give folders the mode 0755 before they are packed, or pack them with layerbuild zip"},
	{Zip64, Warning, "a zip file that uses zip64 and need not", "Not every unpacker reads the extension zip64, and Lambda is known to refuse some such archives.",
		"pack a seekable file, or the folder with layerbuild zip, which never uses it"},
}

// A Zip is a zip file of any origin.
type Zip struct {
	Tree    runtimes.Tree
	Folders map[string]fs.FileMode // those that have an entry of their own
	Zip64   bool
	Refused error // why there is no tree, nil where there is one
}

// GatherZip reads a zip file for the checks: those of its tree, as Gather does,
// and those of the file itself.
func GatherZip(z Zip, limit int64) Facts {
	if z.Refused != nil {
		return Facts{Version: factsVersion, Found: []Finding{{ID: ZipRefused, Problem: z.Refused.Error()}}}
	}
	own(z.Tree)
	facts := Gather(z.Tree, limit)
	for _, name := range slices.Sorted(maps.Keys(z.Folders)) {
		if mode := z.Folders[name]; mode&0o005 != 0o005 {
			facts.Found = append(facts.Found, Finding{ID: ZipFolder, Path: name, Problem: fmt.Sprintf("is a folder with the mode %04o, which not everybody may read and enter", mode.Perm())})
		}
	}
	if z.Zip64 {
		facts.Found = append(facts.Found, Finding{ID: Zip64, Problem: "it uses the extension zip64"})
	}
	return facts
}
