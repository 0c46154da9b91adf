"""A snapshot of advisories in OSV format, and how old it may be.

A snapshot is a folder: `snapshot.json` (`taken_at`, `source`, `count`) and the advisories, one a file or many in a
list. Its count has to be right: a snapshot that lost a part is no snapshot. One that is older than it may be is none
either, because it knows nothing of what was found since; nor is one of the future, which would never grow old.

Options of the stage: `advisories`, the folder relative to the repository's root (default `advisories`);
`maximum_age_days` (default 30).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel

from shopkart_pipeline.adapters._advisories import Index, index_of
from shopkart_pipeline.adapters._advisory_age import age_days, lenience_note, maximum_age_days, outdated
from shopkart_pipeline.adapters._osv_documents import ADVISORY_FILE, Advisory
from shopkart_pipeline.adapters._packages import Ecosystem
from shopkart_pipeline.adapters._report_limits import why
from shopkart_pipeline.domain.evidence import EvidenceMissing, Tool
from shopkart_pipeline.ports.scanner import ScanRequest

MAXIMUM_AGE_DAYS = 30.0
_FOLDER = "advisories"
_ABOUT = "snapshot.json"


class _About(BaseModel):
    taken_at: AwareDatetime
    source: str
    count: int


@dataclass(frozen=True)
class Snapshot:
    """Advisories as they were at some moment."""

    taken_at: datetime
    source: str
    count: int
    index: Index
    advisories: tuple[Advisory, ...]

    @property
    def ecosystems(self) -> frozenset[Ecosystem]:
        """Those that it knows anything of."""
        return frozenset(ecosystem for ecosystem, _ in self.index)

    @property
    def tool(self) -> Tool:
        """The comparison, with the data that it rests on."""
        rules = f"{self.count} advisories of {self.taken_at:%Y-%m-%dT%H:%M:%SZ} from {self.source}"
        return Tool("osv-snapshot", "1", rules)


def load_snapshot(folder: Path, name: str | None = None) -> Snapshot:
    """Read a snapshot.

    Args:
        folder: where it is.
        name: read only what may be about an advisory of that name; None: all has to be there, and is counted.

    Raises:
        OSError: it can't be read.
        ValueError: it is not in OSV format, or not complete.
    """
    about = _About.model_validate_json((folder / _ABOUT).read_bytes())
    advisories: list[Advisory] = []
    for file in sorted(folder.rglob("*.json")):
        if file != folder / _ABOUT:
            advisories += read_advisories(file, name)
    if name is None and (not advisories or len(advisories) != about.count):
        raise ValueError(f"{len(advisories)} advisories are there, {about.count} should be")
    return Snapshot(about.taken_at, about.source, about.count, index_of(advisories), tuple(advisories))


def read_advisories(file: Path, name: str | None = None) -> list[Advisory]:
    """The advisories of a file; none where a name is given that does not occur in it. Raises as `load_snapshot`."""
    text = file.read_bytes()
    if name is not None and name.lower().encode() not in text.lower():
        return []
    content = ADVISORY_FILE.validate_json(text)
    return content if isinstance(content, list) else [content]


def read_snapshot(request: ScanRequest, now: datetime) -> Snapshot | EvidenceMissing:
    """The snapshot that the stage names, if it is of use today."""
    name = request.stage.options.get("advisories", _FOLDER)
    try:
        snapshot = load_snapshot(request.advisories / name)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else why(error)
        return EvidenceMissing(f"there is no usable advisory snapshot in {name}: {reason}")
    try:
        reason = outdated(snapshot.taken_at, now, maximum_age_days(request.stage.options, MAXIMUM_AGE_DAYS))
    except ValueError as error:
        return EvidenceMissing(str(error))
    return snapshot if reason is None else EvidenceMissing(f"{reason}: renew the snapshot", snapshot.tool)


def advisory_inputs(request: ScanRequest, now: datetime) -> Mapping[str, str]:
    """What a comparison with the snapshot depends on: every file of it, and the day, since its age counts.

    Raises:
        OSError: the snapshot can't be read.
    """
    folder = request.advisories / request.stage.options.get("advisories", _FOLDER)
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.json")):
        digest.update(f"{file.relative_to(folder)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return {"advisories": digest.hexdigest(), "day": f"{now:%Y-%m-%d}"}


def snapshot_notes(snapshot: Snapshot, request: ScanRequest) -> tuple[str, ...]:
    """What a reader has to know about the data."""
    note = f"Judged by the dated advisory snapshot of {snapshot.taken_at:%Y-%m-%d} ({snapshot.source})."
    return note, *lenience_note(maximum_age_days(request.stage.options, MAXIMUM_AGE_DAYS), MAXIMUM_AGE_DAYS)


def snapshot_measures(snapshot: Snapshot, now: datetime) -> dict[str, float]:
    """How much the snapshot holds, and how old it is."""
    return {"advisories": float(snapshot.count), "snapshot_age_days": age_days(snapshot.taken_at, now)}
