"""Writes what `packaging` answers, for the Go tests to compare with.

    python generate.py [--seed N] [--scale F] FOLDER   the golden files
    python generate.py --evaluate < markers            one mask for each line

Run with packaging 25.0. Where package pep differs from it on purpose (see the
comments on Marker and Specifiers, and names that end in "_", which PEP 508
does not know), nothing is generated.

Every file is lines of tab-separated fields. A mask is a number in hex whose
bit i is the answer for the i-th version or environment of the file's head. "!"
stands for an input that is refused.
"""

import argparse
import hashlib
import json
import os
import random
import re
import sys
import sysconfig
import warnings

import packaging._manylinux
import packaging._musllinux
from packaging import tags
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

warnings.simplefilter("ignore")


def try_parse(kind, text):
    try:
        return kind(text)
    except ValueError:
        return None
    except SyntaxError:
        return None


def mask(answers):
    return "%x" % sum(1 << i for i, a in enumerate(answers) if a)


def write(folder, name, lines):
    with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as f:
        for line in lines:
            f.write(line + "\n")


def version(r, odd=0.3):
    """A version; with probability odd each part is spelled unusually."""
    strange = lambda: r.random() < odd
    s = "v" if strange() and strange() else ""
    if r.random() < 0.07:
        s += r.choice(["0!", "1!", "2!"])
    numbers = ["0", "1", "2", "3", "9", "10", "11"]
    if strange():
        numbers += ["00", "01", "20240131", "123456789012345678901234567890"]
    s += ".".join(r.choice(numbers) for _ in range(r.choice([1, 2, 2, 2, 3, 3, 4])))
    sep = lambda: r.choice(["", ".", "-", "_"]) if strange() else ""
    if r.random() < 0.3:
        labels = ["a", "b", "rc"]
        if strange():
            labels += ["alpha", "beta", "c", "pre", "preview", "RC", "Alpha"]
        s += sep() + r.choice(labels) + sep() + r.choice(["0", "1", "2", "10"] + [""] * strange())
    if r.random() < 0.25:
        if strange():
            s += r.choice(["-1", "-0", "-02", "post1", "_rev3", "-r4", ".r", "Post", ".post-2"])
        else:
            s += ".post" + r.choice("012")
    if r.random() < 0.2:
        s += (sep() + "dev" + sep() if strange() else ".dev") + r.choice(["0", "1", "7"] + [""] * strange())
    if r.random() < 0.15:
        s += "+" + r.choice(["cu118", "1", "abc.1", "ABC-01", "ubuntu_1", "1.abc", "2", "10", "abc", "abc.def"])
    return s


def broken(r, text):
    """The text with a small defect, most of the time."""
    i = r.randrange(len(text) + 1)
    return r.choice(
        [
            text[:i] + r.choice(list("-+.!*x ,;()[]'\"=<>~@#_") + ["é"]) + text[i:],
            text[:i] + text[i + 1 :],
            text[:i],
            text + r.choice(["", ".*", "-", "+", " x", "!", "..", ".a", "-1-1"]),
        ]
    )


def versions(r, n):
    texts = {version(r) for _ in range(n)} | {broken(r, version(r)) for _ in range(n // 4)}
    texts = sorted(t for t in texts if t == t.strip() and t)
    parsed = {t: try_parse(Version, t) for t in texts}
    order = sorted({v for v in parsed.values() if v is not None})
    rank = {v: i for i, v in enumerate(order)}
    for t, v in parsed.items():
        yield f"{t}\t!" if v is None else f"{t}\t{v}\t{rank[v]}"


def one_specifier(r):
    op = r.choice(["==", "==", "!=", "~=", "<", "<=", ">", ">=", "==="])
    space = r.choice(["", "", "", " "])
    if op in ("==", "!="):
        v = version(r, 0.1)
        if r.random() < 0.35:
            v = v.split("+")[0]
            parsed = Version(v)
            v = ".".join(map(str, parsed.release)) + ".*"
            v = f"{parsed.epoch}!{v}" if parsed.epoch else v
        return op + space + v
    if op == "~=":
        # packaging reads other spellings differently, see Specifiers.
        v = Version(version(r, 0)).public
        if len(Version(v).release) == 1 and r.random() < 0.9:
            return "~=" + space + v.replace(v.split("!")[-1][0], v.split("!")[-1][0] + ".1", 1)
        return op + space + v
    v = version(r, 0.1)
    return op + space + (v if r.random() < 0.05 or op == "===" else v.split("+")[0])


def specifier_set(r):
    return r.choice([",", ",", " , "]).join(one_specifier(r) for _ in range(r.choice([1, 1, 1, 2, 3])))


def unsafe_compatible(text):
    """A ~= whose version is not in normal form, by a defect."""
    for part in text.split(","):
        part = part.strip()
        if part.startswith("~="):
            v = try_parse(Version, part[2:])
            if v is None or str(v) != part[2:].strip():
                return True
    return False


def specifiers(r, n):
    some = sorted({version(r, 0.1) for _ in range(140)})
    yield "\t".join(some)
    texts = {specifier_set(r) for _ in range(n)}
    texts |= {broken(r, specifier_set(r)) for _ in range(n // 4)}
    for t in sorted(texts):
        t = t.strip()
        if unsafe_compatible(t):
            continue
        s = try_parse(SpecifierSet, t)
        yield f"{t}\t!" if s is None else t + "\t" + mask(s.contains(v, prereleases=True) for v in some)


def environments():
    full = {"3.9": "3.9.25", "3.10": "3.10.22", "3.11": "3.11.18", "3.12": "3.12.16", "3.13": "3.13.18", "3.14": "3.14.10"}
    for python, patch in full.items():
        for arch in ("x86_64", "aarch64"):
            for extra in ("", "s3", "web-ui"):
                yield {
                    "python_version": python,
                    "python_full_version": patch,
                    "implementation_version": patch,
                    "implementation_name": "cpython",
                    "platform_python_implementation": "CPython",
                    "os_name": "posix",
                    "sys_platform": "linux",
                    "platform_system": "Linux",
                    "platform_machine": arch,
                    "platform_release": "",
                    "platform_version": "",
                    "extra": extra,
                    "extras": frozenset([extra] if extra else []),
                    "dependency_groups": frozenset(["dev", "Test_Tools"] if arch == "x86_64" else []),
                }


VALUES = {
    "python_version": ["3", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.11.4", "2.7", "3.*", "3.1*", "4.0", "3.13.0rc1"],
    "python_full_version": ["3.9.0", "3.10.19", "3.11.14", "3.11.4", "3.12.0", "3.13.0a1", "3.14.0rc2", "3.14", "3.11.*", "3.9.25"],
    "implementation_version": ["3.11.14", "3.12", "7.3.0", "3.13.9"],
    "implementation_name": ["cpython", "pypy", "CPython"],
    "platform_python_implementation": ["CPython", "PyPy", "Jython", "cpython"],
    "os_name": ["posix", "nt", "java"],
    "os.name": ["posix", "nt"],
    "sys_platform": ["linux", "win32", "darwin", "linux2", "cygwin", "emscripten"],
    "sys.platform": ["linux", "win32"],
    "platform_system": ["Linux", "Windows", "Darwin", "", "Lin"],
    "platform_machine": ["x86_64", "aarch64", "arm64", "AMD64", "i686", "x86_64 aarch64", "armv7l"],
    "platform.machine": ["x86_64", "aarch64"],
    "platform_release": ["", "tegra", "el7"],
    "platform_version": ["", "Darwin Kernel"],
    "platform.python_implementation": ["CPython"],
    "python_implementation": ["CPython", "PyPy"],
    "extra": ["s3", "S3", "web_ui", "Web.UI", "web-ui", "dev", "a b", ""],
}
WEIGHTED = list(VALUES) + ["python_version"] * 12 + ["python_full_version"] * 5 + ["sys_platform", "platform_machine", "extra"] * 3
OPS = ["==", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "~=", "==="]


def quote(r, text):
    return r.choice(["'%s'", '"%s"']) % text


def item(r):
    if r.random() < 0.03:
        name, group = r.choice([("extras", ["s3", "web_ui", "x"]), ("dependency_groups", ["DEV", "test-tools", "lint"])])
        return f"{quote(r, r.choice(group))} {r.choice(['in', 'not in'])} {name}"
    name = r.choice(WEIGHTED)
    value, op = r.choice(VALUES[name]), r.choice(OPS)
    if op in ("in", "not in") and r.random() < 0.6:
        value = r.choice([" ", ", ", ","]).join(r.sample(VALUES[name], min(3, len(VALUES[name]))))
    left, right = name, quote(r, value)
    if r.random() < 0.2:
        left, right = right, left
    space = r.choice([" ", " ", " ", "  ", "\t"]) if op[0] in "in" else r.choice(["", " ", " ", "  "])
    return left + space + op.replace(" ", space) + space + right


def marker(r, depth=0):
    parts = []
    for _ in range(r.choice([1, 1, 1, 2, 2, 3])):
        if depth < 3 and r.random() < 0.2:
            parts.append(r.choice(["(%s)", "( %s )"]) % marker(r, depth + 1))
        else:
            parts.append(item(r))
    text = parts[0]
    for p in parts[1:]:
        text += r.choice([" and ", " and ", " or "]) + p
    return text


def evaluate(m, envs):
    """The mask, or None where packaging cannot evaluate the marker."""
    try:
        return mask(m.evaluate(e) for e in envs)
    except Exception:
        return None


def usable(text):
    """Not one of those that package pep refuses on purpose when reading."""
    return "\\" not in text and "\n" not in text


def markers(r, n):
    envs = list(environments())
    for e in envs:
        yield json.dumps({k: sorted(v) if isinstance(v, frozenset) else v for k, v in e.items()}, separators=(",", ":"))
    yield ""
    texts = {marker(r) for _ in range(n)}
    texts |= {broken(r, marker(r)) for _ in range(n // 5)}
    for t in sorted(texts):
        m = try_parse(Marker, t)
        if m is None:
            yield f"{t}\t!".replace("\t", "\x1f", t.count("\t"))
            continue
        answer = evaluate(m, envs)
        if answer is not None and usable(t):
            yield f"{t}\t{answer}".replace("\t", "\x1f", t.count("\t"))


def names(r):
    n = r.choice(["requests", "Django", "zope.interface", "ruamel_yaml", "PyYAML", "a", "foo--bar", "x2", "typing_extensions", "A.-_b"])
    return n


def requirement(r):
    s = names(r)
    if r.random() < 0.3:
        extras = [r.choice(["s3", "Web_UI", "a.b", "socks", "x"]) for _ in range(r.choice([0, 1, 2]))]
        s += r.choice(["", " "]) + "[" + r.choice([",", " , "]).join(extras) + "]"
    if r.random() < 0.15:
        s += r.choice([" @ ", "@", " @"]) + r.choice(["https://files.example/a-1.0-py3-none-any.whl", "git+https://git.example/x.git@main#egg=x", "file:///tmp/x;y", "./x"])
        if r.random() < 0.5:
            s += " ; " + marker(r, 2)
        return s
    if r.random() < 0.8:
        spec = specifier_set(r) + r.choice(["", "", "", ","])
        s += r.choice([spec, " " + spec, f" ({spec})", f"( {spec} )"])
    if r.random() < 0.4:
        s += r.choice([";", " ; "]) + marker(r, 2)
    return s


def requirements(r, n):
    some = sorted({version(r, 0) for _ in range(40)})
    yield "\t".join(some)
    envs = list(environments())
    texts = {requirement(r) for _ in range(n)}
    texts |= {broken(r, requirement(r)) for _ in range(n // 3)}
    for t in sorted(texts):
        q = try_parse(Requirement, t)
        field = t.replace("\t", "\x1f")
        if q is None:
            # "x===1,<2" is taken and "x===1, <2" is not: its lexer's accident.
            if not re.search("===[^;)]*,", t):
                yield f"{field}\t!"
            continue
        answer = evaluate(q.marker, envs) if q.marker else ""
        loose = q.name.endswith("_") or any(e.endswith("_") for e in q.extras)
        if answer is None or not usable(t) or loose or unsafe_compatible(str(q.specifier)):
            continue
        extras = ",".join(sorted({canonicalize_name(e) for e in q.extras}))
        contains = mask(q.specifier.contains(v, prereleases=True) for v in some)
        yield "\t".join([field, canonicalize_name(q.name), extras, contains, q.url or "", answer])


def tag_list(python, glibc, arch):
    packaging._manylinux._get_glibc_version = lambda: glibc
    packaging._manylinux._have_compatible_abi = lambda *_: True
    packaging._musllinux.platform_tags = lambda *_: iter(())
    sysconfig.get_platform = lambda: "linux-" + arch
    nodot = "cp" + "".join(map(str, python))
    platforms = list(tags._linux_platforms(is_32bit=False))
    all_tags = list(tags.cpython_tags(python, abis=[nodot], platforms=platforms))
    return all_tags + list(tags.compatible_tags(python, nodot, platforms))


TARGETS = [((3, m), (2, g), a) for m in range(9, 15) for g in (17, 26, 34, 39) for a in ("x86_64", "aarch64")]


def tag_lists():
    for python, glibc, arch in TARGETS:
        texts = [str(t) for t in tag_list(python, glibc, arch)]
        digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
        yield f"{python[0]}.{python[1]}\t{glibc[0]}.{glibc[1]}\t{arch}\t{len(texts)}\t{digest}\t{texts[0]}\t{texts[-1]}"


def wheel(r):
    name = r.choice(["numpy", "PyYAML", "zope.interface", "ruamel.yaml", "typing_extensions", "Jinja2", "é", "a__b"])
    v = version(r, 0.05).replace("-", "_")
    build = r.choice([""] * 6 + ["-1", "-02abc", "-3_x", "-x1"])
    python = r.choice(["py3", "py2.py3", "cp39", "cp310", "cp311", "cp312", "cp313", "cp36", "cp311.cp312", "pp310", "CP311", "py311", "py30", "cp3"])
    abi = r.choice(["none", "none", "abi3", "cp311", "cp39", "cp313", "cp313t", "cp312", "pypy310_pp73", "abi3.none"])
    level = lambda arch: r.choice(["manylinux1", "manylinux2010", "manylinux2014", "linux", "musllinux_1_2"] + [f"manylinux_2_{n}" for n in (5, 12, 17, 24, 26, 27, 28, 34, 35)]) + "_" + arch
    arch = r.choice(["x86_64", "aarch64", "i686"])
    platform = r.choice(["any", "any", "win_amd64", "macosx_11_0_arm64", level(arch), level(arch), level(arch) + "." + level(arch)])
    return f"{name}-{v}{build}-{python}-{abi}-{platform}.whl"


def wheels(r, n):
    lists = {}
    for python in ((3, 9), (3, 11), (3, 13)):
        for arch in ("x86_64", "aarch64"):
            glibc = (2, 26) if python < (3, 12) else (2, 34)
            lists[python, glibc, arch] = {t: i for i, t in enumerate(tag_list(python, glibc, arch))}
            yield f"{python[0]}.{python[1]}\t{glibc[0]}.{glibc[1]}\t{arch}"
    yield ""
    texts = {wheel(r) for _ in range(n)} | {broken(r, wheel(r)) for _ in range(n // 4)}
    for t in sorted(texts):
        if t.startswith("-"):
            continue  # an empty name, which packaging takes
        w = try_parse(parse_wheel_filename, t)
        if w is None:
            yield f"{t}\t!"
            continue
        name, v, build, its = w
        ranks = [min((rank[x] for x in its if x in rank), default=-1) for rank in lists.values()]
        yield "\t".join([t, name, str(v), "".join(map(str, build)), str(len(its)), " ".join(map(str, ranks))])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=508)
    p.add_argument("--scale", type=float, default=1)
    p.add_argument("--evaluate", action="store_true")
    p.add_argument("folder", nargs="?")
    a = p.parse_args()
    if a.evaluate:
        envs = list(environments())
        for line in sys.stdin:
            print(evaluate(Marker(line.rstrip("\n")), envs))
        return
    size = lambda n: int(n * a.scale)
    for name, lines in {
        "versions.txt": versions(random.Random(a.seed), size(1500)),
        "specifiers.txt": specifiers(random.Random(a.seed + 1), size(1500)),
        "markers.txt": markers(random.Random(a.seed + 2), size(3000)),
        "requirements.txt": requirements(random.Random(a.seed + 3), size(900)),
        "tags.txt": tag_lists(),
        "wheels.txt": wheels(random.Random(a.seed + 4), size(600)),
    }.items():
        write(a.folder, name, lines)


main()
