package zipper_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/layerbuild/layerbuild/zipper"
)

func ExampleWrite() {
	const source = "print('hello')\n"
	entries := []zipper.Entry{
		{
			Name: "python/hello.py",
			Size: int64(len(source)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(source)), nil },
		},
		{Name: "python/main.py", Mode: fs.ModeSymlink, Link: "hello.py"},
	}
	ctx := context.Background()
	var archive bytes.Buffer
	info, err := zipper.Write(ctx, &archive, entries, zipper.Options{Verify: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := zipper.Verify(ctx, bytes.NewReader(archive.Bytes()), info.Size, info, zipper.Options{}); err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range info.Entries {
		fmt.Println(e.Mode, e.Size, e.Name)
	}
	fmt.Printf("%d bytes, SHA-256 %x…\n", info.Size, info.SHA256[:4])
	// Output:
	// -rw-r--r-- 15 python/hello.py
	// Lrwxrwxrwx 8 python/main.py
	// 255 bytes, SHA-256 5e45560e…
}
