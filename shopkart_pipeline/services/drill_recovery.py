"""Recover from the newest backup, beside everything that runs, and see whether that would have worked.

The newest backup is restored on a server of its own; tables, rows and schema are compared with its manifest; and where
a service is declared for the database, the version that is in production is started on what was restored (in staging,
under a name of its own) and has to answer. Recovery time and the age of the data are held against what is declared.
What was not reached is missing, and missing is red. Only a drill in which everything was found makes a backup a
verified one.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from shopkart_pipeline.domain.backup import BackedUp, Backup, Contents, Manifest, Unreadable, differences
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import PipelineError, words_of
from shopkart_pipeline.domain.policy import Comparison
from shopkart_pipeline.domain.verdict import GateResult, Outcome
from shopkart_pipeline.ports.backups import Backups, Restored
from shopkart_pipeline.services.back_up import backups_of, declared_database, in_words
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current
from shopkart_pipeline.services.run_companion import on_restored
from shopkart_pipeline.services.tell_recovery import tell_recovery

RECOVERY_DRILL = "recovery_drill"
"""Kind of the notes (`tell_recovery`)."""
DRILL_GATES = {
    "backup": "There is a backup, and the newest one can be used.",
    "data_age": "The newest backup is young enough (recovery point objective).",
    "restored": "It comes back on an empty server.",
    "schema": "The schema is what it was.",
    "rows": "Every table has the rows that it had.",
    "storefront": "The version in production works on it.",
    "recovery_time": "All of that took no longer than declared (recovery time objective).",
}
_ABOUT_TIME = ("backup", "data_age", "recovery_time")
"""What says nothing about whether this backup gives everything back."""
_DIFFERENCES_TOLD = 5
_CLOCK_TOLERANCE_SECONDS = 300.0
"""Clocks of two machines may differ by as much."""


@dataclass(frozen=True)
class DrillReport:
    """What came of it."""

    database: str
    lines: tuple[GateResult, ...]
    manifest: Manifest | None
    """The backup that was restored, or was to be."""

    @property
    def passed(self) -> bool:
        return all(line.outcome is Outcome.PASS for line in self.lines)

    @property
    def words(self) -> str:
        """One line for people."""
        failed = [f"{line.gate}: {line.reason}" for line in self.lines if line.outcome is not Outcome.PASS]
        return "; ".join(failed) if failed else "; ".join(line.reason for line in self.lines if line.value is not None)


def gates_of_drill(database: BackedUp) -> tuple[str, ...]:
    """The names of the lines that a drill of this database gives, in order."""
    return tuple(name for name in DRILL_GATES if database.service is not None or name != "storefront")


def drill_recovery(platform: Platform, name: str, holder: str) -> DrillReport:
    """Drill the recovery of one database. What goes wrong is in the report.

    Args:
        platform: the ports.
        name: the database.
        holder: identifies the attempt.

    Raises:
        NotFound: it is not declared.
    """
    drill = _Drill(platform, declared_database(platform, name), backups_of(platform), holder)
    drill.run()
    lines = tuple(drill.lines.get(gate) or _missing(gate) for gate in gates_of_drill(drill.database))
    report = DrillReport(name, lines, drill.manifest)
    found = all(line.outcome is Outcome.PASS for line in lines if line.gate not in _ABOUT_TIME)
    if found and drill.manifest is not None:
        with suppress(PipelineError):  # The next drill says so again.
            drill.backups.store.verified(drill.manifest, platform.clock.now())
    measured: dict[str, str | float | None] = {
        f"{line.gate}_seconds": line.value for line in lines if line.value is not None
    }
    told = {**measured, "backup_name": drill.manifest.name if drill.manifest else None}
    tell_recovery(platform, RECOVERY_DRILL, name, lines, report.words, told)
    return report


class _Drill:
    """One drill under way: each step leaves its lines, and those that are not reached stay missing."""

    def __init__(self, platform: Platform, database: BackedUp, backups: Backups, holder: str) -> None:
        self.platform = platform
        self.database = database
        self.backups = backups
        self.holder = holder
        self.lines: dict[str, GateResult] = {}
        self.manifest: Manifest | None = None

    def run(self) -> None:
        now = self.platform.clock.now
        try:
            found, unreadable = self.backups.store.backups(self.database.name)
        except (PipelineError, OSError) as error:
            self._say("backup", False, words_of(error))
            return
        self._choose(found, unreadable)
        if self.manifest is None:
            return
        began = now()
        age_seconds = (began - self.manifest.taken_at).total_seconds()
        if age_seconds < -_CLOCK_TOLERANCE_SECONDS:
            self._say("data_age", False, f"it is of the future ({self.manifest.taken_at}): a clock is wrong")
        else:
            self._say_limit("data_age", age_seconds, self.database.maximum_age_seconds)
        try:
            source = self.backups.store.read(self.manifest)
            with self.backups.database(self.database).restored(source, self.manifest.contents.version) as restored:
                self._restored(self.manifest, restored, began, now)
        except (PipelineError, OSError) as error:
            self.lines.setdefault("restored", _line("restored", False, words_of(error)))

    def _choose(self, found: tuple[Backup, ...], unreadable: tuple[Unreadable, ...]) -> None:
        self.manifest = found[0].manifest if found else None
        newest = self.manifest.name if self.manifest else ""
        newer = [each for each in unreadable if each.name > newest]
        if newer:
            words = "; ".join(f"{each.name} can't be used: {each.reason}" for each in newer[:_DIFFERENCES_TOLD])
            self._say("backup", False, words)
        elif self.manifest is None:
            self._say("backup", False, "there is no backup")
        else:
            self._say("backup", True, in_words(self.manifest))

    def _restored(self, manifest: Manifest, restored: Restored, began: datetime, now: Callable[[], datetime]) -> None:
        self._say("restored", True, f"{manifest.name} came back on {restored.contents.version}")
        self._compare(manifest.contents, restored.contents)
        works = self.database.service is None or self._works(self.database.service, restored)
        if works:
            self._say_limit("recovery_time", (now() - began).total_seconds(), self.database.recovery_seconds)

    def _compare(self, wanted: Contents, found: Contents) -> None:
        same = wanted.schema_digest == found.schema_digest
        self._say("schema", same, "the same" if same else "it is not what the manifest names: something was lost")
        told = list(differences(wanted, found))
        words = f"{len(wanted.rows)} tables with {wanted.all_rows} rows, each as it was"
        if told:
            more = len(told) - _DIFFERENCES_TOLD
            words = "; ".join([*told[:_DIFFERENCES_TOLD], *([f"{more} more differences"] if more > 0 else [])])
        self._say("rows", not told, words)

    def _works(self, name: str, restored: Restored) -> bool:
        """Whether the service does what it should on what was restored."""
        platform, service = self.platform, self.platform.service(name)
        staging = platform.environment_of(Phase.STAGING)
        placed = current(platform, name, platform.environment_of(Phase.PRODUCTION).name)
        reason = _unstartable(staging.platform, placed is None)
        if reason is None and placed is not None:
            try:
                with on_restored(platform, service, placed, restored.address, self.holder) as running:
                    answers = ((path, self.backups.probe(running.url, path)) for path in self.database.smoke_paths)
                    reason = next((f"{path}: {why}" for path, why in answers if why is not None), None)
            except PipelineError as error:
                reason = error.what
        if reason is None and placed is not None:
            paths = ", ".join(self.database.smoke_paths)
            self._say("storefront", True, f"{name} {placed.release_key}, as in production, answers {paths}")
            return True
        self.lines["storefront"] = _line("storefront", False, reason or "")
        return False

    def _say(self, gate: str, passed: bool, reason: str) -> None:
        self.lines[gate] = _line(gate, passed, reason)

    def _say_limit(self, gate: str, value: float, limit: float) -> None:
        holds = value <= limit
        reason = f"{value:.0f} s {'<=' if holds else '>'} {limit:.0f} s"
        line = _line(gate, holds, f"{gate.replace('_', ' ')} {reason}")
        self.lines[gate] = replace(line, value=value, limit=limit, comparison=Comparison.AT_MOST)


def _unstartable(platform: str, nothing_in_production: bool) -> str | None:
    if nothing_in_production:
        return "nothing is in production, so there is no version to start"
    if platform == "kubernetes":
        return "what was restored is on the pipeline's machine, which pods of a cluster do not reach"
    return None


def _line(gate: str, passed: bool, reason: str) -> GateResult:
    return GateResult(gate, RECOVERY_DRILL, Outcome.PASS if passed else Outcome.FAIL, reason)


def _missing(gate: str) -> GateResult:
    return GateResult(gate, RECOVERY_DRILL, Outcome.MISSING, "the drill did not come to it")
