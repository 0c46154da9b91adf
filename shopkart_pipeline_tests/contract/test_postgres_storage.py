"""Dagster's storage in a real PostgreSQL whose connections are lost at the worst moments."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster import DagsterEventType, DagsterInstance, EventLogEntry
from dagster._core.errors import DagsterRunAlreadyExists
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.storage.dagster_run import DagsterRun
from sqlalchemy.exc import OperationalError

from shopkart_pipeline_tests.contract.postgres import Postgres
from shopkart_pipeline_tests.contract.postgres_storage import packages

KEY = dg.AssetKey(["backend", "image"])
_END_OTHERS = b"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@pytest.fixture(scope="module")
def storage(postgres: Postgres) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(packages())
        from shopkart_pipeline.engine.postgres_storage import PatientPostgresStorage

        address = postgres.address().replace("postgresql://", "postgresql+psycopg2://")
        storage = PatientPostgresStorage.from_config_value(None, {"postgres_url": address})
        with DagsterInstance.ephemeral() as instance:
            for each in (storage, storage.run_storage, storage.event_log_storage, storage.schedule_storage):
                each.register_instance(instance)
            yield storage


def materialization(run_id: str) -> EventLogEntry:
    data = StepMaterializationData(dg.AssetMaterialization(KEY, partition=run_id, tags={"shopkart/x": "y"}))
    event = DagsterEvent(DagsterEventType.ASSET_MATERIALIZATION.value, "backend_ci", event_specific_data=data)
    return EventLogEntry(None, "DEBUG", "", run_id=run_id, timestamp=time.time(), dagster_event=event)


def lose_an_answer(monkeypatch: pytest.MonkeyPatch, storage: Any, method: str) -> None:
    """The first call of the stock storage's method does its work, and loses its connection before it can say so."""
    stock = type(storage).__mro__[1]
    whole, calls = getattr(stock, method), list[Any]()

    def losing(*arguments: Any) -> Any:
        answer = whole(*arguments)
        calls.append(answer)
        if len(calls) == 1:
            raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))
        return answer

    monkeypatch.setattr(stock, method, losing)


def test_an_event_whose_answer_was_lost_is_there_once(storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    events, event = storage.event_log_storage, materialization("20260101-101010-aaaaaaaaaaaa")
    lose_an_answer(monkeypatch, events, "store_event")

    events.store_event(event)

    found = events.fetch_materializations(dg.AssetRecordsFilter(KEY, asset_partitions=[event.run_id]), limit=9)
    assert len(found.records) == 1
    assert events.has_asset_key(KEY)


def test_a_run_whose_answer_was_lost_is_there_once_and_a_twin_is_still_refused(
    storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, run = storage.run_storage, DagsterRun("backend_ci", "8a4a6b0e-0000-4000-8000-000000000001")
    lose_an_answer(monkeypatch, runs, "add_run")

    assert runs.add_run(run).run_id == run.run_id

    assert runs.get_runs_count() == 1
    with pytest.raises(DagsterRunAlreadyExists):
        runs.add_run(run)


def test_nothing_is_lost_or_written_twice_while_connections_are_ended(storage: Any, postgres: Postgres) -> None:
    def end_connections() -> int:
        ended = 0
        with psycopg.connect(postgres.address(postgres.password), autocommit=True) as connection:
            for _ in range(10):
                time.sleep(0.05)
                ended += len(connection.execute(_END_OTHERS).fetchall())
        return ended

    stored = list[str]()
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(end_connections)
        while not ending.done() or not stored:
            stored.append(f"release-{len(stored)}")
            storage.event_log_storage.store_event(materialization(stored[-1]))
            storage.schedule_storage.all_instigator_state()
        assert ending.result() > 0
    found = storage.event_log_storage.fetch_materializations(KEY, limit=5000).records
    assert sorted(each.partition_key for each in found if each.partition_key.startswith("release-")) == sorted(stored)


def test_the_network_is_not_waited_for_without_end(storage: Any) -> None:
    from shopkart_pipeline.engine.postgres_storage import with_limits

    assert "connect_timeout=5" in storage.postgres_url
    assert "tcp_user_timeout" in storage.postgres_url
    own = with_limits("postgresql://user:secret@host/dagster?connect_timeout=1")
    assert own.count("connect_timeout") == 1
