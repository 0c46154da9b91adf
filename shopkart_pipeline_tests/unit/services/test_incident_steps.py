"""From the alert to the closed incident: every step is timed, blames nobody, and is refused where it is untrue."""

import copy
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

import pytest

from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.incident import Alert, AlertState, Incident, IncidentSource, IncidentStep
from shopkart_pipeline.domain.incident_policy import began
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.suspicion import most_suspicious
from shopkart_pipeline.domain.traffic import MetricsMissing, TrafficSample
from shopkart_pipeline.domain.vitals import Vital
from shopkart_pipeline.services.close_incident import close_incident, verify
from shopkart_pipeline.services.drive_rollout import LEASE_SECONDS
from shopkart_pipeline.services.find_suspects import find_suspects
from shopkart_pipeline.services.raise_incident import raise_incident
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline.services.roll_back_incident import notice_rollback, roll_back_incident
from shopkart_pipeline.services.take_step import take_step
from shopkart_pipeline.services.verify_recovery import NotRecovered
from shopkart_pipeline_tests.fakes.fake_cluster import FakeMetrics
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World


def failing(world: World) -> Release:
    """A release is in production that fails only later, and the one before was good."""
    world.released()
    world.clock.advance(3600)
    release = world.released()
    world.clock.advance(120)
    world.metrics.error_ratios[world.digest(release)] = 0.3
    return release


def opened(world: World, *alerts: Alert) -> Incident:
    """An objective was missed; the suspects are known."""
    incident = raise_incident(
        world.platform, IncidentSource.OBJECTIVE, "backend", PRODUCTION, "error ratio 0.3 > 0.01", alerts=alerts
    )
    suspects = find_suspects(world.platform, incident, ())
    found = most_suspicious(suspects)
    return world.incidents.change(
        incident.id,
        lambda it: replace(
            it,
            suspects=suspects,
            suspected_release=found.release_key if found else "",
            suspected_digest=found.digest if found else "",
        ),
    )


def alert(world: World, state: AlertState = AlertState.FIRING) -> Alert:
    return Alert("f1", "ErrorRatio", state, world.clock.now(), summary="30 % fail")


def steps(incident: Incident) -> list[str]:
    return [entry.step.value for entry in incident.timeline]


# Suspects.


def test_the_releases_before_it_are_suspects_newest_first(world: World) -> None:
    release = failing(world)

    incident = opened(world)

    assert incident.suspects[0].release_key == release.key
    assert len(incident.suspects) == 2
    assert incident.suspected_release == release.key
    assert any("it changed backend/app.py" in reason for reason in incident.suspects[0].reasons)


def test_a_release_on_its_way_is_a_suspect(world: World) -> None:
    world.released()
    release = world.approved()
    world.metrics.error_ratios[world.digest(release)] = 0.6
    assert not world.stage(release, "production").passed

    [incident] = world.incidents.list()
    suspects = find_suspects(world.platform, incident, ())

    assert release.key in [suspect.release_key for suspect in suspects]


def test_a_cluster_that_does_not_answer_leaves_the_ledgers_suspects(world: World) -> None:
    release = failing(world)
    world.cluster.unreachable = True

    assert opened(world).suspected_release == release.key


# Steps of people.


def test_who_acknowledged_stands_in_the_ledger_alone(world: World) -> None:
    failing(world)
    incident = take_step(world.platform, opened(world).id, IncidentStep.ACKNOWLEDGED, "ana@shopkart.example")

    assert incident.acknowledged_at == world.clock.now()
    assert "ana" not in str(incident)
    *_, entry = world.ledger.entries("backend")
    assert (entry.act.actor, entry.act.verb) == ("ana@shopkart.example", "incident_acknowledged")
    assert entry.act.body["incident"] == incident.id


def test_acknowledging_twice_keeps_the_first_time(world: World) -> None:
    incident = opened(world)
    first = take_step(world.platform, incident.id, IncidentStep.ACKNOWLEDGED, "ana")
    world.clock.advance(60)

    again = take_step(world.platform, incident.id, IncidentStep.ACKNOWLEDGED, "ben")

    assert again == first


def test_a_cause_has_to_be_said(world: World) -> None:
    incident = opened(world)

    with pytest.raises(Refused, match="Nothing was said"):
        take_step(world.platform, incident.id, IncidentStep.CAUSE_IDENTIFIED, "ana", "  \n ")


def test_of_a_closed_incident_only_notes_and_its_cause_are_told(world: World) -> None:
    incident = close_incident(world.platform, opened(world).id, "ana", override="a false alarm")

    with pytest.raises(Refused, match="is closed"):
        take_step(world.platform, incident.id, IncidentStep.ACKNOWLEDGED, "ana")
    later = take_step(world.platform, incident.id, IncidentStep.CAUSE_IDENTIFIED, "ana", "the rule was wrong")
    assert "cause_identified" in steps(later)


# Rollback.


def test_the_suspected_release_is_taken_back(world: World) -> None:
    release = failing(world)
    incident = opened(world)

    done = roll_back_incident(world.platform, incident.id, "ana", "run-1")

    assert done.time_of(IncidentStep.ROLLED_BACK) is not None
    stable = world.observe().stable
    assert stable is not None
    assert stable.spec.digest != world.digest(release)
    assert ("turn_back", release.key) in world.verbs()


def test_a_rollback_that_fails_is_visible_told_and_can_be_tried_again(world: World) -> None:
    failing(world)
    incident = opened(world)
    world.cluster.unreachable = True

    for _ in range(2):
        with pytest.raises(ToolUnavailable):
            roll_back_incident(world.platform, incident.id, "ana", "run-1")

    kept = world.incidents.get(incident.id)
    failures = [entry.text for entry in kept.timeline if entry.step is IncidentStep.ROLLBACK_FAILED]
    assert [text.partition(":")[0] for text in failures] == ["attempt 1 failed", "attempt 2 failed"]
    assert any("the rollback failed" in subject for subject in subjects(world))

    world.cluster.unreachable = False
    done = roll_back_incident(world.platform, incident.id, "ana", "run-3")
    assert done.time_of(IncidentStep.ROLLED_BACK) is not None


def test_without_a_way_back_the_rollback_fails_and_says_why(world: World) -> None:
    release = world.released()
    world.metrics.error_ratios[world.digest(release)] = 0.3
    incident = opened(world)

    with pytest.raises(Refused, match="no earlier release"):
        roll_back_incident(world.platform, incident.id, "ana", "run-1")

    assert "no earlier release" in world.incidents.get(incident.id).timeline[-1].text


def test_a_second_rollback_of_the_same_incident_is_refused(world: World) -> None:
    failing(world)
    incident = opened(world)
    roll_back_incident(world.platform, incident.id, "ana", "run-1")

    with pytest.raises(Refused, match="needs no rollback any more"):
        roll_back_incident(world.platform, incident.id, "ana", "run-2")


def test_without_a_suspect_nothing_is_rolled_back(world: World) -> None:
    incident = opened(world)

    with pytest.raises(Refused, match="suspects no release"):
        roll_back_incident(world.platform, incident.id, "ana", "run-1")


# Recovery and the end.


def test_it_closes_once_every_objective_is_met(world: World) -> None:
    failing(world)
    incident = opened(world)
    roll_back_incident(world.platform, incident.id, "ana", "run-1")

    closed = close_incident(world.platform, incident.id, "ana")

    assert not closed.is_open
    recovered = next(entry for entry in closed.timeline if entry.step is IncidentStep.RECOVERED)
    assert "error ratio 0.000 <= 0.010" in recovered.text


def test_it_does_not_close_while_requests_fail(world: World) -> None:
    failing(world)
    incident = opened(world)

    with pytest.raises(Refused, match=r"nobody sees a recovery: the error ratio stayed at 0\.300 > 0\.010"):
        close_incident(world.platform, incident.id, "ana")

    assert world.incidents.get(incident.id).is_open


def test_it_does_not_close_while_an_alert_fires(world: World) -> None:
    world.released()
    incident = opened(world, alert(world))

    with pytest.raises(Refused, match="ErrorRatio still fires"):
        close_incident(world.platform, incident.id, "ana")


def test_a_reason_closes_it_all_the_same_and_stands_in_the_ledger(world: World) -> None:
    failing(world)
    incident = opened(world)

    closed = close_incident(world.platform, incident.id, "ana", override="the  service is retired")

    text = next(entry.text for entry in closed.timeline if entry.step is IncidentStep.CLOSED)
    assert text == "closed without a verified recovery: the service is retired"
    assert closed.time_of(IncidentStep.RECOVERED) is None
    *_, entry = world.ledger.entries("backend")
    assert entry.act.body["reason"] == text


def test_latency_is_an_objective_too(world: World) -> None:
    failing(world)
    incident = opened(world)
    roll_back_incident(world.platform, incident.id, "ana", "run-1")
    promise_latency(world, 0.01)

    found = verify(world.platform, incident.id)

    assert isinstance(found, NotRecovered)
    assert "the latency p95 seconds stayed at" in found.reason


class _DiesLater(FakeMetrics):
    """A metrics server that answers twice and then no more."""

    def __init__(self, world: World) -> None:
        super().__init__(world.cluster, requests=4)
        self.looks = 0

    def traffic(
        self, environment: str, service: str, now: datetime, since: datetime | None = None
    ) -> TrafficSample | MetricsMissing:
        self.looks += 1
        if self.looks > 2:
            return MetricsMissing(now, "the metrics server does not answer")
        return super().traffic(environment, service, now, since)


def test_metrics_that_die_while_recovery_is_looked_for_are_no_recovery(world: World) -> None:
    failing(world)
    incident = opened(world)
    world.metrics = _DiesLater(world)

    with pytest.raises(Refused, match="the metrics server does not answer"):
        close_incident(world.platform, incident.id, "ana")


def test_closing_twice_changes_nothing(world: World) -> None:
    first = close_incident(world.platform, opened(world).id, "ana", override="a test")

    assert close_incident(world.platform, first.id, "ben") == first


# What people are told.


def subjects(world: World) -> list[str]:
    return [notification.subject for notification in world.notifications.told("oncall")]


def test_an_incident_is_told_once_however_often_it_is_raised(world: World) -> None:
    for _ in range(3):
        opened(world)

    assert subjects(world) == ["[critical] backend in production: error ratio 0.3 > 0.01"]


def test_that_it_began_is_when_it_was_first_seen(world: World) -> None:
    fired = alert(world)
    world.clock.advance(300)

    incident = opened(world, fired)

    assert began(incident) == fired.started_at
    assert incident.opened_at == world.clock.now()


def promise_latency(world: World, limit: float) -> None:
    def promised(service: Any) -> Any:
        deployment = service.deployments[PRODUCTION]
        objective = replace(deployment.objectives[0], measure=Vital.LATENCY_P95_SECONDS.value, limit=limit)
        changed = replace(deployment, objectives=(*deployment.objectives, objective))
        return replace(service, deployments={**service.deployments, PRODUCTION: changed})

    world.declare("backend", promised)


class _WithoutLatency(FakeMetrics):
    """A metrics server that counts requests alone, as the embedded platform's load balancer does."""

    def traffic(
        self, environment: str, service: str, now: datetime, since: datetime | None = None
    ) -> TrafficSample | MetricsMissing:
        sample = super().traffic(environment, service, now, since)
        if isinstance(sample, MetricsMissing):
            return sample
        return replace(sample, stable=sample.stable.only(frozenset()), canary=sample.canary.only(frozenset()))


def test_a_latency_that_is_not_counted_is_that_of_the_last_minute(world: World) -> None:
    release = world.released()
    incident = opened(world)
    world.metrics = _WithoutLatency(world.cluster)
    promise_latency(world, 0.5)
    world.vitals.readings = {Vital.LATENCY_P95_SECONDS: {release.key: 0.2, "older": 0.4}}

    found = verify(world.platform, incident.id)

    assert isinstance(found, Incident)
    assert "latency p95 seconds 0.400 <= 0.500" in found.timeline[-1].text


def test_a_latency_that_nobody_measures_is_no_recovery(world: World) -> None:
    world.released()
    incident = opened(world)
    world.metrics = _WithoutLatency(world.cluster)
    promise_latency(world, 0.5)

    found = verify(world.platform, incident.id)

    assert isinstance(found, NotRecovered)
    assert "the latency p95 seconds was not measured: nobody measured latency_p95_seconds" in found.reason


# Killed, at once, or with something hanging.


@pytest.mark.parametrize("after", [False, True])
def test_whoever_is_killed_in_a_rollback_leaves_one_that_the_next_one_ends(world: World, after: bool) -> None:
    release = failing(world)
    incident = opened(world)
    counting = Fuse()
    preview = copy.deepcopy(world)
    roll_back_incident(counting.fused(preview.platform), incident.id, "ana", "run-1")

    assert counting.calls > 20
    for call in range(1 + after, counting.calls + 1, 2):
        again = copy.deepcopy(world)
        with suppress(Killed):
            roll_back_incident(Fuse(call, after=after).fused(again.platform), incident.id, "ana", "run-1")
        again.clock.advance(LEASE_SECONDS + 1)
        with suppress(Refused):  # It was done already, and is known by now.
            roll_back_incident(again.platform, incident.id, "ana", "run-2")

        done = again.incidents.get(incident.id)
        stable = again.observe().stable
        assert stable is not None
        assert stable.spec.digest != again.digest(release), f"killed at call {call}"
        assert [step for step in steps(done) if "roll" in step] == ["rolled_back"], f"killed at call {call}"


def test_a_rollback_by_somebody_who_did_not_ask_the_incident_is_noticed(world: World) -> None:
    failing(world)
    incident = opened(world)
    placed = roll_back(world.platform, "backend", "ben", "it is slow", "run-1")

    noticed = notice_rollback(world.platform, incident)

    assert placed.release_key in noticed.timeline[-1].text
    assert noticed.time_of(IncidentStep.ROLLED_BACK) is not None


def test_an_incident_in_staging_never_takes_production_back(world: World) -> None:
    failing(world)
    incident = opened(world)
    world.incidents.change(incident.id, lambda it: replace(it, environment="staging"))

    with pytest.raises(Refused, match="production alone is rolled back"):
        roll_back_incident(world.platform, incident.id, "ana", "run-1")


def test_a_queue_of_notifications_that_is_full_stops_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(world)

    def full(*_: object) -> NoReturn:
        raise ToolUnavailable("The disk is full.", "")

    monkeypatch.setattr(world.notifications, "put", full)

    incident = opened(world)
    done = roll_back_incident(world.platform, incident.id, "ana", "run-1")

    assert done.time_of(IncidentStep.ROLLED_BACK) is not None


def test_a_channel_that_hangs_is_never_waited_for(world: World) -> None:
    """What is told is queued; nobody who works on an incident sends it."""
    failing(world)
    for notifier in world.notifiers.values():
        notifier.send = _hang  # type: ignore[method-assign]

    opened(world)

    assert len(subjects(world)) == 1


def _hang(*_: object, **__: object) -> NoReturn:
    raise AssertionError("somebody waits for a channel")


def test_two_incidents_at_once_are_each_their_own(world: World) -> None:
    failing(world)
    one = opened(world)
    other = raise_incident(world.platform, IncidentSource.PERSON, "frontend", PRODUCTION, "pages are empty")

    roll_back_incident(world.platform, one.id, "ana", "run-1")
    close_incident(world.platform, one.id, "ana")

    assert world.incidents.get(other.id).is_open
    assert steps(world.incidents.get(other.id)) == ["opened", "detected"]
