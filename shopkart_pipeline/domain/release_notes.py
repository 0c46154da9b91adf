"""The notes of one version, read out of a changelog in the form of Keep a Changelog 1.1.

A changelog is a heading `## [VERSION] - DATE` for each version, newest first, and `## [Unreleased]` above them; below,
changes by kind under `### KIND`. What can't be read that way is refused with its line: notes of a release in which
changes are missing would be believed.

Source: https://keepachangelog.com/en/1.1.0/
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from shopkart_pipeline.domain.errors import NotFound, PipelineError

UNRELEASED = "Unreleased"
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
_VERSION = re.compile(r"## \[(?P<version>[^\]]+)\](?: - (?P<date>\S+))?(?P<yanked> \[YANKED\])?")
_REFERENCE = re.compile(r"\[[^\]]+\]: \S+")
_FIX = "Follow https://keepachangelog.com/en/1.1.0/: `## [1.2.0] - 2026-11-28`, `### Added`, `- a change`."


@dataclass(frozen=True)
class ReleaseNotes:
    """What changed in one version."""

    version: str
    released: date | None
    """None: not yet."""
    text: str
    """The sections as Markdown, without the version's own heading; ends with a line feed."""


def release_notes(changelog: str, version: str, name: str = "CHANGELOG.md") -> ReleaseNotes:
    """The notes of a version.

    Args:
        changelog: the whole text.
        version: as in its heading; `Unreleased` for what no version has yet.
        name: of the file, for faults.

    Raises:
        PipelineError: a heading or a change is not of the form, a version is there twice, a date is none, a released
            version has no date, or the version has no change.
        NotFound: it has no such version.
    """
    lines = changelog.splitlines()
    begins = [number for number, line in enumerate(lines) if line.startswith("## ")]
    found: dict[str, ReleaseNotes] = {}
    for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        notes = _read(lines, begin, end, name)
        if notes.version in found:
            raise PipelineError(f"{name}:{begin + 1}: version {notes.version} is there twice.", "Join its sections.")
        found[notes.version] = notes
    if version not in found:
        known = ", ".join(found) or "none"
        raise NotFound(f"{name} has no version {version}.", f"It has: {known}. Add a section `## [{version}] - DATE`.")
    if not found[version].text.strip():
        raise PipelineError(f"{name} names no change in {version}.", "Say what changed, below `### Added` or the like.")
    return found[version]


def _read(lines: Sequence[str], begin: int, end: int, name: str) -> ReleaseNotes:
    heading = _VERSION.fullmatch(lines[begin].rstrip())
    if heading is None:
        raise PipelineError(f"{name}:{begin + 1}: {lines[begin]!r} is no heading of a version.", _FIX)
    body = [line.rstrip() for line in lines[begin + 1 : end] if _REFERENCE.fullmatch(line.rstrip()) is None]
    _check(body, begin + 2, name)
    return ReleaseNotes(heading["version"], _date(heading, begin + 1, name), "\n".join(body).strip() + "\n")


def _date(heading: re.Match[str], line: int, name: str) -> date | None:
    if heading["version"] == UNRELEASED and heading["date"] is None:
        return None
    try:
        return date.fromisoformat(heading["date"] or "")
    except ValueError:
        said = "has no date" if heading["date"] is None else f"has the date {heading['date']}"
        raise PipelineError(f"{name}:{line}: version {heading['version']} {said}.", _FIX) from None


def _check(body: Sequence[str], first: int, name: str) -> None:
    kind = None
    for number, line in enumerate(body, first):
        if line.startswith("### "):
            kind = line.removeprefix("### ")
            if kind not in KINDS:
                raise PipelineError(f"{name}:{number}: {kind!r} is no kind of change.", f"Use {', '.join(KINDS)}.")
        elif line.startswith("- ") and kind is None:
            raise PipelineError(f"{name}:{number}: this change is of no kind.", "Put it below `### Added` or the like.")
