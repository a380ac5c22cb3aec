package check_test

import (
	"debug/elf"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// needing is a library for x86_64 that needs others.
func needing(libraries ...string) elfImage {
	return elfImage{machine: elf.EM_X86_64, needs: append(libraries, "libc.so.6 GLIBC_2.17")}
}

// layerOf is a tree of files by "package:path".
func layerOf(files map[string]elfImage) runtimes.Tree {
	t := runtimes.Tree{}
	for name, image := range files {
		pkg, at, _ := strings.Cut(name, ":")
		t[at] = file(pkg, elfFile(image))
	}
	return t
}

// wheel is the metadata of a package, which says how its file was made.
func wheel(pkg, tag string) runtimes.TreeFile {
	return file(pkg, []byte("Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-"+tag+"\n"))
}

func plantedInLinks() []planted {
	with := func(t runtimes.Tree, name string, f runtimes.TreeFile) runtimes.Tree {
		t[name] = f
		return t
	}
	paths := func(i elfImage) runtimes.Tree { return layerOf(map[string]elfImage{":python/_x.so": i}) }
	node := check.Target{Runtime: row("nodejs22.x"), Arch: runtimes.X86_64}
	const site = "python/lib/python3.11/site-packages/"
	return []planted{
		{"own", al2, paths(needing("libpq.so.5")), check.ELFNeeded, "python/_x.so"},
		{"a program", al2, layerOf(map[string]elfImage{":bin/jq": needing(), ":lib/libjq.so.1": needing("libonig.so.2")}), check.ELFNeeded, "lib/libjq.so.1"},
		{"a wheel", al2, layerOf(map[string]elfImage{"pyodbc:python/pyodbc.so": needing("libodbc.so.2")}), check.ELFNeeded, "python/pyodbc.so"},
		{"a wheel of libraries", al2, layerOf(map[string]elfImage{"lightgbm:python/lightgbm/lib/lib_lightgbm.so": needing("libgomp.so.1")}),
			check.ELFNeeded, "python/lightgbm/lib/lib_lightgbm.so"},
		{"a library of the wheel's own needs it", al2, layerOf(map[string]elfImage{
			"cv2:python/cv2/cv2.so":                 needing("libQt5Gui-ad.so.5"),
			"cv2:python/cv2.libs/libQt5Gui-ad.so.5": needing("libGL.so.1"),
		}), check.ELFNeeded, "python/cv2/cv2.so"},
		{"compiled, a part", al2, with(layerOf(map[string]elfImage{"pillow:python/PIL/_imaging.so": needing("libjpeg.so.62"), "pillow:python/PIL/_math.so": needing()}),
			site+"pillow-12.0.dist-info/WHEEL", wheel("pillow", "linux_x86_64")), check.ELFNeeded, "python/PIL/_imaging.so"},
		{"manylinux, a part", al2, with(layerOf(map[string]elfImage{"numba:python/numba/tbb.so": needing("libtbb.so.12"), "numba:python/numba/_helper.so": needing()}),
			site+"numba-0.62.dist-info/WHEEL", wheel("numba", "manylinux_2_17_x86_64")), check.ELFPart, "python/numba/tbb.so"},
		{"a plugin that no module has linked", al2, layerOf(map[string]elfImage{"qt:python/qt/core.so": needing(), "qt:python/qt/plugins/libqxcb.so": needing("libX11.so.6")}),
			check.ELFPart, "python/qt/plugins/libqxcb.so"},
		{"an addon", node, layerOf(map[string]elfImage{"keytar:nodejs/node_modules/keytar/keytar.node": needing("libsecret-1.so.0")}),
			check.ELFNeeded, "nodejs/node_modules/keytar/keytar.node"},
		{"what only Amazon Linux 2 has", al2023, paths(needing("libcrypt.so.1")), check.ELFNeeded, "python/_x.so"},
		{"what only Amazon Linux 2023 has", al2, paths(needing("libssl.so.3")), check.ELFNeeded, "python/_x.so"},
		{"another Python", al2, paths(needing("libpython3.12.so.1.0")), check.ELFNeeded, "python/_x.so"},
		{"there for another machine", al2, layerOf(map[string]elfImage{
			"m:python/m/_m.so": needing("libm1.so.1"), "m:python/m/arm64/libm1.so.1": {machine: elf.EM_AARCH64},
		}), check.ELFNeeded, "python/m/_m.so"},
		{"in lib64", al2, layerOf(map[string]elfImage{":python/_x.so": needing("libpq.so.5"), ":lib64/libpq.so.5": needing()}), check.ELFUnsought, "python/_x.so"},
		{"in another package", al2, layerOf(map[string]elfImage{"a:python/a/_a.so": needing("libb.so.1"), "b:python/b/libb.so.1": needing()}), check.ELFUnsought, "python/a/_a.so"},
		{"a home folder", al2, paths(elfImage{machine: elf.EM_X86_64, runpath: "$ORIGIN:/home/me/project/lib"}), check.ELFPath, "python/_x.so"},
		{"below /tmp", al2, paths(elfImage{machine: elf.EM_X86_64, rpath: "/tmp/build/lib"}), check.ELFPath, "python/_x.so"},
		{"above the layer", al2, paths(elfImage{machine: elf.EM_X86_64, runpath: "$ORIGIN/../../../srv/lib"}), check.ELFPath, "python/_x.so"},
		{"the working folder", al2, paths(elfImage{machine: elf.EM_X86_64, runpath: "lib"}), check.ELFPath, "python/_x.so"},
	}
}

// TestNeededFound: what the loader finds, or what packages load by themselves,
// is no finding.
func TestNeededFound(t *testing.T) {
	java := check.Target{Runtime: row("java21"), Arch: runtimes.X86_64}
	old := check.Target{Runtime: row("python3.7"), Arch: runtimes.X86_64}
	added := al2
	added.Runtime.Libraries = "libpq.so.5 libldap.so.2"
	path := func(runpath string, libraries ...string) elfImage {
		i := needing(libraries...)
		i.runpath = runpath
		return i
	}
	named := func(soname string) elfImage {
		i := needing()
		i.soname = soname
		return i
	}
	for name, test := range map[string]struct {
		target check.Target
		tree   runtimes.Tree
	}{
		"the systems' own":           {al2, layerOf(map[string]elfImage{":python/_x.so": needing("libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "libm.so.6", "ld-linux-x86-64.so.2", "libcrypto.so.10")})},
		"OpenSSL 3":                  {al2023, layerOf(map[string]elfImage{":python/_x.so": needing("libssl.so.3", "libglib-2.0.so.0")})},
		"Python":                     {al2, layerOf(map[string]elfImage{":python/_x.so": needing("libpython3.11.so.1.0")})},
		"Java":                       {java, layerOf(map[string]elfImage{":lib/libjni.so": needing("libjvm.so")})},
		"added by the configuration": {added, layerOf(map[string]elfImage{":python/_x.so": needing("libldap.so.2", "libpq.so.5")})},
		"a system that is not known": {old, layerOf(map[string]elfImage{":python/_x.so": needing("libpq.so.5")})},
		"/opt/lib":                   {al2, layerOf(map[string]elfImage{":python/_x.so": needing("libpq.so.5"), ":lib/libpq.so.5": needing()})},
		"a link": {al2, func() runtimes.Tree {
			tree := layerOf(map[string]elfImage{":python/_x.so": needing("libpq.so.5"), ":lib/libpq.so.5.17": needing()})
			tree["lib/libpq.so.5"] = link("libpq.so.5.17")
			return tree
		}()},
		"auditwheel's folder": {al2, layerOf(map[string]elfImage{
			"a:python/a/_a.so":                 path("$ORIGIN/../a.libs", "libfoo-1f2e.so.1"),
			"a:python/a.libs/libfoo-1f2e.so.1": path("$ORIGIN", "libbar-aa.so.2"),
			"a:python/a.libs/libbar-aa.so.2":   needing(),
		})},
		"braces, and another package": {al2, layerOf(map[string]elfImage{
			"torchvision:python/torchvision/_C.so": path("${ORIGIN}/../torch/lib", "libtorch.so"), "torch:python/torch/lib/libtorch.so": needing(),
		})},
		"loaded by the package":      {al2, layerOf(map[string]elfImage{"pyarrow:python/pyarrow/lib.so": needing("libarrow.so.2100"), "pyarrow:python/pyarrow/sub/libarrow.so.2100": needing()})},
		"another file's soname":      {al2, layerOf(map[string]elfImage{"a:python/a/_a.so": needing("libfoo.so.1"), "a:python/a/libfoo-1f2e.so.1": named("libfoo.so.1")})},
		"what another tool laid out": {al2, layerOf(map[string]elfImage{":python/a/_a.so": needing("libfoo.so.1"), ":python/a.libs/libfoo.so.1": needing()})},
		"the runtime's, too":         {al2, layerOf(map[string]elfImage{":python/_x.so": needing("libz.so.1"), ":lib64/libz.so.1": needing()})},
		"the system's folders":       {al2, layerOf(map[string]elfImage{":python/_x.so": path("/usr/lib64:/var/lang/lib:/opt/lib::$ORIGIN/../lib")})},
		"needs each other":           {al2, layerOf(map[string]elfImage{"a:python/a/liba.so": needing("libb.so"), "a:python/a/libb.so": needing("liba.so")})},
		"for another machine":        {al2, layerOf(map[string]elfImage{"a:a/a.node": needing(), "a:arm64/a.node": {machine: elf.EM_AARCH64, needs: []string{"libnowhere.so.1"}}})},
	} {
		t.Run(name, func(t *testing.T) {
			if warnings, err := check.Gather(test.tree, limit).Judge([]check.Target{test.target}, nil); err != nil || warnings != nil {
				t.Errorf("found %v, %v", warnings, err)
			}
		})
	}
}

// TestNeededMessage: the line that brings what is missing stands in the error.
func TestNeededMessage(t *testing.T) {
	tree := layerOf(map[string]elfImage{
		"psycopg2:python/psycopg2/_psycopg.so": needing("libpq.so.5"), "psycopg2:python/psycopg2/_other.so": needing("libldap.so.2"),
	})
	_, err := check.Gather(tree, limit).Judge([]check.Target{al2}, nil)
	want := "python/psycopg2/_other.so (of psycopg2) needs libldap.so.2 and libpq.so.5, which neither the layer nor python3.11 has;" +
		" in layerbuild.yaml: copy: {/usr/lib64/libldap.so.2: lib/, /usr/lib64/libpq.so.5: lib/} [elf-needed]"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestNeededThroughLinks: pnpm has a package's library beside it by a link to
// the folder of another one.
func TestNeededThroughLinks(t *testing.T) {
	const store = "nodejs/node_modules/.pnpm/"
	addon := elfFile(elfImage{machine: elf.EM_X86_64, needs: []string{"libvips.so.42"}, runpath: "$ORIGIN/../../libvips/lib"})
	tree := runtimes.Tree{
		store + "sharp@1/node_modules/@img/sharp/lib/sharp.node":        file("@img/sharp", addon),
		store + "sharp@1/node_modules/@img/libvips":                     link("../../../libvips@1/node_modules/@img/libvips"),
		store + "libvips@1/node_modules/@img/libvips/lib/libvips.so.42": file("@img/libvips", elfFile(elfImage{machine: elf.EM_X86_64})),
	}
	for _, target := range []string{"../../../libvips@1/node_modules/@img/libvips", "elsewhere"} {
		tree[store+"sharp@1/node_modules/@img/libvips"] = link(target)
		tree[store+"sharp@1/node_modules/@img/elsewhere/package.json"] = file("@img/elsewhere", []byte("{}"))
		warnings, err := check.Gather(tree, limit).Judge([]check.Target{node22}, nil)
		if found := append(warnings, findings(t, err)...); (found != nil) != (target == "elsewhere") {
			t.Errorf("with a link to %s: found %q", target, found)
		}
	}
}
