"""An incident tells what was observed, names what could not be, and names no people."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.incident import Incident, IncidentSource, IncidentStep
from shopkart_pipeline.domain.release import Person, Release
from shopkart_pipeline.domain.traffic import MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.ports.telemetry import LogLine, LogsMissing
from shopkart_pipeline.services.drive_rollout import ABORT
from shopkart_pipeline.services.raise_incident import raise_incident
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour, FakeLogs, FakeMetrics
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

PRIYA = Person("Priya Raman", "priya@shopkart.example")


def bad(world: World, ratio: float = 0.6, **details: str) -> Release:
    """A release that fails in production, after a good one."""
    world.released()
    release = world.approved(author=PRIYA, **details)
    world.metrics.error_ratios[world.digest(release)] = ratio
    return release


def incident_of(world: World, release: Release) -> Incident:
    assert not world.stage(release, "production").passed
    [incident] = world.incidents.list()
    return incident


def postmortem(world: World, incident: Incident) -> str:
    text = world.incidents.postmortem(incident.id)
    assert text is not None
    return text


def log_errors(world: World, release_key: str, count: int, signature: str) -> None:
    lines = world.logs.lines.setdefault((PRODUCTION, "backend"), [])
    lines += [
        LogLine(
            at=world.clock.now() + timedelta(seconds=0.4),
            track=Track.CANARY,
            replica="canary-1",
            release_key=release_key,
            level="error",
            message=f"cart {number} | `can't be read`\nsecond line",
            signature=signature,
        )
        for number in range(count)
    ]


def test_the_timeline_goes_from_introduced_to_recovered(world: World) -> None:
    incident = incident_of(world, bad(world))

    times = [
        incident.time_of(step)
        for step in (
            IncidentStep.INTRODUCED,
            IncidentStep.DETECTED,
            IncidentStep.ROLLED_BACK,
            IncidentStep.RECOVERED,
            IncidentStep.POSTMORTEM_DRAFTED,
        )
    ]
    assert None not in times
    assert times == sorted(at for at in times if at is not None)


def test_the_incident_counts_what_the_canary_answered(world: World) -> None:
    incident = incident_of(world, bad(world))

    assert (incident.failed_requests, incident.answered_requests) == (12, 20)
    assert "12 of 20 canary requests failed" in incident.reason


def test_error_lines_are_counted_by_kind_and_the_releases_own_come_first(world: World) -> None:
    release = bad(world)
    log_errors(world, "an-older-release", 9, "Timeout")
    log_errors(world, release.key, 3, "CartFormatError")

    incident = incident_of(world, release)

    assert [(each.signature, each.count) for each in incident.signatures] == [("Timeout", 9), ("CartFormatError", 3)]
    [entry] = [entry for entry in incident.timeline if entry.step is IncidentStep.LOGS_INSPECTED]
    assert entry.text.startswith(f"3 error lines of the kind 'CartFormatError' from {release.key}")
    assert incident.missing == ()


def test_without_a_line_of_its_own_the_incident_says_so(world: World) -> None:
    release = bad(world)
    log_errors(world, "an-older-release", 9, "Timeout")

    incident = incident_of(world, release)

    assert incident.missing == ("No error line of that time is the release's own.",)
    assert incident.time_of(IncidentStep.LOGS_INSPECTED) is None


class _ForgetfulLogs(FakeLogs):
    """Keeps no log of replicas that are gone, as a cluster does."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def errors(
        self, environment: str, service: str, since: datetime, until: datetime, limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        lines = super().errors(environment, service, since, until, limit)
        if isinstance(lines, LogsMissing) or self._world.observe().canary is not None:
            return lines
        return tuple(line for line in lines if line.track is not Track.CANARY)


def test_what_a_canary_logged_is_read_before_it_leaves(world: World) -> None:
    world.logs = _ForgetfulLogs(world)
    release = bad(world)
    log_errors(world, release.key, 3, "CartFormatError")

    incident = incident_of(world, release)

    assert [(each.signature, each.count) for each in incident.signatures] == [("CartFormatError", 3)]
    assert incident.time_of(IncidentStep.LOGS_INSPECTED) is not None
    assert incident.missing == ()


@pytest.mark.parametrize("reason", ["the log store does not answer", ""])
def test_logs_that_can_not_be_read_are_named(world: World, reason: str) -> None:
    release = bad(world)
    world.logs.missing = reason or None
    if not reason:
        world.logs.lines[PRODUCTION, "backend"] = []

    incident = incident_of(world, release)

    wanted = f"Log lines could not be read: {reason}." if reason else "The logs hold no error line of that time."
    assert wanted in incident.missing
    assert wanted in postmortem(world, incident)


def test_metrics_that_were_silent_are_not_told_as_zero_requests(world: World) -> None:
    world.released()
    release = world.approved()
    world.metrics.missing = "the metrics server does not answer"

    incident = incident_of(world, release)

    [unmeasured] = [text for text in incident.missing if "never measured" in text]
    assert "the last one because the metrics server does not answer" in unmeasured
    assert "| Requests that the canary answered | not measured |" in postmortem(world, incident)


def test_a_recovery_that_nobody_saw_is_not_told(world: World) -> None:
    release = bad(world)
    stable = world.observe().stable
    assert stable is not None
    world.metrics.error_ratios[stable.spec.digest] = 0.05

    incident = incident_of(world, release)

    assert incident.time_of(IncidentStep.RECOVERED) is None
    assert any("the error ratio stayed at 0.0" in text for text in incident.missing)


class _QuietAfterwards(FakeMetrics):
    """Counts few requests once the canary has no traffic any more."""

    def __init__(self, world: World) -> None:
        super().__init__(world.cluster)
        self.error_ratios = world.metrics.error_ratios
        self._world = world

    def traffic(
        self, environment: str, service: str, now: datetime, since: datetime | None = None
    ) -> TrafficSample | MetricsMissing:
        self.requests = 200 if self._world.observe().canary_weight_percent else 3
        return super().traffic(environment, service, now, since)


def test_few_requests_add_up_to_a_verified_recovery(world: World) -> None:
    """At three requests a second no single second tells enough."""
    release = bad(world, ratio=0.9)
    world.metrics = _QuietAfterwards(world)

    incident = incident_of(world, release)

    assert incident.time_of(IncidentStep.RECOVERED) is not None


def test_the_objective_of_the_service_decides_about_recovery(world: World) -> None:
    release = bad(world)
    stable = world.observe().stable
    assert stable is not None
    world.metrics.error_ratios[stable.spec.digest] = 0.05

    def generous(service: Service) -> Service:
        deployment = service.deployments[PRODUCTION]
        objectives = tuple(replace(each, limit=0.1) for each in deployment.objectives)
        deployment = replace(deployment, objectives=objectives)
        return replace(service, deployments={**service.deployments, PRODUCTION: deployment})

    world.declare("backend", generous)

    assert incident_of(world, release).time_of(IncidentStep.RECOVERED) is not None


def test_a_first_deployment_that_fails_says_that_nothing_ran_before(world: World) -> None:
    release = world.approved()
    world.cluster.behaviours[world.digest(release)] = Behaviour.CRASHES

    incident = incident_of(world, release)

    texts = {entry.step: entry.text for entry in incident.timeline}
    assert texts[IncidentStep.INTRODUCED].endswith("by a rolling update without canary")
    assert texts[IncidentStep.ROLLED_BACK] == "the version was removed; none ran before it"
    assert "got no traffic as a canary" in incident.missing[0]


def test_the_postmortem_is_complete_and_names_nobody(world: World) -> None:
    release = bad(world, message="Merge pull request #12 from priya/compact-carts")
    log_errors(world, release.key, 3, "CartFormatError")
    incident = incident_of(world, release)

    text = postmortem(world, incident)

    for section in (
        "# Postmortem (draft)",
        "## Summary",
        "## Impact",
        "## Timeline (UTC)",
        "## Errors in the logs",
        "## Contributing factors",
        "## What went well",
        "## Action items",
        "## Links",
    ):
        assert section in text
    for person in ("Priya", "priya", "ana", "maya"):
        assert not re.search(rf"\b{person}\b", text)
    assert release.key in text
    assert release.sha in text
    assert "| Requests that it answered with a server error | 12 |" in text


def test_who_asked_for_a_rollback_stands_in_the_ledger_alone(world: World) -> None:
    world.released()
    release = world.approved()

    def ask() -> None:
        body = {"environment": PRODUCTION, "reason": "customers complain"}
        world.ledger.append(Act(world.clock.now(), "jonas", ABORT, "backend", release.key, "sha256:x", body))

    world.clock.meanwhile = ask
    incident = incident_of(world, release)

    assert incident.reason == "turned back on request: customers complain"
    assert "jonas" not in postmortem(world, incident)


def test_a_cell_of_a_table_holds_whatever_was_logged(world: World) -> None:
    release = bad(world)
    log_errors(world, release.key, 1, "Odd | `kind`")

    [row] = [line for line in postmortem(world, incident_of(world, release)).splitlines() if line.startswith("| `Odd")]

    assert row.count("|") == 6


def test_a_rollback_joins_what_an_alert_about_its_canary_has_opened(world: World) -> None:
    release = bad(world)
    alerted = raise_incident(
        world.platform, IncidentSource.ALERTMANAGER, "backend", PRODUCTION, "30 % fail", group="{service='backend'}"
    )

    incident = incident_of(world, release)

    assert (incident.id, incident.source, incident.suspected_release) == (alerted.id, "alertmanager", release.key)
    assert incident.time_of(IncidentStep.ROLLED_BACK) is not None
    assert postmortem(world, incident).startswith("# Postmortem (draft): backend in production")


def test_a_release_that_fails_once_more_after_its_incident_was_closed_opens_another(world: World) -> None:
    release = bad(world)
    first = incident_of(world, release)
    world.incidents.change(first.id, lambda it: it.with_entry(world.clock.now(), IncidentStep.CLOSED, "closed"))
    world.approve(release)

    assert not world.stage(release, "production").passed

    assert {incident.id: incident.is_open for incident in world.incidents.list()} == {
        first.id: False,
        f"{first.id}-2": True,
    }


def test_people_are_told_before_anybody_looks_for_a_recovery(world: World) -> None:
    release, told = bad(world), list[bool]()
    counted = world.incidents.keep

    def keep(choose: Callable[[tuple[Incident, ...]], Incident]) -> Incident:
        told.append(any("fail" in each.subject for each in world.notifications.told("oncall")))
        return counted(choose)

    world.incidents.keep = keep  # type: ignore[method-assign]

    incident_of(world, release)

    assert told == [False, True]


def test_opening_it_again_gives_the_same_incident(world: World) -> None:
    release = bad(world)
    first = incident_of(world, release)
    world.approve(release)
    world.stage(release, "production")

    [again] = world.incidents.list()

    assert again.id == first.id


def test_one_that_somebody_closed_while_recovery_was_looked_for_is_not_opened_again(world: World) -> None:
    release, kept = bad(world), world.incidents.keep

    def keep(choose: Callable[[tuple[Incident, ...]], Incident]) -> Incident:
        incident = kept(choose)
        at = world.clock.now()
        if incident.is_open:
            world.incidents.change(incident.id, lambda it: it.with_entry(at, IncidentStep.CLOSED, "closed"))
        return incident

    world.incidents.keep = keep  # type: ignore[method-assign]

    assert not incident_of(world, release).is_open


def test_what_the_snapshot_of_an_alert_counted_stays_where_the_rollout_counted_nothing(world: World) -> None:
    release = bad(world)
    world.metrics.missing = "the metrics server does not answer"
    alerted = raise_incident(world.platform, IncidentSource.ALERTMANAGER, "backend", PRODUCTION, "30 % fail")
    counted = {"failed_requests": 30, "answered_requests": 100, "all_requests": 100, "counted_seconds": 60.0}
    world.incidents.change(alerted.id, lambda it: replace(it, **counted))

    incident = incident_of(world, release)

    assert (incident.failed_requests, incident.answered_requests, incident.outage_minutes) == (30, 100, 0.3)
