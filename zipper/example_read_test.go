package zipper_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/layerbuild/layerbuild/zipper"
)

// Open lists and reads a zip file that need not be trusted.
func ExampleOpen() {
	f, err := os.Open("testdata/small.zip")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		fmt.Println(err)
		return
	}
	// A function's layers may have 262,144,000 bytes, unzipped.
	archive, err := zipper.Open(f, info.Size(), zipper.Limits{Unzipped: 262_144_000})
	if errors.Is(err, zipper.ErrRefused) {
		fmt.Println("not safe to unzip:", err)
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range archive.Entries {
		e := &archive.Entries[i]
		if e.Mode.Type() == fs.ModeSymlink {
			target, err := e.Link()
			fmt.Println(e.Mode, e.Name, "->", target, err)
			continue
		}
		content := e.Open()
		n, err := io.Copy(io.Discard, content) // verifies size and CRC-32
		content.Close()
		fmt.Println(e.Mode, e.Name, n, err)
	}
	// Output:
	// -rw-r--r-- python.txt 500 <nil>
	// drwxr-xr-x python/ 0 <nil>
	// -rw-r--r-- python/Grüße.txt 3 <nil>
	// drwxr-xr-x python/data/ 0 <nil>
	// -rw-r--r-- python/empty 0 <nil>
	// Lrwxrwxrwx python/lib.so -> lib.so.1 <nil>
	// -rw-r--r-- python/mod.py 700 <nil>
	// -rw-r--r-- python/noise.bin 300 <nil>
	// -rwxr-xr-x python/tool 52 <nil>
	// Lrwxrwxrwx python/ünïcode -> Grüße.txt <nil>
}
