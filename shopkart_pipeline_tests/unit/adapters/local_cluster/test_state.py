"""What an observer is told: what is there, compared with what is wanted now."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.local_cluster.documents import locked
from shopkart_pipeline.adapters.local_cluster.state import (
    DESIRED,
    DesiredService,
    Lease,
    ObservedService,
    status_of,
)
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.unit.adapters.local_cluster.replicas import V1, V2, a_replica

URL = "http://127.0.0.1:20000"


def test_replicas_of_the_version_before_do_not_count_as_updated() -> None:
    desired = DesiredService({Track.STABLE: V2})
    observed = ObservedService(URL, replicas=(a_replica(1), a_replica(2), a_replica(3, V2)))
    stable = status_of(desired, observed).stable
    assert stable is not None
    assert (stable.ready, stable.updated_ready, stable.total, stable.complete) == (3, 1, 3, False)


def test_a_replica_that_is_ready_but_not_reached_does_not_count() -> None:
    unreached = replace(a_replica(2), routed=False)
    stable = status_of(
        DesiredService({Track.STABLE: V1}), ObservedService(URL, replicas=(a_replica(1), unreached))
    ).stable
    assert stable is not None
    assert (stable.ready, stable.total) == (1, 2)


def test_a_leaving_replica_exists_but_is_not_ready() -> None:
    replicas = (a_replica(1), a_replica(2), a_replica(3, leaving=True))
    stable = status_of(DesiredService({Track.STABLE: V1}), ObservedService(URL, replicas=replicas)).stable
    assert stable is not None
    assert (stable.ready, stable.total, stable.complete) == (2, 3, False)


def test_a_track_that_is_draining_is_still_there() -> None:
    stable = status_of(DesiredService(), ObservedService(URL, replicas=(a_replica(1, leaving=True),))).stable
    assert stable is not None
    assert (stable.spec.replicas, stable.total) == (0, 1)
    assert status_of(DesiredService(), ObservedService(URL)).stable is None


def test_a_failure_of_the_version_before_is_not_reported_as_that_of_the_new_one() -> None:
    failed = replace(a_replica(1), failure="crash loop: …")
    stable = status_of(DesiredService({Track.STABLE: V2}), ObservedService(URL, replicas=(failed,))).stable
    assert stable is not None
    assert stable.failure is None


def test_a_canary_that_is_not_wanted_any_more_is_not_wanted_to_have_traffic() -> None:
    desired = DesiredService({Track.STABLE: V1, Track.CANARY: V2}, canary_weight_percent=30)
    assert desired.wants(Track.CANARY, None).canary_weight_percent == 0
    assert desired.wants(Track.STABLE, V2).canary_weight_percent == 30


def test_a_wish_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    lease = Lease("run-1", datetime(2026, 3, 1, tzinfo=UTC))
    desired = DesiredService({Track.STABLE: V1}, 5, '{"phase": "baking"}', lease)
    DESIRED.write(tmp_path / "shop.json", desired, durable=True)
    assert DESIRED.read(tmp_path / "shop.json") == desired
    assert (tmp_path / "shop.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", "{", '{"tracks": 1}'])
def test_a_damaged_wish_is_named_and_never_taken_for_no_wish(tmp_path: Path, content: str) -> None:
    (tmp_path / "shop.json").write_text(content)
    with pytest.raises(ToolUnavailable, match=r"shop\.json is damaged"):
        DESIRED.read(tmp_path / "shop.json")


def test_a_lock_that_is_held_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"), pytest.raises(ToolUnavailable, match="locked"), locked(tmp_path / "lock", 0.05):
        raise AssertionError("two hold the lock")
    with locked(tmp_path / "lock", 0.05):
        pass
