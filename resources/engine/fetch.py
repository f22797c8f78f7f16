"""Streams one pinned wheel of the package index into a file, going on from what is already there.

pip itself does the looking up and the connecting, so its index, mirror, proxy and certificate settings hold. The job
is JSON in argv[1]: package, version, file, bytes, part (where to write), stall (seconds). One JSON object a line goes
to standard output: {"have": bytes} while it runs; the last is {"done": true} or {"error": kind, "reason": text}.
Runs on Python 3.7 and newer.
"""
import errno
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time

TRIES = 5
CHUNK = 1 << 16


class Failure(Exception):
    def __init__(self, kind, reason):
        super().__init__(reason)
        self.kind = kind


def plainly(error):
    """The cause inside an error of the network libraries, without their object addresses."""
    text = str(error) or type(error).__name__
    cause = re.search(r"\(Caused by \w+\((.*)\)\)$", text)
    return re.sub(r"<[^>]*>: ", "", cause.group(1) if cause else text).strip("'\"")


def say(**message):
    print(json.dumps(message), flush=True)


def tag_options(file):
    """pip options that accept the wheel whatever Python runs this."""
    python, abi, platform = file[:-4].split("-")[-3:]
    version = re.match(r"cp(\d+)$", python)
    options = ["--python-version", version.group(1) if version else "311", "--implementation", "cp", "--abi"]
    options.append(abi if version else "cp311")
    return options if platform == "any" else options + ["--platform", platform.split(".")[0]]


def download_options(job):
    fixed = ["--quiet", "--no-input", "--no-cache-dir", "--no-deps", "--only-binary", ":all:"]
    return fixed + tag_options(job["file"])


class Refusals(logging.Handler):
    """What pip only logs: why a page of the index could not be had."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.seen = []

    def emit(self, record):
        message = record.getMessage()
        if message.startswith("Could not fetch"):
            self.seen.append(plainly(re.sub(r"\s+- skipping$", "", message)))


def open_index(job):
    """pip's session and the link of the pinned file."""
    from pip._internal.cli.cmdoptions import make_target_python
    from pip._internal.commands import create_command

    refusals = Refusals()
    collector = logging.getLogger("pip._internal.index.collector")
    collector.addHandler(refusals)
    collector.setLevel(logging.DEBUG)
    command = create_command("download")
    options, _ = command.parse_args(download_options(job) + [job["package"]])
    session = command._build_session(options)
    finder = command._build_package_finder(options, session, make_target_python(options))
    for candidate in finder.find_all_candidates(job["package"]):
        if candidate.link.filename == job["file"]:
            return session, candidate.link
    if refusals.seen:
        raise Failure("network", refusals.seen[-1])
    raise Failure("not-found", "the package index does not offer " + job["file"])


def pieces(session, link, have, stall):
    """The offset at which the answer starts, and its bytes."""
    if link.is_file:
        source = open(link.file_path, "rb")
        source.seek(have)
        return have, iter(lambda: source.read(CHUNK), b"")
    headers = {"Accept-Encoding": "identity", "Range": "bytes=%d-" % have}
    response = session.get(link.url_without_fragment, headers=headers, stream=True, timeout=stall)
    if 400 <= response.status_code < 500 and response.status_code not in (408, 416, 429):
        raise Failure("refused", "the package index answered %d" % response.status_code)
    if response.status_code not in (200, 206):
        raise OSError("the package index answered %d" % response.status_code)
    start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(start.group(1)) if start else 0, response.raw.stream(CHUNK, decode_content=False)


def stream(session, link, job, part):
    """Appends to `part` what is missing; returns after the last byte that came."""
    have = part.seek(0, os.SEEK_END)
    start, chunks = pieces(session, link, have, job["stall"])
    if start != have:
        part.truncate(0)
        have = part.seek(0)
        if start:
            return
    spoken = 0.0
    for chunk in chunks:
        part.write(chunk)
        have += len(chunk)
        if have > job["bytes"]:
            raise Failure("too-long", "more bytes came than the pinned %d" % job["bytes"])
        if time.monotonic() - spoken > 0.2:
            part.flush()
            say(have=have)
            spoken = time.monotonic()


def fetch(session, link, job, part):
    tries = 0
    reason = "the connection was closed"
    while True:
        before = part.seek(0, os.SEEK_END)
        if before == job["bytes"]:
            return
        if before > job["bytes"]:
            part.truncate(0)
        try:
            stream(session, link, job, part)
        except Failure:
            raise
        except Exception as error:  # urllib3's and requests' errors share no base class but this
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE):
                raise
            reason = plainly(error)
        part.flush()
        after = part.seek(0, os.SEEK_END)
        tries = 0 if after > before else tries + 1
        if tries > TRIES:
            raise Failure("network", reason)
        if after != job["bytes"]:
            say(have=after, retry=reason)
            time.sleep(min(0.2 * 2**tries, 5))


def plain_download(job, part):
    """For a pip whose insides are arranged otherwise: its own download command, without resuming."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(job["part"])) as folder:
        wanted = "%s==%s" % (job["package"], job["version"])
        command = [sys.executable, "-m", "pip", "download", "--dest", folder] + download_options(job) + [wanted]
        ran = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, universal_newlines=True)
        if ran.returncode:
            raise Failure("network", (ran.stderr.strip().splitlines() or ["pip failed"])[-1])
        with open(os.path.join(folder, job["file"]), "rb") as source:
            part.truncate(0)
            part.seek(0)
            for chunk in iter(lambda: source.read(CHUNK), b""):
                part.write(chunk)


def take_alone(part):
    """Holds the file for this process; the hold ends with the process. One whose reader died ends at its next word."""
    try:
        import fcntl
    except ImportError:
        return
    for _ in range(30):
        try:
            return fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.1)
    raise Failure("busy", "another Stillhouse is downloading it right now")


def run(job):
    try:
        import pip  # noqa: F401
    except ImportError:
        raise Failure("no-pip", "pip is missing")
    with open(job["part"], "ab") as part:
        take_alone(part)
        try:
            session, link = open_index(job)
        except (ImportError, AttributeError, TypeError):
            plain_download(job, part)
        else:
            fetch(session, link, job, part)
        part.flush()
        os.fsync(part.fileno())


if __name__ == "__main__":
    try:
        run(json.loads(sys.argv[1]))
        say(done=True)
    except Failure as failure:
        say(error=failure.kind, reason=str(failure))
    except BrokenPipeError:
        os._exit(1)
    except OSError as error:
        say(error="disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "failed", reason=str(error))
    except Exception as error:
        say(error="network", reason=plainly(error))
