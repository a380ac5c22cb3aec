"""Archives the files of a folder (not links) as argument 2 says, in the forms that Python's zipfile has."""
import os
import sys
import zipfile

folder, form = sys.argv[1:]


class Pipe:
    """An output that cannot seek: zipfile then writes data descriptors."""

    def write(self, data):
        return sys.stdout.buffer.write(data)

    def flush(self):
        sys.stdout.buffer.flush()


with zipfile.ZipFile(sys.stdout.buffer if form == "file" else Pipe(), "w", zipfile.ZIP_DEFLATED) as archive:
    for parent, _, files in os.walk(folder):
        for path in (os.path.join(parent, f) for f in sorted(files)):
            if os.path.islink(path):
                continue
            info = zipfile.ZipInfo.from_file(path, os.path.relpath(path, folder))
            info.compress_type = zipfile.ZIP_STORED if form == "stored" else zipfile.ZIP_DEFLATED
            with open(path, "rb") as source, archive.open(info, "w", force_zip64=form == "zip64") as target:
                target.write(source.read())
