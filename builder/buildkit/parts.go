package buildkit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/util/staticfs"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/layerbuild/layerbuild/runtimes"
)

// partsName is what the session calls the files of parts.
const partsName = "layerbuild-parts"

// maxPart bounds a part's files in memory, in bytes.
const maxPart = 512 << 20

// withParts puts the files of parts where they belong in root. They go to the
// daemon with the session, which unlike the definition may be of any size.
func withParts(root llb.State, parts []runtimes.Part) (llb.State, fsutil.FS, error) {
	files, content := staticfs.NewFS(), sha256.New()
	for i, part := range parts {
		if part.Files == nil {
			return root, nil, fmt.Errorf("part %s is not there", part.Name)
		}
		top := strconv.Itoa(i)
		addFolders(files, top+"/x")
		for _, name := range part.Files.Paths() {
			f := part.Files[name]
			if f.Link != "" {
				addFolders(files, top+"/"+name)
				files.Add(top+"/"+name, &types.Stat{Mode: uint32(os.ModeSymlink | 0o777), Linkname: f.Link}, nil)
				fmt.Fprintf(content, "%q %q %q\n", top, name, f.Link)
				continue
			}
			if !f.Mode.IsRegular() {
				return root, nil, fmt.Errorf("part %s: %s is no regular file", part.Name, name)
			}
			data, err := f.ReadAll(maxPart)
			if err != nil {
				return root, nil, fmt.Errorf("part %s: %s: %w", part.Name, name, err)
			}
			addFolders(files, top+"/"+name)
			files.Add(top+"/"+name, &types.Stat{Mode: uint32(f.Mode.Perm())}, data)
			fmt.Fprintf(content, "%q %q %x\n", top, name, f.SHA256)
		}
	}
	local := llb.Local(partsName,
		llb.SharedKeyHint(partsName+"-"+hex.EncodeToString(content.Sum(nil))), // two builds at a time have two folders
		llb.WithCustomName("files of what was built"))
	for i, part := range parts {
		root = root.File(
			llb.Copy(local, "/"+strconv.Itoa(i)+"/", part.Path, &llb.CopyInfo{CopyDirContentsOnly: true, CreateDestPath: true}),
			llb.WithCustomName("bring "+part.Name))
	}
	return root, files, nil
}

// addFolders adds the folders that a file lies in.
func addFolders(files *staticfs.FS, name string) {
	var dirs []string
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	for _, dir := range dirs {
		if _, err := files.Open(strings.TrimPrefix(dir, "/")); err != nil {
			files.Add(dir, &types.Stat{Mode: uint32(os.ModeDir | 0o755)}, nil)
		}
	}
}
