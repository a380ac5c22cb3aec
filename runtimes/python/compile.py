"""Compile the modules of one layer to bytecode that is the same everywhere.

usage: compile.py PLACE SITE...

A SITE is an installed site-packages (one that is not there holds nothing), and
PLACE the folder in which Python will find its modules: the bytecode names it.

Beside each module, __pycache__ gets a .pyc that is bound to its source by a
hash and never checked against it (PEP 552, unchecked); bytecode that packages
brought goes. A file that does not compile is named and left alone, as pip does:
packages ship templates, and code for other versions.

It runs in the image's own Python, from 3.9 on, with the standard library alone,
and with PYTHONHASHSEED=0: the order of sets in the code depends on it.
"""

import importlib.util
import marshal
import os
import sys
import types
import warnings

# The flags of a .pyc: by hash, not checked.
UNCHECKED_HASH = 1


def main(place, *sites):
    if sys.flags.hash_randomization:
        sys.exit("compile.py: PYTHONHASHSEED must be 0")
    sys.stdout.reconfigure(errors="backslashreplace")
    warnings.simplefilter("ignore")  # of the packages' code
    count = skipped = 0
    for site in sites:
        files = sorted(walk(site))
        for path in files:
            if path.endswith(".pyc") and os.path.basename(os.path.dirname(path)) == "__pycache__":
                os.remove(path)
        for path in files:
            name = os.path.relpath(path, site)
            if not path.endswith(".py") or os.path.basename(path) == ".py":
                continue
            count += 1
            try:
                data = compiled(path, place + "/" + name)
            except (SyntaxError, ValueError, OverflowError, RecursionError) as e:
                skipped += 1
                print("not compiled: %s: %s" % (name, e))
                continue
            write(importlib.util.cache_from_source(path, optimization=""), data)
    print("compiled %d of %d modules" % (count - skipped, count))


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def walk(folder):
    for path, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(path, name)
            if os.path.isfile(file) and not os.path.islink(file):
                yield file


def compiled(path, name):
    """Return the content of the .pyc for the module at path."""
    with open(path, "rb") as f:
        source = f.read()
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    held = []
    if sys.version_info < (3, 11):
        hold(code, held)
    return b"".join([
        importlib.util.MAGIC_NUMBER,
        UNCHECKED_HASH.to_bytes(4, "little"),
        importlib.util.source_hash(source),
        marshal.dumps(code),
    ])


def hold(value, held):
    """Add to held all that the code holds and other code might hold, too.

    marshal marks what has more than one reference. Up to Python 3.10 that tells
    for a name which modules this process has compiled and loaded; while held
    has one more of each, all are marked.
    """
    held.append(value)
    if isinstance(value, types.CodeType):
        for name in ("co_filename", "co_name", "co_names", "co_consts", "co_varnames", "co_freevars", "co_cellvars"):
            hold(getattr(value, name), held)
    elif isinstance(value, (tuple, frozenset)):
        # Likewise, a set's order hangs on what else is interned, and on the
        # address of None.
        if isinstance(value, frozenset) and len(value) > 1:
            raise ValueError("a set in it may have another order at the next time, in this Python")
        for member in value:
            hold(member, held)


if __name__ == "__main__":
    main(*sys.argv[1:])
