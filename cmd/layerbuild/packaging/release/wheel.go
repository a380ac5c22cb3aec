package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

const pypiFolder = "cmd/layerbuild/packaging/pypi/"

// wheel writes the wheel that holds the program for a target: a file of its
// scripts, which installers put where commands belong.
func (r *release) wheel(ctx context.Context, t target, program []byte) error {
	metadata, err := os.ReadFile(pypiFolder + "METADATA")
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(pypiFolder + "README.md")
	if err != nil {
		return err
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	const none = "Version: 0.0.0\n"
	if strings.Count(string(metadata), none) != 1 {
		return fmt.Errorf("%sMETADATA does not say %q once", pypiFolder, none)
	}
	about := strings.Replace(string(metadata), none, "Version: "+r.version.python()+"\n", 1) + "\n" + string(readme)

	base := "layerbuild-" + r.version.python()
	info := base + ".dist-info/"
	files := []file{
		{base + ".data/scripts/" + t.program(), program, true},
		{info + "METADATA", []byte(about), false},
		{info + "WHEEL", []byte(wheelText(t.wheel)), false},
		{info + "licenses/LICENSE", license, false},
	}
	var record strings.Builder
	for _, f := range files {
		sum := sha256.Sum256(f.data)
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", f.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(f.data))
	}
	record.WriteString(info + "RECORD,,\n")
	files = append(files, file{info + "RECORD", []byte(record.String()), false})
	data, err := packZip(ctx, files)
	if err != nil {
		return err
	}
	return r.write("pypi/"+base+"-py3-none-"+t.wheel+".whl", data)
}

// wheelText is the file WHEEL, with a line for each of the tags in the name.
func wheelText(platforms string) string {
	text := "Wheel-Version: 1.0\nGenerator: layerbuild\nRoot-Is-Purelib: false\n"
	for platform := range strings.SplitSeq(platforms, ".") {
		text += "Tag: py3-none-" + platform + "\n"
	}
	return text
}
