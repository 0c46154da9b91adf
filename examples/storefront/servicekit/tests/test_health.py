"""The three questions that a platform asks."""

import asyncio

import pytest

pytestmark = pytest.mark.anyio


async def fine() -> None:
    """A dependency that answers."""


async def away() -> None:
    """A dependency that does not."""
    raise ConnectionError


async def test_a_started_process_whose_checks_pass_is_ready(sample):
    sample.checks["redis"] = fine

    answer = await sample.client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"redis": "ok"}}


async def test_a_missing_dependency_takes_readiness_but_not_life(sample):
    sample.checks.update(redis=away, postgresql=fine)

    ready, live = await asyncio.gather(sample.client.get("/health/ready"), sample.client.get("/health/live"))

    assert ready.status_code == 503
    assert ready.headers["retry-after"] == "1"
    assert ready.json()["checks"] == {"redis": "failed: ConnectionError", "postgresql": "ok"}
    assert live.status_code == 200


async def test_a_check_that_hangs_counts_as_failed(sample, monkeypatch):
    monkeypatch.setattr("servicekit.health.CHECK_TIMEOUT_SECONDS", 0.01)
    sample.checks["redis"] = asyncio.Event().wait

    answer = await sample.client.get("/health/ready")

    assert answer.json()["checks"] == {"redis": "failed: TimeoutError"}


async def test_a_draining_process_is_not_ready_from_the_first_moment(sample):
    sample.lifecycle.draining = True

    assert (await sample.client.get("/health/ready")).status_code == 503
    assert (await sample.client.get("/health/live")).status_code == 200


async def test_a_process_that_has_not_started_is_neither_started_nor_ready(sample):
    sample.lifecycle.started = False

    assert (await sample.client.get("/health/startup")).status_code == 503
    assert (await sample.client.get("/health/ready")).status_code == 503
    sample.lifecycle.started = True
    assert (await sample.client.get("/health/startup")).status_code == 200
