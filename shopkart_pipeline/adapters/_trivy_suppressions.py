"""What a repository says about vulnerabilities that do not count: VEX documents and trivy's ignore file.

A VEX document (OpenVEX, CycloneDX or CSAF) states that a vulnerability does not concern a product; it holds until it is
changed. `.trivyignore.yaml` in the repository's root is a waiver in trivy's own words, and is held to the same rules as
waivers: an entry counts if it gives a `statement` and an `expired_at` at most 90 days ahead. Any other entry is told
and does not count. A plain `.trivyignore` knows neither and is not read.

Trivy gets copies, so that no name of the repository leads anywhere, and of the ignore file only what counts. For the
base of a release everything counts that it has, expired or not: what was suppressed there was not known to be there,
and is new when it comes back.

Option of the stage: `vex`, paths relative to the repository's root, separated by white space.
"""

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import yaml
from pydantic import BaseModel

from shopkart_pipeline.adapters._report_limits import Many, why
from shopkart_pipeline.adapters._repository_files import digest_of_named_files, read_named_file
from shopkart_pipeline.adapters._yaml_shape import LOADER, check_shape
from shopkart_pipeline.domain.waiver import MAXIMUM_DAYS
from shopkart_pipeline.ports.scanner import ScanRequest

IGNORE_FILE = ".trivyignore.yaml"
_PLAIN_IGNORE_FILE = ".trivyignore"
_LARGEST_IGNORE_FILE_BYTES = 1024 * 1024
_DEEPEST = 20
"""Collections inside one another; a proper file has three."""
_SHOWN = 5


class _Entry(BaseModel):
    id: str
    statement: str = ""
    expired_at: date | None = None
    paths: list[str] = []
    purls: list[str] = []


class _IgnoreFile(BaseModel):
    vulnerabilities: Many[_Entry] = []


@dataclass(frozen=True)
class Suppressions:
    """What trivy is given."""

    arguments: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names in the repository, by the names that trivy knows."""
    notes: tuple[str, ...] = ()


def vex_names(request: ScanRequest) -> list[str]:
    """The VEX documents that the stage names."""
    return request.stage.options.get("vex", "").split()


def suppression_inputs(request: ScanRequest) -> str:
    """A digest of the documents, which need not lie in the service's folder."""
    return digest_of_named_files(request.tree, [*vex_names(request), IGNORE_FILE])


def prepare_suppressions(
    request: ScanRequest, tree: Path, folder: Path, *, scanned: str | None, now: datetime | None
) -> Suppressions:
    """Lay out what trivy is given.

    Args:
        request: whose options count.
        tree: root of the repository, at the release or at its base.
        folder: where trivy will run; the copies are made there.
        scanned: the folder of the repository that is scanned, which entries' `paths` are made relative to; None for an
            image, where they mean files of the image.
        now: what expiries are compared with; None at the base, where everything counts.

    Raises:
        ValueError: a document that the stage names can't be read, or the ignore file can't.
    """
    arguments: list[str] = []
    sources: dict[str, str] = {}
    for number, name in enumerate(vex_names(request)):
        if now is None and not os.path.lexists(tree / name):
            continue
        copy = f"vex-{number}.json"
        (folder / copy).write_bytes(read_named_file(tree, name))
        arguments += ["--vex", copy]
        sources[copy] = name
    entries, notes = _entries(tree, now)
    relative = [entry for one in entries if (entry := _relative(one, scanned)) is not None]
    if relative:
        copy = "ignored.yaml"
        (folder / copy).write_text(yaml.safe_dump({"vulnerabilities": relative}), encoding="utf-8")
        arguments += ["--ignorefile", copy]
        sources[copy] = IGNORE_FILE
    return Suppressions(tuple(arguments), sources, notes)


def _entries(tree: Path, now: datetime | None) -> tuple[list[_Entry], tuple[str, ...]]:
    notes: list[str] = []
    if (tree / _PLAIN_IGNORE_FILE).exists():
        notes.append(f"{_PLAIN_IGNORE_FILE} is not read: it gives no reason. Write {IGNORE_FILE}, or a waiver.")
    if not (tree / IGNORE_FILE).exists():
        return [], tuple(notes)
    entries = _read(read_named_file(tree, IGNORE_FILE)).vulnerabilities
    if now is None:
        return entries, ()
    problems = {id(entry): _problem(entry, now) for entry in entries}
    refused = [f"{entry.id} {problems[id(entry)]}" for entry in entries if problems[id(entry)]]
    if refused:
        shown = "; ".join(refused[:_SHOWN]) + ("; and others" if len(refused) > _SHOWN else "")
        notes.append(f"{len(refused)} entries of {IGNORE_FILE} don't count: {shown}.")
    return [entry for entry in entries if not problems[id(entry)]], tuple(notes)


def _read(content: bytes) -> _IgnoreFile:
    try:
        if len(content) > _LARGEST_IGNORE_FILE_BYTES:
            raise ValueError("it is too big")
        check_shape(content, _DEEPEST, aliases=False)
        return _IgnoreFile.model_validate(yaml.load(content, LOADER) or {})  # noqa: S506  (a safe loader)
    except yaml.YAMLError as error:
        raise ValueError(f"{IGNORE_FILE} is no YAML: {str(error).partition(chr(10))[0]}") from error
    except ValueError as error:
        raise ValueError(f"{IGNORE_FILE} can't be read: {why(error)}") from error


def _problem(entry: _Entry, now: datetime) -> str:
    """Why an entry does not count; empty where it does."""
    if not entry.statement.strip():
        return "gives no statement"
    if entry.expired_at is None:
        return "gives no expired_at"
    expires_at = datetime.combine(entry.expired_at, time(), UTC)
    if now >= expires_at:
        return f"expired on {entry.expired_at}"
    if expires_at - now > timedelta(days=MAXIMUM_DAYS):
        return f"expires on {entry.expired_at}, more than {MAXIMUM_DAYS} days ahead"
    return ""


def _relative(entry: _Entry, scanned: str | None) -> dict[str, object] | None:
    """An entry in trivy's words; None where it is about other folders. The expiry has been judged already."""
    paths = entry.paths
    if paths and scanned not in (None, "."):
        below = [path for path in map(posixpath.normpath, paths) if path.startswith((f"{scanned}/", "*"))]
        paths = [path.removeprefix(f"{scanned}/") for path in below]
        if not paths:
            return None
    named: dict[str, object] = {"id": entry.id, "statement": entry.statement}
    return named | ({"paths": paths} if paths else {}) | ({"purls": entry.purls} if entry.purls else {})
