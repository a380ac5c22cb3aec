"""Install the wheels of one layer with uv: exactly the files that were chosen.

usage: install.py JOB WHEREABOUTS

JOB is a JSON file:

    uv             path of the uv program
    python         path of the interpreter
    pythonVersion  the target's, "3.11"
    platform       as uv names it, wide enough for every chosen wheel
    prefix         folder to install into, as a Python installation has it
    cache          folder of uv's cache
    wheels         folder of the wheels that are here already
    packages       name and version of each wheel; its sha256, unless it was built
                   here; its file in wheels, where it comes from the project

WHEREABOUTS is one that only says where to fetch from: indexes, preferred first
(none, or an empty one: uv's own), and urls, by package.

Nothing is resolved: each package has one version and one hash. It runs in the
image's own Python, from 3.9 on, with the standard library alone.
"""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse

# How uv says that an index lacks a package, or has another file by its name.
NOT_IN_INDEX = [
    re.compile(r"\b([a-z0-9-]+) was not found in the package registry"),
    re.compile(r"there is no version of ([a-z0-9-]+)=="),
    re.compile(r"Hash mismatch for `([a-z0-9-]+)=="),
]

# How uv says that an index refused to answer: what it has is not known then,
# and no other address is to be tried.
REFUSED = re.compile(r"\b(401 Unauthorized|403 Forbidden)\b")


def main(path, whereabouts):
    with open(path, encoding="utf-8") as f:
        job = json.load(f)
    with open(whereabouts, encoding="utf-8") as f:
        job.update(json.load(f))
    for p in job["packages"]:
        p["url"] = job["urls"].get(p["name"])
        find_wheel(job, p)
    packages = sorted(job["packages"], key=lambda p: p["name"])
    by_url = set()
    print("installing %d packages for %s, Python %s" % (len(packages), job["platform"], job["pythonVersion"]))
    install(job, packages, by_url)
    for name in owners_of_clashes(job):
        again = [p for p in packages if p["name"] == name]
        install(job, again, by_url, "--reinstall")


def find_wheel(job, package):
    """Set the url of a wheel that is here already, and the hash of one that was
    built here."""
    file = package.get("file")
    if not package.get("sha256"):
        built = [n for n in os.listdir(job["wheels"]) if n.endswith(".whl") and normalise(n.split("-")[0]) == package["name"]]
        if len(built) != 1:
            sys.exit("error: %d wheels of %s were built, not one" % (len(built), package["name"]))
        file = built[0]
    if not file:
        return
    package["here"] = True
    path = os.path.join(job["wheels"], file)
    package["url"] = "file://" + urllib.parse.quote(path)
    if not package.get("sha256"):
        with open(path, "rb") as f:
            package["sha256"] = hashlib.sha256(f.read()).hexdigest()


def install(job, packages, by_url, *options):
    """Install packages from the indexes.

    A package that the indexes lack is one that its lock file takes from a URL:
    its name joins by_url, and uv is asked again.
    """
    while True:
        status, output = run_uv(job, packages, by_url, options)
        if status == 0:
            return
        if REFUSED.search(output):
            sys.exit(1)
        lacking = {m.group(1) for pattern in NOT_IN_INDEX for m in pattern.finditer(output)}
        found = {p["name"] for p in packages if p["name"] in lacking and p["url"]} - by_url
        if not found:
            sys.exit(1)
        by_url |= found
        print("not in the index, taken from the URL in the lock file: " + ", ".join(sorted(found)))


def run_uv(job, packages, by_url, options):
    """Run uv once; return its exit status and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = os.path.join(folder, "requirements.txt")
        with open(requirements, "w", encoding="utf-8") as f:
            for p in packages:
                f.write(requirement(p, "here" in p or p["name"] in by_url) + "\n")
        command = [
            job["uv"], "pip", "install",
            "--no-config",
            "--python", job["python"],
            "--prefix", job["prefix"],
            "--python-version", job["pythonVersion"],
            "--python-platform", job["platform"],
            "--no-deps",
            "--require-hashes",
            "--only-binary", ":all:",
            "--link-mode", "copy",
            "--no-compile-bytecode",
            "--cache-dir", job["cache"],
            "--requirements", requirements,
        ]
        command += index_options(job["indexes"])
        command += options
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as uv:
            lines = []
            for line in uv.stdout:
                line = line.decode("utf-8", "replace")
                print(line, end="", flush=True)
                lines.append(line)
        return uv.returncode, "".join(lines)


def requirement(package, by_url):
    if by_url:
        what = "%s @ %s" % (package["name"], package["url"])
    else:
        what = "%s==%s" % (package["name"], package["version"])
    return "%s --hash=sha256:%s" % (what, package["sha256"])


def index_options(indexes):
    # To uv, the default index comes last, and the others in their order. An
    # empty address stands for uv's own default.
    options = []
    named = [index for index in indexes if index]
    if named and len(named) == len(indexes):
        options += ["--default-index", named.pop()]
    for index in named:
        options += ["--index", index]
    if len(indexes) > 1:
        # Whichever index serves it, only one file has the hash.
        options += ["--index-strategy", "unsafe-best-match"]
    return options


def owners_of_clashes(job):
    """Return the packages that share a path with others but not its bytes.

    uv installs concurrently, so which of them won is chance. Installed again
    in the order of their names, the last one wins.
    """
    site = os.path.join(job["prefix"], "lib", "python" + job["pythonVersion"], "site-packages")
    owners = {}  # path -> {package: hash}
    for entry in sorted(os.listdir(site)):
        record = os.path.join(site, entry, "RECORD")
        if not entry.endswith(".dist-info") or not os.path.isfile(record):
            continue
        name = normalise(entry.split("-")[0])
        with open(record, newline="", encoding="utf-8") as f:
            for row in csv.reader(f):
                if len(row) >= 2:
                    path = os.path.normpath(os.path.join(site, row[0]))
                    owners.setdefault(path, {})[name] = row[1]
    again = set()
    for path, hashes in sorted(owners.items()):
        if len(hashes) > 1 and (len(set(hashes.values())) > 1 or "" in hashes.values()):
            again |= set(hashes)
            print("%s: owned by %s" % (os.path.relpath(path, site), ", ".join(sorted(hashes))))
    return sorted(again)


def normalise(name):
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main(*sys.argv[1:])
