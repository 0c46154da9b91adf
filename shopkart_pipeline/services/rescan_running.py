"""Scan what runs in production again, with today's advisories and under today's policy, and touch nothing.

What runs is what the cluster says; that it is what history names is a line of its own. Each gate of the scans is judged
again (`scan_running` says over what), and what it would block is a work item until it is gone. Nothing is recorded as a
stage of the release: what was approved stays what it was.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from shopkart_pipeline.domain.declaration import Phase, Service
from shopkart_pipeline.domain.errors import PipelineError, words_of
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline.domain.policy import FindingsRule
from shopkart_pipeline.domain.verdict import (
    NOTHING_WAIVED,
    GateResult,
    Outcome,
    Waived,
    counted_findings,
    evaluate_stage,
)
from shopkart_pipeline.domain.work_item import ItemPlace, WorkItem
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.judge_release import gates_of
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current
from shopkart_pipeline.services.scan_running import RESCAN, rescanned_stages, scan_running
from shopkart_pipeline.services.work_items import close_item, open_item, open_items

RUNNING = "running"


@dataclass(frozen=True)
class RescanReport:
    """What came of it."""

    service: str
    release_key: str
    digest: str
    """Of the image that runs; empty where none does."""
    lines: tuple[GateResult, ...]
    results: Mapping[str, Evidence | EvidenceMissing]
    """By stage."""
    opened: tuple[WorkItem, ...] = ()
    closed: tuple[WorkItem, ...] = ()

    @property
    def passed(self) -> bool:
        return all(line.outcome in (Outcome.PASS, Outcome.SKIPPED) for line in self.lines)

    @property
    def words(self) -> str:
        """One line for people."""
        blocking = [line.line for line in self.lines if line.outcome not in (Outcome.PASS, Outcome.SKIPPED)]
        return "; ".join(blocking) or self.lines[0].reason


@dataclass(frozen=True)
class _Running:
    """What runs."""

    release_key: str
    digest: str
    """Empty where nothing is known to run."""
    line: GateResult

    @property
    def is_certain(self) -> bool:
        """Whether the cluster said so, and history says the same."""
        return self.line.outcome in (Outcome.PASS, Outcome.SKIPPED)


def rescan_running(platform: Platform, service: Service) -> RescanReport:
    """Scan what runs of a service in production. What can't be had is in the report, and red."""
    running = _running(platform, service)
    wanted = list[tuple[WorkItem, str]]()
    try:
        results, waived = _results(platform, service, running)
        lines = [running.line]
        for name, result in results.items():
            judged = evaluate_stage(name, gates_of(service, name), result, waived)
            lines += judged
            wanted += _wanted(service, running, result, judged, waived)
        if not results:
            lines += _all(service, running.line.outcome, running.line.reason)
    except (PipelineError, OSError) as error:
        reason = words_of(error)
        results = dict[str, Evidence | EvidenceMissing]()
        lines = [running.line, *_all(service, Outcome.MISSING, reason)]
    opened = _open(platform, service, wanted)
    closed = _close(platform, service, running, results, lines, [item for item, _ in wanted])
    report = RescanReport(service.name, running.release_key, running.digest, tuple(lines), results, opened, closed)
    data = {f"{line.stage}.{line.gate}": line.outcome.value for line in report.lines}
    platform.evidence.note(Note(service.name, running.release_key, platform.clock.now(), RESCAN, report.words, data))
    return report


def _running(platform: Platform, service: Service) -> _Running:
    name = platform.environment_of(Phase.PRODUCTION).name
    placed = current(platform, service.name, name)
    key, digest = (placed.release_key, placed.digest) if placed else ("", "")
    try:
        stable = platform.sites[name].cluster.observe(name, service.name).stable
    except PipelineError as error:
        words = f"{error.what} What history names was scanned instead: {digest or 'nothing'}."
        return _Running(key, digest, _line(Outcome.MISSING, words))
    if stable is None or (stable.spec.replicas == 0 and stable.total == 0):
        if placed is None:
            return _Running("", "", _line(Outcome.SKIPPED, f"nothing of it is in {name}"))
        return _Running(key, digest, _line(Outcome.FAIL, f"nothing runs in {name}, where history names {digest}"))
    spec = stable.spec
    if digest != spec.digest:
        words = f"{name} runs {spec.digest}, and history names {digest or 'nothing'}"
        return _Running(spec.release_key, spec.digest, _line(Outcome.FAIL, words))
    words = f"{name} runs {spec.release_key} ({spec.digest})"
    return _Running(spec.release_key, spec.digest, _line(Outcome.PASS, words))


def _results(
    platform: Platform, service: Service, running: _Running
) -> tuple[Mapping[str, Evidence | EvidenceMissing], Waived]:
    if not running.digest:
        return {}, NOTHING_WAIVED
    release = platform.evidence.release(service.name, running.release_key)
    return scan_running(platform, service, release, running.digest)


def _wanted(
    service: Service,
    running: _Running,
    result: Evidence | EvidenceMissing,
    judged: Collection[GateResult],
    waived: Waived,
) -> list[tuple[WorkItem, str]]:
    """The items that there should be for gates that failed, with the gate's reason."""
    gates, found = {(gate.stage, gate.name): gate for gate in service.gates}, list[tuple[WorkItem, str]]()
    for line in judged:
        gate = gates.get((line.stage, line.gate))
        if line.outcome is not Outcome.FAIL or gate is None or isinstance(result, EvidenceMissing):
            continue
        about = ItemPlace(service.name, running.release_key, running.digest, line.stage, line.gate)
        if isinstance(gate.rule, FindingsRule):
            counted = counted_findings(gate, gate.rule, result, waived)
            found += [(about.finding(each), line.reason) for each in counted]
        else:
            found.append((about.measure(line.reason), line.reason))
    return found


def _open(platform: Platform, service: Service, wanted: Collection[tuple[WorkItem, str]]) -> tuple[WorkItem, ...]:
    known = {item.id for item in open_items(platform, service.name)}
    opened: dict[str, WorkItem] = {}
    for item, reason in wanted:
        if item.id not in known and item.id not in opened:
            open_item(platform, item, reason)
            opened[item.id] = item
    return tuple(opened.values())


def _close(
    platform: Platform,
    service: Service,
    running: _Running,
    results: Mapping[str, Evidence | EvidenceMissing],
    lines: Collection[GateResult],
    wanted: Collection[WorkItem],
) -> tuple[WorkItem, ...]:
    """Close what is gone, as far as somebody looked: a scan may have taken place and not have told a gate's measure."""
    closed, still = list[WorkItem](), {item.id for item in wanted}
    unknown = {(line.stage, line.gate) for line in lines if line.outcome is Outcome.MISSING}
    for item in open_items(platform, service.name):
        if item.digest != running.digest and running.is_certain:
            reason = f"{item.digest} does not run in production any more"
        elif item.digest == running.digest and isinstance(results.get(item.stage), Evidence):
            reason = f"{item.stage} does not count it any more"
        else:
            continue
        if item.digest == running.digest and (item.stage, item.gate) in unknown:
            continue
        if item.id not in still:
            close_item(platform, item, reason)
            closed.append(item)
    return tuple(closed)


def _all(service: Service, outcome: Outcome, reason: str) -> list[GateResult]:
    """The same line for every gate."""
    missing = EvidenceMissing(reason)
    judged = (
        line
        for stage in rescanned_stages(service)
        for line in evaluate_stage(stage.name, gates_of(service, stage.name), missing)
    )
    return [replace(line, outcome=outcome) for line in judged]


def _line(outcome: Outcome, reason: str) -> GateResult:
    return GateResult(RUNNING, RESCAN, outcome, reason)
