"""Stand-ins for AWS: servers that speak its API, each in an environment of its own, because they pin botocore.

`ministack` has an ECR that takes pushes and keeps tags from moving, and no scans. `moto` has ECR's API without a
registry behind it, and rights that count; the result of a scan it makes up. `python -m` this module installs both, from
locks with hashes, into a folder that git ignores; `.ci/run` does that. Where they are not installed the tests that need
them are not collected, and pytest's summary says so.
"""

import contextlib
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from shopkart_pipeline_tests.contract.loopback_servers import running_server

SERVERS = ("ministack", "moto")
_HOME = Path(__file__).resolve().parents[2] / ".cache" / "aws-servers"


def installed(name: str) -> Path | None:
    """The folder of a server's programs; None where it is not installed as locked."""
    programs = _folder(name) / "bin"
    return programs if (programs / name).exists() or (programs / f"{name}_server").exists() else None


def left_out() -> str:
    """Which servers are not there, in words; empty if all are."""
    missing = [name for name in SERVERS if installed(name) is None]
    return f"{' and '.join(missing)} not installed; `python -m {__spec__.name}` does it" if missing else ""


@contextlib.contextmanager
def running_ministack(folder: Path) -> Iterator[str]:
    """Run ministack, which must not find a Docker Engine: it would remove containers there."""
    programs = _require("ministack")
    with running_server(
        lambda _: [str(programs / "ministack")],
        folder,
        variables=lambda port: {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "SERVICES": "ecr",
            "DOCKER_HOST": f"unix://{folder}/no-engine",
        },
    ) as address:
        yield address


@contextlib.contextmanager
def running_moto(folder: Path) -> Iterator[str]:
    """Run moto's server."""
    programs = _require("moto")
    command = [str(programs / "moto_server"), "-H", "127.0.0.1", "-p"]
    with running_server(lambda port: [*command, str(port)], folder) as address:
        yield address


def _require(name: str) -> Path:
    programs = installed(name)
    assert programs is not None, left_out()
    return programs


def _lock(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.lock")


def _folder(name: str) -> Path:
    """Named after the lock, so that another lock is another environment."""
    key = hashlib.sha256(_lock(name).read_bytes() + sys.version.encode()).hexdigest()[:12]
    return _HOME / f"{name}-{key}"


def _install(name: str) -> None:
    uv, folder = str(Path(sys.executable).with_name("uv")), _folder(name)
    unfinished = folder.with_suffix(".unfinished")
    subprocess.run([uv, "venv", "--quiet", "--clear", "--relocatable", str(unfinished)], check=True)
    python = str(unfinished / "bin" / "python")
    locked = ["--require-hashes", "-r", str(_lock(name))]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *locked], check=True)
    unfinished.rename(folder)


def main() -> int:
    """Install what is missing; 1 where something could not be."""
    for name in SERVERS:
        if installed(name) is None:
            try:
                _install(name)
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"{name} could not be installed: {error}", file=sys.stderr)
    return 1 if left_out() else 0


if __name__ == "__main__":
    sys.exit(main())
