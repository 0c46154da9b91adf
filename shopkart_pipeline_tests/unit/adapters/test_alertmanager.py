"""Alertmanager's webhooks as version 0.25.0 sends them, and what nobody should send."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters.alertmanager import MOST_ALERTS, AlertmanagerReader, is_known
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.incident import AlertState, IncidentSeverity
from shopkart_pipeline.ports.alert_reader import ALERTS, AlertGroup
from shopkart_pipeline.ports.inbox import Delivery

SAMPLES = Path(__file__).parents[2] / "samples" / "alertmanager"
RECEIVED_AT = datetime(2026, 11, 27, 22, 50, tzinfo=UTC)


def read(body: bytes) -> AlertGroup:
    return AlertmanagerReader().read(Delivery("d-1", ALERTS, RECEIVED_AT, body))


def changed(**alert: Any) -> bytes:
    payload = json.loads((SAMPLES / "firing_two.json").read_text())
    payload["alerts"][1] |= alert
    return json.dumps(payload).encode()


def test_alerts_that_fire_say_what_they_are_about() -> None:
    group = read((SAMPLES / "firing_two.json").read_bytes())

    assert group.key == "{environment='production', service='backend'}"
    latency, errors = group.alerts
    assert (latency.service, latency.environment, latency.severity) == ("backend", "production", "warning")
    assert (errors.alert.name, errors.alert.state, errors.alert.ended_at) == ("ErrorRatio", AlertState.FIRING, None)
    assert errors.alert.summary == "12 % of requests fail, at most 1 % may"
    assert errors.alert.url == "https://grafana.example/d/backend"
    assert errors.alert.started_at == datetime(2026, 11, 27, 22, 44, 39, tzinfo=UTC)


def test_one_that_is_resolved_says_when() -> None:
    latency, errors = read((SAMPLES / "one_resolved.json").read_bytes()).alerts

    assert (latency.alert.state, errors.alert.state) == (AlertState.RESOLVED, AlertState.FIRING)
    assert latency.alert.ended_at == datetime(2026, 11, 27, 22, 44, 44, tzinfo=UTC)


def test_what_a_label_does_not_say_is_not_guessed() -> None:
    _, told = read(changed(labels={})).alerts

    assert (told.service, told.environment, told.severity) == ("", "", IncidentSeverity.CRITICAL)
    assert told.alert.name == "an alert without a name"


def test_text_of_a_stranger_is_one_line_and_an_address_is_of_the_web() -> None:
    _, told = read(changed(annotations={"summary": "a\n\x1b[31mb" + "c" * 999, "dashboard": "javascript:x"})).alerts

    assert told.alert.summary.startswith("a [31mbccc")
    assert len(told.alert.summary) == 300
    assert told.alert.url == ""


def test_a_storm_is_cut_and_counted() -> None:
    payload = json.loads((SAMPLES / "firing_two.json").read_text())
    payload["alerts"] = [payload["alerts"][0] | {"fingerprint": f"{number:x}"} for number in range(MOST_ALERTS + 7)]
    payload["truncatedAlerts"] = 3

    group = read(json.dumps(payload).encode())

    assert (len(group.alerts), group.left_out) == (MOST_ALERTS, 10)


def test_of_a_storm_everything_that_is_resolved_is_told() -> None:
    """What fired is in an incident that could not be closed otherwise."""
    payload = json.loads((SAMPLES / "firing_two.json").read_text())
    firing = [payload["alerts"][0] | {"fingerprint": f"{number:x}"} for number in range(MOST_ALERTS)]
    ended = {"status": "resolved", "endsAt": "2026-11-27T22:49:00Z", "fingerprint": "ff00"}
    payload["alerts"] = [*firing, payload["alerts"][0] | ended]

    group = read(json.dumps(payload).encode())

    assert (group.alerts[-1].alert.fingerprint, group.alerts[-1].alert.state) == ("ff00", AlertState.RESOLVED)
    assert group.left_out == 0


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2027-01-01T00:00:00Z"])
def test_a_clock_that_is_wrong_has_nothing_begin_or_end_after_it_was_told_or_long_ago(told: str) -> None:
    _, alert = read(changed(status="resolved", startsAt=told, endsAt=told)).alerts

    assert (alert.alert.started_at, alert.alert.ended_at) == (RECEIVED_AT, RECEIVED_AT)


def test_secrets_in_annotations_are_masked() -> None:
    annotations = {"summary": "GET /x?token=hunter2 fails", "dashboard": "https://maya:hunter2@grafana.example/d/1"}
    _, told = read(changed(annotations=annotations)).alerts

    assert (told.alert.summary, told.alert.url) == ("GET /x?token=[redacted] fails", "https://grafana.example/d/1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        (SAMPLES / "truncated.json").read_bytes(),
        changed(status="odd"),
        changed(startsAt="yesterday"),
        changed(startsAt="2026-11-27T22:44:39"),
        changed(fingerprint="../x"),
        changed(labels={"service": 7}),
        json.dumps(json.loads((SAMPLES / "firing_two.json").read_text()) | {"version": "3"}).encode(),
        json.dumps(json.loads((SAMPLES / "firing_two.json").read_text()) | {"alerts": []}).encode(),
    ],
)
def test_what_alertmanager_does_not_send_is_refused(body: bytes) -> None:
    with pytest.raises(UntrustedInput, match="can't be used"):
        read(body)


def test_a_token_is_known_whichever_of_them_it_is() -> None:
    assert is_known("Bearer new", ["old", "new"])
    assert is_known("bearer old", ["old", "new"])
    assert not is_known("Bearer ", [""])
    assert not is_known("Bearer n\xe9w", ["new"])
