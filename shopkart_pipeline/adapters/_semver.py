"""Versions of npm packages and their order.

A pre-release comes before its release; its identifiers are compared one by one, numbers as numbers and before words; of
two that are equal so far the shorter one is first. Build metadata says nothing about the order.

Source: Semantic Versioning 2.0.0, items 9 to 11. A leading `v` is read over, as npm does.
"""

import re
from dataclasses import dataclass
from functools import total_ordering

_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = rf"(?:{_NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION = re.compile(
    rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_LONGEST = 256
"""Characters; npm refuses longer ones too."""


@total_ordering
@dataclass(frozen=True)
class Semver:
    """A version without its build metadata."""

    release: tuple[int, int, int]
    prerelease: tuple[int | str, ...] = ()

    def __lt__(self, other: "Semver") -> bool:
        return self._key < other._key

    def __str__(self) -> str:
        release = ".".join(map(str, self.release))
        return f"{release}-{'.'.join(map(str, self.prerelease))}" if self.prerelease else release

    @property
    def _key(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        identifiers = tuple((False, one, "") if isinstance(one, int) else (True, 0, one) for one in self.prerelease)
        return self.release, not self.prerelease, identifiers


LOWEST = Semver((0, 0, 0), (0,))
"""No version comes before this one."""


def parse_semver(text: str) -> Semver:
    """Read a version.

    Raises:
        ValueError: it is none.
    """
    match = _VERSION.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{text[:60]!r} is no semantic version")
    major, minor, patch, prerelease = match.groups()
    identifiers = prerelease.split(".") if prerelease else []
    return Semver(
        (int(major), int(minor), int(patch)), tuple(int(one) if one.isdecimal() else one for one in identifiers)
    )
