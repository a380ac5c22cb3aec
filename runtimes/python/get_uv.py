"""Run pip, and say why an index did not answer.

usage: get_uv.py PIP-ARGUMENT...

pip passes over an index that refuses it, and then says that it found nothing.
Only its log tells the reason, so that is shown where pip fails. It runs in the
image's own Python, from 3.9 on, with the standard library alone.
"""

import os
import subprocess
import sys
import tempfile


def main(arguments):
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        status = subprocess.call([sys.executable, "-I", "-B", "-m", "pip"] + arguments + ["--log", log])
        if status and os.path.exists(log):
            for line in failures(log):
                print(line)
    return status


def failures(log):
    """Return what the log says of pages that could not be had, each once."""
    lines = {}
    with open(log, encoding="utf-8", errors="replace") as f:
        for line in f:
            at = line.find("Could not fetch URL")
            if at >= 0:
                lines[line[at:].rstrip()] = True
    return list(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
