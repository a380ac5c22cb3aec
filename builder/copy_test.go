package builder

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCopyScript runs the script that copies out of images, on a folder of
// this machine.
func TestCopyScript(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"lib/libown.so.5.15": "pq", "lib/libssl.so.3": "ssl", "lib/lib with blank.so": "blank",
		"other/libz.so.1.3": "z", "other/libssl.so.3": "another", "lib/more/deep.so": "deep",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"lib/libown.so": "libown.so.5", "lib/libown.so.5": root + "/lib/libown.so.5.15", // absolute, and in its folder
		"lib/libz.so.1": "../other/libz.so.1.3", "lib/gone.so": "nowhere.so",
		"lib/alike.so": "../lib/libssl.so.3",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		copies string // FROM below the root and TO, in turn
		want   string // files with their contents and targets
	}{
		{"lib/libown.so.5 lib", "lib/libown.so.5>libown.so.5.15 lib/libown.so.5.15=pq"},
		{"lib/libown.so lib", "lib/libown.so>libown.so.5 lib/libown.so.5>libown.so.5.15 lib/libown.so.5.15=pq"},
		{"lib/libown* lib", "lib/libown.so>libown.so.5 lib/libown.so.5>libown.so.5.15 lib/libown.so.5.15=pq"},
		{"lib/libz.so.1 lib", "lib/libz.so.1=z"},
		{"lib/alike.so lib", "lib/alike.so>libssl.so.3 lib/libssl.so.3=ssl"},
		{"*/libz.so.1.3 .", "libz.so.1.3=z"},
		{"lib/mor* a", ""}, // a folder is nothing that * takes
		{"lib/more/* lib/x", "lib/x/deep.so=deep"},
		{"lib/*blank.so lib", "lib/lib with blank.so=blank"},
		{"lib/more lib", ".layerbuild-copy=ROOT/lib/more is a folder: ROOT/lib/more/* takes its files\n"},
		{"lib/libssl.so.3 lib other/libssl.so.3 lib", ".layerbuild-copy=two files would be put at lib/libssl.so.3: ROOT/lib/libssl.so.3 and ROOT/other/libssl.so.3\n lib/libssl.so.3=ssl"},
		{"lib/libssl.so.3 lib lib/libssl.so.3 lib", "lib/libssl.so.3=ssl"},
		{"lib/libown.so.6 lib lib/libssl.so.3 lib", ".layerbuild-copy=ROOT/lib/libown.so.6 is not in the image; near: ROOT/lib/libown.so ROOT/lib/libown.so.5 ROOT/lib/libown.so.5.15\n lib/libssl.so.3=ssl"},
		{"lib/nothing* lib", ".layerbuild-copy=ROOT/lib/nothing* is not in the image; near: \n"},
		{"lib/gone.so lib", ".layerbuild-copy=ROOT/lib/gone.so is not in the image; near: \n"},
	} {
		output := filepath.Join(t.TempDir(), "layer")
		if err := os.Mkdir(output, 0o777); err != nil {
			t.Fatal(err)
		}
		args := []string{"copy.sh", output}
		for i, arg := range strings.Fields(test.copies) {
			if i%2 == 0 {
				arg = root + "/" + arg
			}
			args = append(args, arg)
		}
		if out, err := exec.Command("/bin/sh", args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", test.copies, err, out)
			continue
		}
		if got := strings.ReplaceAll(contents(t, output), root, "ROOT"); got != test.want {
			t.Errorf("%s: got %q\nwant %q", test.copies, got, test.want)
		}
	}
}

// contents are a folder's files: name=content, or name>target of a link.
func contents(t *testing.T, folder string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(folder, name)
		if err != nil {
			return err
		}
		if target, err := os.Readlink(name); err == nil {
			all = append(all, rel+">"+target)
			return nil
		}
		data, err := os.ReadFile(name)
		all = append(all, rel+"="+string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}
