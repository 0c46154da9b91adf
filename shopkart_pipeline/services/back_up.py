"""Back up a database: write it out, read it back, and let go of what retention does not keep.

A backup counts when it was read back from where it is kept, to its end and with its key; one that can't be is taken
away again, and nothing older goes for it. What comes of it is remembered, and a failure is told.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from shopkart_pipeline.domain.backup import BackedUp, Manifest
from shopkart_pipeline.domain.errors import NotFound, PipelineError, words_of
from shopkart_pipeline.domain.retention import Held, kept
from shopkart_pipeline.domain.verdict import GateResult, Outcome
from shopkart_pipeline.ports.backups import Backups
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.tell_recovery import tell_recovery

BACKUP = "backup"
"""Kind of the notes (`tell_recovery`)."""
BACKUP_GATES = {
    "written": "The database was written out, sealed and kept.",
    "read_back": "What is kept can be read back, whole and with the key at hand.",
    "earlier": "Every earlier backup is as it was, as far as its manifest tells.",
}
_UNFINISHED = timedelta(days=1)


@dataclass(frozen=True)
class BackupReport:
    """What came of it."""

    database: str
    lines: tuple[GateResult, ...]
    manifest: Manifest | None = None
    removed: tuple[str, ...] = ()
    """Backups that retention let go."""

    @property
    def succeeded(self) -> bool:
        return all(line.outcome is Outcome.PASS for line in self.lines)

    @property
    def words(self) -> str:
        failed = [line.reason for line in self.lines if line.outcome is not Outcome.PASS]
        return "; ".join(failed) if failed else self.lines[0].reason


def declared_database(platform: Platform, name: str) -> BackedUp:
    """The declared database; raises `NotFound`."""
    databases = platform.pipeline.recovery.databases
    if name not in databases:
        known = ", ".join(databases)
        raise NotFound(f"No database {name!r} is declared under `recovery`.", f"Declared are: {known}.")
    return databases[name]


def backups_of(platform: Platform) -> Backups:
    """What backups need; raises `NotFound` where there is nothing of it."""
    if platform.backups is None:
        raise NotFound("Nothing is backed up here.", "Declare `recovery`.")
    return platform.backups


def back_up(platform: Platform, name: str) -> BackupReport:
    """Back up one database. What goes wrong is in the report.

    Raises:
        NotFound: it is not declared.
    """
    database, backups = declared_database(platform, name), backups_of(platform)
    now = platform.clock.now()
    manifest, lines = _written(backups, database, now)
    removed, earlier = _tidied(platform, backups, name, now, prune=manifest is not None)
    report = BackupReport(name, (*lines, earlier), manifest, removed)
    tell_recovery(platform, BACKUP, name, report.lines, report.words)
    return report


def _written(backups: Backups, database: BackedUp, now: datetime) -> tuple[Manifest | None, tuple[GateResult, ...]]:
    try:
        manifest = backups.store.write(database, now, backups.database(database).dump)
    except (PipelineError, OSError) as error:
        failed = _line("written", Outcome.FAIL, words_of(error))
        return None, (failed, _line("read_back", Outcome.MISSING, "nothing was written"))
    written = _line("written", Outcome.PASS, in_words(manifest))
    try:
        size_bytes = sum(len(piece) for piece in backups.store.read(manifest))
    except (PipelineError, OSError) as error:
        with suppress(PipelineError, OSError):
            backups.store.remove(manifest)
        return None, (written, _line("read_back", Outcome.FAIL, f"it is taken away again: {words_of(error)}"))
    return manifest, (written, _line("read_back", Outcome.PASS, f"{size_bytes} bytes, unsealed"))


def in_words(manifest: Manifest) -> str:
    """One line about a backup."""
    contents = manifest.contents
    size = f"{manifest.size_bytes / 1_000_000:.1f} MB"
    return f"{manifest.name}: {len(contents.rows)} tables, {contents.all_rows} rows, {size}, {contents.version}"


def _tidied(
    platform: Platform, backups: Backups, name: str, now: datetime, *, prune: bool
) -> tuple[tuple[str, ...], GateResult]:
    """Let go of what is not kept, and say whether what is kept can be used as far as that is known."""
    removed = list[str]()
    try:
        found, unreadable = backups.store.backups(name)
        held = [Held(each.manifest.id, each.manifest.taken_at, each.verified_at is not None) for each in found]
        staying = kept(held, platform.pipeline.recovery.retention)
        going = [each.manifest for each in found if prune and each.manifest.id not in staying]
        for manifest in going:
            backups.store.remove(manifest)
            removed.append(manifest.id)
        backups.store.sweep(now - _UNFINISHED)
    except (PipelineError, OSError) as error:
        return tuple(removed), _line("earlier", Outcome.MISSING, words_of(error))
    if unreadable:
        told = _some(f"{each.name}: {each.reason}" for each in unreadable)
        return tuple(removed), _line("earlier", Outcome.FAIL, told, len(unreadable))
    return tuple(removed), _line("earlier", Outcome.PASS, f"{len(found) - len(going)} are kept, {len(going)} went", 0)


def _some(told: Iterable[str]) -> str:
    lines = list(told)
    return "; ".join([*lines[:3], *([f"{len(lines) - 3} more"] if len(lines) > 3 else [])])


def _line(gate: str, outcome: Outcome, reason: str, value: float | None = None) -> GateResult:
    return GateResult(gate, BACKUP, outcome, reason, value, 0.0 if value is not None else None)
