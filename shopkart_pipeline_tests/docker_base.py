"""What the tests with a Docker Engine need where no registry can be reached: an engine, and a base image with Python.

The base image is put together from this machine's own interpreter and the shared libraries that it loads, at the same
paths, so nothing is fetched. It holds a shell and a few tools for the commands of a Dockerfile, and no more.

    python -m shopkart_pipeline_tests.docker_base unix:///var/run/docker.sock

prints the tag of the base image that it made there. Builders without an engine take the same as an OCI layout.
"""

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import docker
import docker.errors
import pytest

from shopkart_pipeline.adapters.buildah import BuildahBuilder
from shopkart_pipeline_tests.fakes.fake_builder import write_image

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
EMPTY_BASE_IMAGE = "shopkart-test-empty:1"
SHELL_BASE_IMAGE = "shopkart-test-shell:1"
BASE_IMAGE = f"shopkart-test-python:{VERSION}"
_TOOLS = ("sh", "env", "cat", "cp", "id", "ls", "mkdir", "rm", "sleep")
_LEFT_OUT = re.compile(r"(^|/)(__pycache__|tests?|idlelib|tkinter|turtledemo|lib2to3|site-packages|config-[^/]*)($|/)")
"""Of the standard library's folder: what no service needs."""
_PIP = '#!/bin/sh\nexec python -m pip "$@"\n'
_START_SECONDS = 60.0
_CAP_SYS_ADMIN = 21
ON_AN_ENGINE = [pytest.mark.docker, pytest.mark.thorough]
"""Of suites on an engine: they take minutes. `test_container_image` alone is for every run."""


@functools.cache
def engine_for_tests() -> str | None:
    """The address of an engine that answers; `startable` where one of our own can be started; else None."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if _answers(host):
        return host
    return "startable" if shutil.which("dockerd") is not None and _may_mount() else None


@functools.cache
def buildah_for_tests() -> str | None:
    """Why buildah can take no part in the tests, or None."""
    return BuildahBuilder(Path("/nonexistent"), Path("/nonexistent")).unavailable()


@contextlib.contextmanager
def running_engine(folder: Path) -> Iterator[str]:
    """An engine of our own with all its state below `folder`, without a network for containers; gives its address."""
    folder.mkdir(parents=True, exist_ok=True)
    host = f"unix://{folder}/docker.sock"
    command = ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--host", host]
    # Engines that know it then keep images in containerd, where BuildKit can export them; older ones ignore it.
    (folder / "daemon.json").write_text(json.dumps({"features": {"containerd-snapshotter": True}}), encoding="utf-8")
    command += ["--config-file", f"{folder}/daemon.json"]
    command += ["--pidfile", f"{folder}/pid", "--bridge=none", "--iptables=false", "--ip6tables=false"]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(host, daemon, folder / "log")
        yield host
    finally:
        # It ends its containers and its containerd itself.
        daemon.terminate()
        daemon.wait(timeout=60)
        # It leaves its network namespace mounted, and a mounted file can't be removed with the folder.
        for line in reversed(Path("/proc/mounts").read_text(encoding="utf-8").splitlines()):
            if line.split()[1].startswith(f"{folder}/"):
                subprocess.run(["umount", line.split()[1]], timeout=30, check=True)


def make_base_image(host: str) -> str:
    """Make the base image with Python, if the engine does not have it; returns its tag."""
    path = f"ENV PATH={Path(sys.base_prefix, 'bin')}:/usr/local/bin:/usr/bin:/bin"
    return _import_once(host, BASE_IMAGE, _write_base, [path, "ENV LANG=C.UTF-8"])


def make_shell_base_image(host: str) -> str:
    """Make a base image with a shell and a few tools, if the engine does not have it; returns its tag."""
    return _import_once(host, SHELL_BASE_IMAGE, _write_shell, ["ENV PATH=/usr/local/bin:/usr/bin:/bin"])


def make_empty_base_image(host: str) -> str:
    """Make a base image with nothing to run, for tests that only build: it is saved in no time."""
    return _import_once(host, EMPTY_BASE_IMAGE, _write_empty, [])


def write_shell_base_layout(layout: Path) -> None:
    """The base image with a shell as an OCI layout."""
    _write_layout(layout, _write_shell, ["PATH=/usr/local/bin:/usr/bin:/bin"])


def write_empty_base_layout(layout: Path) -> None:
    """The base image with nothing to run as an OCI layout."""
    _write_layout(layout, _write_empty, [])


@functools.cache
def python_base_layer() -> bytes:
    """The base image with Python as one plain layer."""
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        _write_base(tar)
    return content.getvalue()


def python_base_variables() -> list[str]:
    """What the environment of the base image with Python says."""
    return [f"PATH={Path(sys.base_prefix, 'bin')}:/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"]


def _write_layout(layout: Path, write: Callable[[tarfile.TarFile], None], variables: list[str]) -> None:
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        write(tar)
    diff_id = f"sha256:{hashlib.sha256(content.getvalue()).hexdigest()}"
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": variables},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "the tests"}],
    }
    write_image(layout, json.dumps(config).encode(), [content.getvalue()])


def _import_once(host: str, name: str, write: Callable[[tarfile.TarFile], None], changes: list[str]) -> str:
    client = docker.APIClient(base_url=host, version="auto", timeout=120)
    try:
        if not client.images(name=name):
            with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
                with tarfile.open(archive.name, "w") as tar:
                    write(tar)
                repository, _, tag = name.partition(":")
                client.import_image(archive.name, repository=repository, tag=tag, changes=changes)
        return name
    finally:
        client.close()


def _write_empty(tar: tarfile.TarFile) -> None:
    _folder(tar, "tmp", 0o1777)


def _write_shell(tar: tarfile.TarFile) -> None:
    _write_programs(tar, [], [])


def _write_base(tar: tarfile.TarFile) -> None:
    scripts = Path(sys.base_prefix, "bin")
    interpreter = (scripts / f"python{VERSION}").resolve()
    library = Path(sys.base_prefix, "lib", f"python{VERSION}")
    _write_programs(tar, [interpreter], list(library.glob("lib-dynload/*.so")))
    for name in ("python", "python3"):
        if scripts / name != interpreter:
            _link(tar, f"{scripts}/{name}", str(interpreter))
    tar.add(library, str(library), filter=lambda entry: None if _is_left_out(entry, library) else _for_all(entry))
    for wheel in library.glob("ensurepip/_bundled/pip-*.whl"):
        _wheel(tar, wheel, library / "site-packages")
        _file(tar, f"{scripts}/pip", _PIP.encode(), 0o755)


def _write_programs(tar: tarfile.TarFile, programs: list[Path], extensions: list[Path]) -> None:
    """The tools of a Dockerfile's commands, further programs, and all that they load."""
    tools = {name: Path(path) for name in _TOOLS if (path := shutil.which(name)) is not None}
    programs = [*programs, *tools.values()]
    _folder(tar, "tmp", 0o1777)
    _file(tar, "etc/passwd", b"root:x:0:0::/root:/bin/sh\napp:x:10001:10001::/app:/bin/sh\n")
    loaded = _libraries([*programs, *extensions])
    for path in sorted({*programs, *loaded, *_parts_of_libc(loaded)}):
        tar.add(path.resolve(), str(path), filter=_for_all)
    for name, program in {"bin/sh": tools["sh"], "usr/bin/env": tools["env"]}.items():
        if Path("/", name) != program:
            _link(tar, name, str(program))


def _for_all(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """What anybody may read and run, whoever may on this machine: a container has a user of its own."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode |= 0o555 if entry.isdir() or entry.mode & 0o100 else 0o444
    return entry


def _is_left_out(entry: tarfile.TarInfo, library: Path) -> bool:
    return _LEFT_OUT.search(f"/{entry.name}".removeprefix(f"{library}/")) is not None


def _libraries(programs: list[Path]) -> set[Path]:
    """The shared libraries that programs load, by the names that they are looked for under."""
    listed = subprocess.run(
        ["ldd", *map(str, programs)], capture_output=True, text=True, timeout=60, check=False
    ).stdout
    return {Path(path) for path in re.findall(r"(?:=> |\t)(/\S+) \(0x", listed)}


def _parts_of_libc(loaded: set[Path]) -> set[Path]:
    """What wheels for older systems ask for by name, and what is part of the C library by now: beside that library."""
    folders = {path.parent for path in loaded if path.name.startswith("libc.so")}
    names = (
        "libpthread.so.0",
        "libdl.so.2",
        "librt.so.1",
        "libutil.so.1",
        "libm.so.6",
        "libgcc_s.so.1",
        "libstdc++.so.6",
    )
    return {folder / name for folder in folders for name in names if (folder / name).exists()}


def _folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name.lstrip("/"))
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    tar.addfile(entry)


def _file(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name.lstrip("/"))
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, BytesIO(content))


def _wheel(tar: tarfile.TarFile, wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            _file(tar, f"{folder}/{name}", archive.read(name))


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name.lstrip("/"))
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def _wait_for(host: str, daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(host):
        if time.monotonic() > deadline or daemon.poll() is not None:
            raise TimeoutError(log.read_text(encoding="utf-8")[-2000:])
        time.sleep(0.1)


def _may_mount() -> bool:
    """Whether this process may what an engine must: root in a container of its own often may not."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    rights = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return os.geteuid() == 0 and rights is not None and bool(int(rights[1], 16) >> _CAP_SYS_ADMIN & 1)


def _answers(host: str) -> bool:
    try:
        if host.startswith("unix://"):
            # Docker's client leaves a socket open where nobody listens.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(host.removeprefix("unix://"))
        docker.APIClient(base_url=host, version="auto", timeout=1).close()
    except (OSError, docker.errors.DockerException):
        return False
    return True


if __name__ == "__main__":
    print(make_base_image(sys.argv[1]))
