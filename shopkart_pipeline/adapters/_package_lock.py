"""`package-lock.json` and `npm-shrinkwrap.json`: what exactly npm installs, in lock formats 2 and 3.

Everything that the lock names counts, also what only development or some platforms need: a lock is judged as a whole.
The project itself, its workspaces and links to them are no packages of others.

Source: npm's documentation, package-lock.json, `packages`.
"""

import json
import re
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

from shopkart_pipeline.adapters._packages import Ecosystem, Package
from shopkart_pipeline.adapters._report_limits import why

_FORMATS = (2, 3)
_INSTALLED = "node_modules/"
_NAME = re.compile(r"(?:@[^/@\s]+/)?[^/@\s]+")
_LONGEST_NAME = 214
"""Characters, as npm has it."""
_KEY = re.compile(r'^\s*("(?:[^"\\]|\\.)*")\s*:\s*\{\s*$')


class _Entry(BaseModel):
    name: str | None = None
    version: str | None = None
    link: bool = False
    optional: bool = False


class _Lock(BaseModel):
    lockfileVersion: int
    packages: dict[str, _Entry] = {}


def parse_package_lock(text: str) -> tuple[Package, ...]:
    """Packages of a lock file, in its order; the same version is told once.

    Raises:
        ValueError: it is no lock of a known format, or does not name the version of a package.
    """
    found: dict[tuple[str, str], Package] = {}
    for package in _packages(text):
        found.setdefault((package.name, package.version), package)
    return tuple(found.values())


def installed_versions(text: str) -> dict[str, str]:
    """Versions by the place where npm puts them, such as `node_modules/lodash`; raises as `parse_package_lock`."""
    return {place: entry.version for place, entry in _installed(text) if entry.version is not None}


def _packages(text: str) -> Iterator[Package]:
    lines = _lines(text)
    for place, entry in _installed(text):
        name = entry.name or place.rpartition(_INSTALLED)[2]
        if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
            raise ValueError(f"{name[:60]!r} is no name of a package")
        if not entry.version:
            raise ValueError(f"{name} is not pinned to one version")
        yield Package(name, entry.version, lines.get(place), entry.optional, Ecosystem.NPM)


def _installed(text: str) -> Iterator[tuple[str, _Entry]]:
    try:
        lock = _Lock.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"it is no lock of npm: {why(error)}") from error
    if lock.lockfileVersion not in _FORMATS:
        raise ValueError(
            f"its lockfileVersion is {lock.lockfileVersion}, not 2 or 3: "
            "`npm install --package-lock-only` of npm 7 or newer writes it anew"
        )
    return ((place, entry) for place, entry in lock.packages.items() if _INSTALLED in place and not entry.link)


def _lines(text: str) -> dict[str, int]:
    """Where the lock begins to tell of each place; npm writes one key a line."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = _KEY.match(line)
        if match is not None and _INSTALLED in line:
            try:
                found.setdefault(json.loads(match[1]), number)
            except ValueError:
                continue
    return found
