"""What dependency scans rest on: the advisory snapshot and the locks that a request names."""

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters._advisories import Snapshot, load_snapshot, vulnerabilities
from shopkart_pipeline.adapters._locked_packages import Package, parse_lock
from shopkart_pipeline.adapters._vulnerability_evidence import fingerprints
from shopkart_pipeline.domain.evidence import EvidenceMissing, Tool
from shopkart_pipeline.ports.scanner import ScanRequest

_FOLDER = "advisories"
_LOCK = "requirements.lock"


def snapshot_tool(snapshot: Snapshot) -> Tool:
    """The comparison, with the data that it rests on."""
    rules = f"{len(snapshot.advisories)} advisories of {snapshot.taken_at:%Y-%m-%dT%H:%M:%SZ} from {snapshot.source}"
    return Tool("osv-snapshot", "1", rules)


def read_snapshot(request: ScanRequest) -> Snapshot | EvidenceMissing:
    """The snapshot that the stage names."""
    name = request.stage.options.get("advisories", _FOLDER)
    try:
        return load_snapshot(request.tree / name)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
        return EvidenceMissing(f"there is no usable advisory snapshot in {name}: {reason}")


def advisory_inputs(request: ScanRequest, now: datetime) -> Mapping[str, str]:
    """What a comparison with the snapshot depends on: every file of it, and the day, since its age counts.

    Raises:
        OSError: the snapshot can't be read.
    """
    folder = request.tree / request.stage.options.get("advisories", _FOLDER)
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.json")):
        digest.update(f"{file.relative_to(folder)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return {"advisories": digest.hexdigest(), "day": f"{now:%Y-%m-%d}"}


def lock_path(request: ScanRequest) -> str:
    """The lock that the stage names, relative to the repository's root."""
    return os.path.normpath(f"{request.service.source.path}/{request.stage.options.get('lock', _LOCK)}")


def read_lock(request: ScanRequest, tree: Path) -> tuple[Package, ...] | EvidenceMissing:
    """Packages of the service's lock in a tree; at least one."""
    name = lock_path(request)
    try:
        packages = parse_lock((tree / name).read_text(encoding="utf-8"))
    except OSError as error:
        return EvidenceMissing(f"{name} can't be read: {error.strerror}")
    except ValueError as error:
        return EvidenceMissing(f"{name} can't be judged: {error}")
    return packages or EvidenceMissing(f"{name} names no package")


def known_vulnerabilities(request: ScanRequest, snapshot: Snapshot) -> tuple[frozenset[str], tuple[str, ...]]:
    """Fingerprints of what the base's lock had, judged by the same snapshot; and a note where it can't be read."""
    if request.base_tree is None:
        return frozenset(), ()
    packages = read_lock(request, request.base_tree)
    if isinstance(packages, EvidenceMissing):
        return frozenset(), (f"Everything counts as new: of the base, {packages.reason}.",)
    try:
        return fingerprints(vulnerabilities(snapshot, packages)), ()
    except ValueError as error:
        return frozenset(), (f"Everything counts as new: the base's lock can't be judged ({error}).",)
