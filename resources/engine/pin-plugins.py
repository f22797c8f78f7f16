"""Writes plugins.json, the pins of the PJRT plugins: python3 pin-plugins.py > plugins.json

No wheel is downloaded. pip finds each wheel and its hash in the index; the list of its files with their hashes
(RECORD) and its licence (METADATA) are read from the end of the archive over the network. Of each wheel only what is
used is pinned: the plugin, the libraries of the vendor that XLA opens for networks like ours, assembler and bitcode.
Runs on Python 3.9 and newer with pip 23 to 25.
"""
import base64
import csv
import io
import json
import re
import sys
import zipfile
from email.parser import Parser

from pip._internal.cli.cmdoptions import make_target_python
from pip._internal.commands import create_command
from pip._internal.network.lazy_wheel import LazyZipOverHTTP

# XLA opens cuSOLVER, cuSPARSE, cuFFT, NVSHMEM and CUPTI for operations that no program of ours has.
CUDA13 = r"nvidia/(cu13|cudnn|nccl)/(lib/lib(cublas|cublasLt|cudart|cudnn\w*|nccl|nvJitLink|nvrtc|nvrtc-builtins|nvvm)\.so\.[\d.]+$|bin/(ptxas|nvlink)$|nvvm/(libdevice/libdevice\.10\.bc|lib64/libnvvm\.so\.[\d.]+)$)"
CUDA12 = r"nvidia/\w+/(lib/lib(cublas|cublasLt|cudart|cudnn\w*|nccl|nvJitLink|nvrtc|nvrtc-builtins)\.so\.[\d.]+$|bin/(ptxas|nvlink)$|nvvm/libdevice/libdevice\.10\.bc$)"

PLUGINS = {
    "pjrt-cpu": {
        "platform": "linux x64",
        "tried": True,
        "wheels": {"lammps-jax-pjrt-cpu==0.11.2": r".*/pjrt_c_api_cpu_plugin\.so$"},
    },
    "pjrt-cuda13": {
        "platform": "linux x64",
        "driver": "580.65.06",
        "capability": 7.5,
        "wheels": {
            "jax-cuda13-pjrt==0.11.2": r".*/xla_cuda_plugin\.so$",
            "nvidia-cublas==13.0.2.14": CUDA13,
            "nvidia-cuda-nvcc==13.0.88": CUDA13,
            "nvidia-nvvm==13.0.88": CUDA13,
            "nvidia-cuda-nvrtc==13.0.88": CUDA13,
            "nvidia-cuda-runtime==13.0.96": CUDA13,
            "nvidia-nvjitlink==13.0.88": CUDA13,
            "nvidia-cudnn-cu13==9.13.1.26": CUDA13,
            "nvidia-nccl-cu13==2.28.9": CUDA13,
        },
    },
    "pjrt-cuda12": {
        "platform": "linux x64",
        "driver": "525.60.13",
        "capability": 5.2,
        "wheels": {
            "jax-cuda12-pjrt==0.11.2": r".*/xla_cuda_plugin\.so$",
            "nvidia-cublas-cu12==12.9.1.4": CUDA12,
            "nvidia-cuda-nvcc-cu12==12.9.86": CUDA12,
            "nvidia-cuda-nvrtc-cu12==12.9.86": CUDA12,
            "nvidia-cuda-runtime-cu12==12.9.79": CUDA12,
            "nvidia-nvjitlink-cu12==12.9.86": CUDA12,
            # The oldest that the plugin takes, and the last with code for Volta, Pascal and Maxwell.
            "nvidia-cudnn-cu12==9.10.2.21": CUDA12,
            "nvidia-nccl-cu12==2.28.9": CUDA12,
        },
    },
    "pjrt-rocm": {
        "platform": "linux x64",
        "needs": "ROCm 7",
        "wheels": {"jax-rocm7-pjrt==0.12.0": r".*/xla_rocm_plugin\.so$"},
    },
    "pjrt-intel": {
        "platform": "linux x64",
        "needs": "oneAPI",
        "wheels": {"jax-oneapi-pjrt==0.11.2": r".*\.so$"},
    },
    "pjrt-metal": {
        "platform": "darwin arm64",
        "experimental": True,
        "wheels": {"metal-pjrt-core==0.0.5": r".*\.dylib$"},
    },
    "pjrt-cuda13-windows": {
        "platform": "win32 x64",
        "experimental": True,
        "needs": "CUDA 13",
        "wheels": {"winjax-cuda13-pjrt==0.11.2": r".*\.dll$"},
    },
}

TAGS = {
    "linux x64": ["manylinux_2_%d_x86_64" % minor for minor in range(39, 4, -1)]
    + ["manylinux2014_x86_64", "manylinux2010_x86_64", "linux_x86_64"],
    "darwin arm64": ["macosx_%d_0_arm64" % major for major in range(27, 10, -1)],
    "win32 x64": ["win_amd64"],
}


def open_index(package, platform):
    """pip's session and its candidates for a platform."""
    options = ["--no-deps", "--only-binary", ":all:", "--python-version", "312", "--implementation", "cp", "--abi", "cp312"]
    for tag in TAGS[platform]:
        options += ["--platform", tag]
    command = create_command("download")
    parsed, _ = command.parse_args(options + [package])
    session = command._build_session(parsed)
    finder = command._build_package_finder(parsed, session, make_target_python(parsed))
    return session, finder.find_all_candidates(package)


def licence(text):
    head = Parser().parsestr(text)
    said = head.get("License-Expression") or head.get("License") or ""
    return said.splitlines()[0] if said else "unknown"


def pin(requirement, wanted, platform):
    package, version = requirement.split("==")
    session, candidates = open_index(package, platform)
    found = [one for one in candidates if str(one.version) == version]
    if not found:
        sys.exit(f"{requirement}: not in the index; there are " + " ".join(sorted({str(one.version) for one in candidates})))
    link = found[-1].link
    with LazyZipOverHTTP(link.url_without_fragment, session) as remote, zipfile.ZipFile(remote) as wheel:
        size = remote._length
        names = wheel.namelist()
        record = wheel.read(next(name for name in names if name.endswith(".dist-info/RECORD"))).decode()
        metadata = wheel.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
        sizes = {entry.filename: entry.file_size for entry in wheel.infolist()}
    members = []
    for path, digest, _ in csv.reader(io.StringIO(record)):
        if not re.fullmatch(wanted, path):
            continue
        kind, _, value = digest.partition("=")
        assert kind == "sha256", (path, digest)
        member = {"path": path, "bytes": sizes[path]}
        member["sha256"] = base64.urlsafe_b64decode(value + "==").hex()
        if "/bin/" in path:
            member["executable"] = True
        members.append(member)
    if not members:
        sys.exit(f"{requirement}: nothing matches {wanted} in " + " ".join(names))
    print(f"{link.filename} {size} bytes, {len(members)} files", file=sys.stderr)
    return {
        "package": package,
        "version": version,
        "file": link.filename,
        "bytes": size,
        "sha256": link.hash,
        "licence": licence(metadata),
        "members": sorted(members, key=lambda member: member["path"]),
    }


if __name__ == "__main__":
    pins = {}
    for name, plugin in PLUGINS.items():
        wheels = [pin(requirement, wanted, plugin["platform"]) for requirement, wanted in plugin["wheels"].items()]
        pins[name] = {**plugin, "version": wheels[0]["version"], "wheels": wheels}
    json.dump(pins, sys.stdout, indent=2)
    print()
