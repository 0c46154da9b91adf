"""What happened is counted once, as it comes: releases, results of stages, and acts of the ledger.

Each source is read on from where it was read before, and what it adds is kept together with how far it was read. So
a crash loses nothing and counts nothing twice, and a scrape reads what is new and never what is old.

Where a release stands follows from the same: it is received, in one of its phases, stopped by a gate, in production,
replaced there by a later one, or turned back. What the ledger says of production counts more than results of stages.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shopkart_pipeline.domain.declaration import Phase, Service
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import EvidenceMissing, StageRecord
from shopkart_pipeline.domain.metric import Metric, MetricKind, Sample, labels_of, observed
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import GateResult, Outcome, evaluate_stage
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.ports.metric_store import MetricStore, Step
from shopkart_pipeline.services.judge_release import stage_lines
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import BOOTSTRAP, PROMOTE, ROLL_BACK, TURN_BACK

_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
_RELEASES, _RECORDS, _ACTS = "releases", "records", "acts"
_SOURCES = (_RELEASES, _RECORDS, _ACTS)
RELEASES = Metric("shopkart_releases_total", MetricKind.COUNTER, "Releases that came in, merged or only proposed.")
QUEUE = Metric(
    "shopkart_queue_seconds", MetricKind.HISTOGRAM, "From a release's event until its first stage began.", _SECONDS
)
DURATION = Metric("shopkart_stage_duration_seconds", MetricKind.HISTOGRAM, "How long stages took.", _SECONDS)
RESULTS = Metric("shopkart_stage_results_total", MetricKind.COUNTER, "Results of stages, by how they came out.")
GATES = Metric("shopkart_gate_failures_total", MetricKind.COUNTER, "Gates that did not pass, by rule.")
DEPLOYMENTS = Metric("shopkart_deployments_total", MetricKind.COUNTER, "What releases came to in an environment.")
COUNTED = (RELEASES, QUEUE, DURATION, RESULTS, GATES, DEPLOYMENTS)


class Stand(StrEnum):
    """Where a release stands."""

    RECEIVED = "received"
    CI = "ci"
    STAGING = "staging"
    PRODUCTION = "production"
    """On its way there."""
    STOPPED = "stopped"
    IN_PRODUCTION = "in_production"
    REPLACED = "replaced"
    TURNED_BACK = "turned_back"


_SETTLED = frozenset({Stand.IN_PRODUCTION, Stand.REPLACED, Stand.TURNED_BACK})


@dataclass
class _Reading:
    """What some more of the past adds, while it is read."""

    platform: Platform
    store: MetricStore
    growth: list[Sample] = field(default_factory=list[Sample])
    states: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def count(self, metric: Metric, **labels: str) -> None:
        self.growth.append(Sample(metric.name, labels_of(labels), 1))

    def state(self, service: str, key: str) -> str | None:
        known = self.states.get((service, key))
        return known if known is not None else self.store.states(service, [key]).get(key)

    def standing(self, service: str, state: str) -> Iterable[str]:
        kept = dict.fromkeys(self.store.standing(service, state), state)
        kept |= {key: now for (name, key), now in self.states.items() if name == service}
        return [key for key, now in kept.items() if now == state]


def count_past(platform: Platform, store: MetricStore, limit: int = 1000) -> bool:
    """Count some more of what happened; True while there is more.

    Args:
        platform: the ports.
        store: where counts are kept.
        limit: how much is read of each source.
    """
    kept = store.positions()
    before = {source: kept.get(source, 0) for source in _SOURCES}
    releases = platform.evidence.added_after(before[_RELEASES], limit)
    records = platform.evidence.finished_after(before[_RECORDS], limit)
    entries = platform.ledger.after(before[_ACTS], limit)
    if not (releases or records or entries):
        return False
    reading = _Reading(platform, store)
    for _, release in releases:
        _release(reading, release)
    for _, record in records:
        _record(reading, record)
    for entry in entries:
        _act(reading, entry.act)
    reached = {
        _RELEASES: releases[-1][0] if releases else before[_RELEASES],
        _RECORDS: records[-1][0] if records else before[_RECORDS],
        _ACTS: entries[-1].sequence if entries else before[_ACTS],
    }
    store.apply(Step(before, reached, reading.growth, reading.states))
    return limit in (len(releases), len(records), len(entries))


def _release(reading: _Reading, release: Release) -> None:
    is_proposed = release.pull_request is not None
    reading.count(RELEASES, service=release.service, kind="proposed" if is_proposed else "merged")
    # Of a long past the ledger may be read further already than the releases.
    if not is_proposed and reading.state(release.service, release.key) is None:
        reading.states[release.service, release.key] = Stand.RECEIVED


def _record(reading: _Reading, record: StageRecord) -> None:
    service, stage = reading.platform.pipeline.services.get(record.service), record.stage
    lines = _lines(reading, service, record)
    failing = [line for line in lines if line.outcome in (Outcome.FAIL, Outcome.MISSING)]
    for line in failing:
        labels = {"service": record.service, "stage": stage, "gate": line.gate, "outcome": line.outcome.value}
        reading.count(GATES, **labels)
    reading.count(RESULTS, service=record.service, stage=stage, outcome=_outcome(record, failing))
    if record.reused is None:
        labels = {"service": record.service, "stage": stage}
        reading.growth.extend(observed(DURATION, max(0.0, record.duration_seconds), labels))
    _move(reading, service, record, is_stopped=bool(failing))


def _outcome(record: StageRecord, failing: list[GateResult]) -> str:
    if isinstance(record.result, EvidenceMissing):
        return "missing"
    if failing:
        return "failed"
    return "passed" if record.reused is None else "reused"


def _lines(reading: _Reading, service: Service | None, record: StageRecord) -> tuple[GateResult, ...]:
    """The gates of a stage as they are declared today. Waivers are looked up where something does not pass without."""
    gates = () if service is None else tuple(gate for gate in service.gates if gate.stage == record.stage)
    lines = evaluate_stage(record.stage, gates, record.result)
    if service is None or all(line.outcome not in (Outcome.FAIL, Outcome.MISSING) for line in lines):
        return lines
    try:
        release = reading.platform.evidence.release(record.service, record.release_key)
        records = reading.platform.evidence.latest(record.service, record.release_key)
        return stage_lines(reading.platform, release, record, records)
    except (NotFound, KeyError):
        return lines  # The release or the stage is not known any more.


def _move(reading: _Reading, service: Service | None, record: StageRecord, *, is_stopped: bool) -> None:
    state = reading.state(record.service, record.release_key)
    if state is None or service is None:
        return  # It is only proposed, or belongs to what is not declared any more.
    if state == Stand.RECEIVED:
        release = reading.platform.evidence.release(record.service, record.release_key)
        waited = (record.started_at - release.received_at).total_seconds()
        reading.growth.extend(observed(QUEUE, max(0.0, waited), {"service": record.service}))
    if state in _SETTLED:
        return
    if state == Stand.STOPPED and not is_stopped and _is_still_stopped(reading, service, record):
        return
    stage = next((each for each in service.stages if each.name == record.stage), None)
    phase = Phase.CI if stage is None else stage.phase
    reading.states[record.service, record.release_key] = Stand.STOPPED if is_stopped else Stand(phase.value)


def _is_still_stopped(reading: _Reading, service: Service, record: StageRecord) -> bool:
    """Whether another stage stops the release, that was beside this one or came before it."""
    others = reading.platform.evidence.latest(record.service, record.release_key).values()
    return any(
        line.outcome in (Outcome.FAIL, Outcome.MISSING) for each in others for line in _lines(reading, service, each)
    )


def _act(reading: _Reading, act: Act) -> None:
    environment = act.body.get("environment", "")
    if act.verb not in (PROMOTE, TURN_BACK, ROLL_BACK, BOOTSTRAP) or not environment:
        return
    reading.count(DEPLOYMENTS, service=act.service, environment=environment, outcome=act.verb)
    declared = reading.platform.pipeline.environments.get(environment)
    if declared is None or declared.phase is not Phase.PRODUCTION:
        return
    if act.verb == TURN_BACK:
        reading.states[act.service, act.release_key] = Stand.TURNED_BACK
        return
    for key in reading.standing(act.service, Stand.IN_PRODUCTION):
        reading.states[act.service, key] = Stand.REPLACED
    reading.states[act.service, act.release_key] = Stand.IN_PRODUCTION


def beginnings(platform: Platform) -> Iterator[Sample]:
    """Series of what is declared, at zero: a counter that first appears with a value hides its first increase."""
    for service in platform.pipeline.services.values():
        for gate in service.gates:
            for outcome in (Outcome.FAIL, Outcome.MISSING):
                labels = {"service": service.name, "stage": gate.stage, "gate": gate.name, "outcome": outcome.value}
                yield Sample(GATES.name, labels_of(labels), 0)
        for environment in service.deployments:
            for outcome in (PROMOTE, TURN_BACK, ROLL_BACK):
                labels = {"service": service.name, "environment": environment, "outcome": outcome}
                yield Sample(DEPLOYMENTS.name, labels_of(labels), 0)


def known_states(counts: Mapping[tuple[str, str], int], services: Iterable[str]) -> dict[tuple[str, str], int]:
    """The numbers of releases with those that are zero: a series that comes and goes can't be drawn."""
    return {(service, state.value): counts.get((service, state.value), 0) for service in services for state in Stand}
