"""Prints name (hexadecimal), SHA-256 and Unix mode (octal) of each entry."""
import hashlib
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as archive:
    for entry in archive.infolist():
        content = hashlib.sha256(archive.read(entry)).hexdigest()
        print(entry.filename.encode().hex(), content, oct(entry.external_attr >> 16)[2:])
