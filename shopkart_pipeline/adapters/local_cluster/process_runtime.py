"""Replicas as processes: an image's application under this machine's interpreter.

Images of the embedded builder hold `/app` and nothing else, so `python` becomes the interpreter that this package's
environment was made from, and paths below `/app` become paths of the unpacked image. The interpreter runs without
`site` (`-S`): it imports the standard library and what the image's `PYTHONPATH` names, and none of the packages
that are installed on this machine, ours included.
"""

import re
import signal
import sys
from collections.abc import Collection
from pathlib import Path

from shopkart_pipeline.adapters.local_cluster.images import Image
from shopkart_pipeline.adapters.local_cluster.processes import Daemon, Processes
from shopkart_pipeline.adapters.local_cluster.runtime import Launch, Runtime
from shopkart_pipeline.domain.errors import NotFound

_PYTHON = re.compile(r"python(3(\.\d+)?)?")


class ProcessRuntime(Runtime):
    """The embedded default. `processes` are those of the home, left-overs of the datastores included."""

    name = "process"

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def start(self, launch: Launch) -> str:
        return self._processes.start(daemon_of(launch))

    async def alive(self, handle: str) -> bool:
        return self._processes.alive(handle)

    async def wait(self, handle: str) -> int | None:
        return await self._processes.wait(handle)

    async def stop(self, handle: str, grace_seconds: float) -> None:
        await self._processes.stop(handle, signal.SIGTERM, grace_seconds)

    async def sweep(self, known: Collection[str]) -> None:
        """Does nothing: the controller sweeps the home's processes, datastores and replicas alike, at once."""


def daemon_of(launch: Launch) -> Daemon:
    """The process that stands for a container of the image.

    Raises:
        NotFound: what the command starts is not in the image.
    """
    launch.scratch.mkdir(parents=True, exist_ok=True)
    image = launch.image
    given = dict(line.split("=", 1) for line in image.about.run.Env or () if "=" in line)
    variables = {
        "HOME": str(launch.scratch),
        "TMPDIR": str(launch.scratch),
        "PYTHONDONTWRITEBYTECODE": "",
        **{name: _paths_in(image, value) for name, value in {**given, **launch.variables}.items()},
    }
    folder = image.rootfs / image.about.run.WorkingDir.lstrip("/")
    arguments = _arguments(image, launch.command or image.about.run.command)
    folder = folder if folder.is_dir() else image.rootfs
    return Daemon(arguments, folder, variables, launch.log, confined=True)


def _arguments(image: Image, command: tuple[str, ...]) -> tuple[str, ...]:
    if not command:
        raise NotFound(f"Image {image.digest} does not say what it starts.", "Declare the workload's command.")
    program, *rest = (_paths_in(image, word) for word in command)
    if Path(program).is_relative_to(image.rootfs):
        return (program, *rest)
    if _PYTHON.fullmatch(Path(program).name):
        return (str(interpreter()), "-S", *rest)
    raise NotFound(
        f"Image {image.digest} does not hold {command[0]}, which its command starts.",
        "Start it as `python -m MODULE`, or run replicas as containers.",
    )


def interpreter() -> Path:
    """The interpreter that this environment was made from, with nothing of the environment."""
    major, minor = sys.version_info[:2]
    return Path(sys.base_prefix) / "bin" / f"python{major}.{minor}"


def _paths_in(image: Image, value: str) -> str:
    """The value with every path of the image's `/app` in it, alone or in a list, as a path of this machine."""
    return ":".join(_path_in(image, part) for part in value.split(":"))


def _path_in(image: Image, part: str) -> str:
    path = image.rootfs / part.lstrip("/")
    return str(path) if part.startswith("/app/") and path.exists() else part
