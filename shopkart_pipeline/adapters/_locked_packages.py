"""Lock files in the format of `requirements.txt`: what exactly is installed.

Every requirement has to name one exact version. What only some platforms install counts on all of them: a lock is
judged as a whole, not for the machine that happens to judge it.
"""

import re
from collections.abc import Iterator, Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from shopkart_pipeline.adapters._packages import Package

_COMMENT = re.compile(r"(^|\s+)#.*$")
_OPTION = re.compile(r"\s--?[a-z].*$")
_HASH = re.compile(r"--hash[= ]([a-z0-9]+:[0-9a-f]+)")
_HARMLESS_OPTIONS = ("--index-url", "--extra-index-url", "--find-links", "--no-index", "--only-binary", "--no-binary")


def parse_lock(text: str) -> tuple[Package, ...]:
    """Packages of a lock file, in its order.

    Raises:
        ValueError: a line does not name one exact version.
    """
    return tuple(_package(line, requirement) for line, requirement, _ in _requirements(text))


def allowed_hashes(text: str) -> Mapping[Package, tuple[str, ...]]:
    """The hashes that a lock allows for each of its packages, such as `sha256:...`; raises as `parse_lock`."""
    found: dict[Package, tuple[str, ...]] = {}
    for line, requirement, options in _requirements(text):
        package = _package(line, requirement)
        found[package] = (*found.get(package, ()), *_HASH.findall(options))
    return found


def _requirements(text: str) -> Iterator[tuple[int, str, str]]:
    """Logical lines without comments: the number of their first line, what they require, and their options."""
    started, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        started = started or number
        stripped = _COMMENT.sub("", line).strip()
        parts.append(stripped.removesuffix("\\").strip())
        if stripped.endswith("\\"):
            continue
        whole = " ".join(part for part in parts if part)
        logical = _OPTION.sub("", whole).strip()
        first, started, parts = started, 0, []
        if logical.startswith("-") and not logical.startswith(_HARMLESS_OPTIONS):
            raise ValueError(f"line {first}: {logical.split()[0]} is not part of a lock")
        if logical and not logical.startswith("-"):
            yield first, logical, whole[len(logical) :]


def _package(line: int, text: str) -> Package:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"line {line}: {text[:60]!r} is no requirement") from error
    pins = [specifier for specifier in requirement.specifier if specifier.operator in ("==", "===")]
    if requirement.url or len(requirement.specifier) != 1 or not pins or pins[0].version.endswith("*"):
        raise ValueError(f"line {line}: {requirement.name} is not pinned to one version")
    return Package(canonicalize_name(requirement.name), pins[0].version, line, requirement.marker is not None)
