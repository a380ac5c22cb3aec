package direct

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// member is an entry of a tarball that a test makes. Its zero kind is a file.
type tarMember struct {
	name string
	data string
	kind byte
	mode int64              // 0: 0644
	link string             // target
	edit func(block []byte) // may lie, before the checksum is made
}

// tarballSpec is a tarball that a test makes.
type tarballSpec struct {
	members []tarMember
	bare    bool   // no end of the archive
	after   string // what follows the archive in the tar
	plain   bool   // not compressed
	garbage string // what follows the gzip file
	halves  bool   // a gzip file of two parts
}

// tarOf is one with a package.json and the given members.
func tarOf(packageJSON string, members ...tarMember) tarballSpec {
	return tarballSpec{members: append([]tarMember{{name: "package/package.json", data: packageJSON}}, members...)}
}

func (m tarMember) write(b *bytes.Buffer) {
	block := make([]byte, tarBlock)
	copy(block, m.name)
	mode := m.mode
	if mode == 0 {
		mode = 0o644
	}
	kind := m.kind
	if kind == 0 {
		kind = kindFile
	}
	copy(block[100:], fmt.Sprintf("%07o\x00", mode))
	copy(block[108:], "0000000\x000000000\x00")
	copy(block[124:], fmt.Sprintf("%011o\x00", len(m.data)))
	copy(block[136:], "00000000000\x00")
	block[156] = kind
	copy(block[157:], m.link)
	copy(block[257:], "ustar\x0000")
	if m.edit != nil {
		m.edit(block)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", checksum((*[tarBlock]byte)(block))))
	b.Write(block)
	b.WriteString(m.data)
	b.Write(make([]byte, -len(m.data)&(tarBlock-1)))
}

func (s tarballSpec) build(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, m := range s.members {
		m.write(&b)
	}
	if !s.bare {
		b.Write(make([]byte, 2*tarBlock))
	}
	b.WriteString(s.after)
	if s.plain {
		return b.Bytes()
	}
	parts := [][]byte{b.Bytes()}
	if s.halves {
		parts = [][]byte{b.Bytes()[:700], b.Bytes()[700:]}
	}
	var out bytes.Buffer
	for _, part := range parts {
		z := gzip.NewWriter(&out)
		if _, err := z.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	out.WriteString(s.garbage)
	return out.Bytes()
}

// pax is an extended header.
func pax(kind byte, records ...string) tarMember {
	var text string
	for _, r := range records {
		n := len(r) + 3
		for len(fmt.Sprintf("%d %s\n", n, r)) != n {
			n++
		}
		text += fmt.Sprintf("%d %s\n", n, r)
	}
	return tarMember{name: "PaxHeader/x", kind: kind, data: text}
}

// sri is a subresource integrity.
func sri(data []byte) string {
	sum := sha512.Sum512(data)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// npmPackage is a package as a recipe has it, for a given tarball.
func npmPackage(name string, data []byte, places ...string) runtimes.Package {
	if len(places) == 0 {
		places = []string{"node_modules/" + name}
	}
	return runtimes.Package{Name: name, Version: "1.0.0", Places: places, File: runtimes.File{
		Name: tarballName(name, "1.0.0"), Integrity: sri(data), Size: int64(len(data)),
	}}
}

func npmRecipe(packages ...runtimes.Package) runtimes.Recipe {
	return runtimes.Recipe{Runtime: "nodejs", Prefix: "nodejs/node_modules", Packages: packages}
}

// downloaded is a folder that holds the given tarballs already.
func downloaded(t testing.TB, all ...[]byte) folder {
	t.Helper()
	d := folder(t.TempDir())
	for _, data := range all {
		sum := sha512.Sum512(data)
		if err := os.WriteFile(filepath.Join(string(d), hex.EncodeToString(sum[:])), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// unpackedTree gives the tree that the engine makes of one package: path below
// its place → mode and content.
func unpackedTree(t testing.TB, data []byte) (map[string]string, error) {
	t.Helper()
	pkg := npmPackage("pkg", data, "p")
	var b bytes.Buffer
	e := Engine{Downloads: downloaded(t, data)}
	if err := e.Install(t.Context(), npmRecipe(pkg), &b, nil); err != nil {
		return nil, err
	}
	tree := map[string]string{}
	for name, file := range readTar(t, &b) {
		tree[name[len("p/"):]] = file
	}
	return tree, nil
}
