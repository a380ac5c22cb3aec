"""Build the sources of one layer into wheels.

usage: build.py fetch JOB WHEREABOUTS   bring what is built from, and what with
       build.py build JOB NAME          build one package, without a network

JOB is a JSON file:

    uv        path of the uv program
    python    path of the interpreter
    cache     folder of uv's cache
    folder    where each package is built, in a folder of its name
    wheels    where the wheels go
    sources   of each package: name, version, file (the archive's name),
              sha256, archive (its path, where it is here already), folder (set
              where it is that of a local project) and requires: all that its
              build needs, as lines of a requirements file with hashes

WHEREABOUTS is one that only says where to fetch from: indexes, preferred first
(none, or an empty one: uv's own), urls, by package, and mirrored: whether the
indexes are asked before the urls.

The two are steps of their own, so that no package's code runs where logins are.
Everything that is fetched is held against a hash. Each package is built in a
fixed folder with a virtual environment that holds what it requires and nothing
else. It runs in the image's own Python, from 3.9 on, with the standard library
alone (and what pip brings).
"""

import base64
import hashlib
import html.parser
import http.client
import importlib
import json
import netrc
import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile

LEGACY = "setuptools.build_meta:__legacy__"  # where a project names no backend


def main(arguments):
    os.umask(0o022)
    verb = arguments[0]
    if verb == "hook":
        return hook(*arguments[1:])
    with open(arguments[1], encoding="utf-8") as f:
        job = json.load(f)
    if verb == "fetch":
        with open(arguments[2], encoding="utf-8") as f:
            whereabouts = json.load(f)
        for source in job["sources"]:
            fetch(job, source, whereabouts)
    else:
        for source in job["sources"]:
            if source["name"] == arguments[2]:
                build(job, source)


def fail(message):
    sys.exit("error: " + message)


def title(source):
    return ("%s %s" % (source["name"], source["version"])).strip()


# Fetching.


def fetch(job, source, whereabouts):
    """Unpack a source, and install what its build requires."""
    folder = os.path.join(job["folder"], source["name"])
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    archive = source["archive"]
    if not archive:
        archive = os.path.join(folder, source["file"])
        download(source, whereabouts, archive)
    check(source, archive)
    unpack(source, archive, os.path.join(folder, "source"))
    if not source["archive"]:
        os.remove(archive)
    make_environment(job, source, whereabouts, os.path.join(folder, "env"))


def check(source, archive):
    digest = hashlib.sha256()
    with open(archive, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != source["sha256"]:
        fail("%s does not match its locked SHA-256 %s: got %s" % (source["file"], source["sha256"], digest.hexdigest()))


def download(source, whereabouts, to):
    """Fetch an archive from the first place that has it."""
    client = urllib.request.build_opener(Logins())
    tried = []
    for address, find in places(source, whereabouts, client):
        try:
            url = find()
            if not url:
                continue
            address = url
            print("fetching %s from %s" % (source["file"], urllib.parse.urlsplit(url).hostname), flush=True)
            with client.open(url, timeout=120) as answer, open(to, "wb") as f:
                shutil.copyfileobj(answer, f)
            return
        except (OSError, ValueError) as e:  # those of urllib are OSErrors
            # Worded as uv and pip do: layerbuild reads it.
            why = str(e)
            if isinstance(e, urllib.error.HTTPError):
                why = "%d %s" % (e.code, http.client.responses.get(e.code, e.reason))
            tried.append("%s for url %s" % (why, address))
            print("%s: %s" % (source["file"], tried[-1]), flush=True)
    fail("%s cannot be fetched: %s" % (source["file"], "; ".join(tried) or "no index has it"))


def places(source, whereabouts, client):
    """Yield addresses, with functions that say where the archive is: the lock's
    own, and what the indexes say. Where the user has a mirror, that is asked first."""
    url = whereabouts["urls"].get(source["name"])
    by_index = [(index, lambda index=index: find_in_index(source, index, client)) for index in whereabouts["indexes"] if index]
    if url and not whereabouts["mirrored"]:
        yield url, lambda: url
    yield from by_index
    if url and whereabouts["mirrored"]:
        yield url, lambda: url


def find_in_index(source, index, client):
    """Return the address of the file with the source's hash, or None."""
    page = index.rstrip("/") + "/" + source["name"] + "/"
    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
    try:
        with client.open(urllib.request.Request(page, headers={"Accept": accept}), timeout=120) as answer:
            base, kind, text = answer.geturl(), answer.headers.get_content_type(), answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as e:
        if e.code == 404:
            return None
        raise
    if kind.endswith("json"):
        links = [(f["url"], f.get("hashes", {}).get("sha256")) for f in json.loads(text)["files"]]
    else:
        parser = Links()
        parser.feed(text)
        links = [(base_url, urllib.parse.parse_qs(fragment).get("sha256", [None])[0])
                 for base_url, fragment in (urllib.parse.urldefrag(link) for link in parser.links)]
    for url, sha256 in links:
        if sha256 == source["sha256"]:
            return urllib.parse.urljoin(base, url)
    return None


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


class Logins(urllib.request.BaseHandler):
    """Sends each server the login that the netrc file has for it, and no other
    server's after a redirect."""

    def __init__(self):
        path = os.environ.get("NETRC")
        self.logins = netrc.netrc(path) if path else None

    def http_request(self, request):
        host = urllib.parse.urlsplit(request.full_url).hostname
        login = self.logins and self.logins.authenticators(host)
        if login:
            token = base64.b64encode(("%s:%s" % (login[0], login[2])).encode()).decode()
            request.add_unredirected_header("Authorization", "Basic " + token)
        return request

    https_request = http_request


def unpack(source, archive, to):
    """Unpack an archive. One of an index has a single folder, which becomes to."""
    os.makedirs(to)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as z:
            z.extractall(to)
    else:
        with tarfile.open(archive) as t:
            # Older versions of Python lack the filter; whatever is in there
            # is about to run in this container anyway.
            t.extractall(to, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    if source["folder"]:
        return
    entries = os.listdir(to)
    if len(entries) != 1:
        fail("%s is no source archive: it has %d folders, not one" % (source["file"], len(entries)))
    os.rename(os.path.join(to, entries[0]), to + ".top")
    os.rmdir(to)
    os.rename(to + ".top", to)


def make_environment(job, source, whereabouts, env):
    run(source, [job["uv"], "venv", "--no-config", "--offline", "--quiet", "--python", job["python"], env])
    if not source["requires"]:
        return
    requirements = env + ".txt"
    with open(requirements, "w", encoding="utf-8") as f:
        f.write("".join(line + "\n" for line in source["requires"]))
    print("installing what the build of %s requires" % title(source), flush=True)
    run(source, [
        job["uv"], "pip", "install", "--no-config",
        "--python", os.path.join(env, "bin", "python"),
        "--require-hashes", "--only-binary", ":all:",
        "--link-mode", "copy", "--no-compile-bytecode",
        "--cache-dir", job["cache"],
        "--requirements", requirements,
    ] + index_options(whereabouts["indexes"]))


def index_options(indexes):
    # As in install.py.
    options = []
    named = [index for index in indexes if index]
    if named and len(named) == len(indexes):
        options += ["--default-index", named.pop()]
    for index in named:
        options += ["--index", index]
    if len(indexes) > 1:
        options += ["--index-strategy", "unsafe-best-match"]
    return options


def run(source, command, **more):
    if subprocess.call(command, **more):
        fail("%s cannot be built" % title(source))


# Building.


def build(job, source):
    folder = os.path.join(job["folder"], source["name"])
    tree, env = os.path.join(folder, "source"), os.path.join(folder, "env")
    backend = os.path.join(folder, "backend.json")
    with open(backend, "w", encoding="utf-8") as f:
        json.dump(build_system(source, tree), f)
    python = os.path.join(env, "bin", "python")
    environ = dict(os.environ, VIRTUAL_ENV=env, PATH=os.path.join(env, "bin") + os.pathsep + os.environ["PATH"])

    def call(name):
        result = os.path.join(folder, "result.json")
        command = [python, "-B", os.path.abspath(__file__), "hook", name, backend, folder, result]
        run(source, command, cwd=tree, env=environ)
        with open(result, encoding="utf-8") as f:
            return json.load(f)

    lacking = [r for r in call("requires") if not has(job, python, r)]
    if lacking:
        fail("%s asks for %s while it is built, and layerbuild.lock does not have it; "
             "list it under buildRequires:\n  buildRequires: {%s: [%s]}" % (
                 title(source), " and ".join(lacking), source["name"], ", ".join(json.dumps(r) for r in lacking)))
    wheel = call("wheel")
    name = normalise(wheel.split("-")[0])
    if name != source["name"]:
        fail("%s is %s: its name is that in [project] or setup.py" % (title(source), name))
    os.makedirs(job["wheels"], exist_ok=True)
    shutil.move(os.path.join(folder, wheel), os.path.join(job["wheels"], wheel))
    shutil.rmtree(folder)
    print("built " + wheel)


def build_system(source, tree):
    """Return the backend that a project names (PEP 517), and its folders."""
    path = os.path.join(tree, "pyproject.toml")
    system = {}
    if os.path.exists(path):
        try:
            toml = importlib.import_module("tomllib")
        except ImportError:  # before Python 3.11
            toml = importlib.import_module("pip._vendor.tomli")
        with open(path, "rb") as f:
            try:
                system = toml.load(f).get("build-system", {})
            except ValueError as e:
                fail("%s: pyproject.toml: %s" % (title(source), e))
    return {
        "backend": system.get("build-backend", LEGACY),
        "path": [os.path.join(tree, p) for p in system.get("backend-path", [])],
    }


def has(job, python, requirement):
    """Tell whether an environment meets a requirement, or a marker waives it."""
    return subprocess.call([
        job["uv"], "pip", "install", "--no-config", "--quiet", "--dry-run", "--offline", "--no-index",
        "--no-cache", "--python", python, "--", requirement,
    ], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def normalise(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def hook(name, backend, folder, result):
    """Call the backend, in the project's environment and folder."""
    with open(backend, encoding="utf-8") as f:
        system = json.load(f)
    sys.path[:1] = system["path"]  # in place of this script's own folder
    module, _, attributes = system["backend"].partition(":")
    target = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        target = getattr(target, attribute)
    if name == "wheel":
        answer = target.build_wheel(folder, {}, None)
    else:
        answer = getattr(target, "get_requires_for_build_wheel", lambda settings: [])({})
    with open(result, "w", encoding="utf-8") as f:
        json.dump(answer, f)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
