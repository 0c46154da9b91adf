"""The quick storage keeps what the stock storage keeps, in the same files."""

import hashlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from shopkart_pipeline.engine.executor import parallel_threads
from shopkart_pipeline.engine.first_open import HomeDatabases
from shopkart_pipeline.engine.storage import WarmEventLog
from shopkart_pipeline_tests.orchestration.engine import plans
from shopkart_pipeline_tests.orchestration.engine.homes import wait_for


def stock_instance(home: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.local_temp(str(home), overrides={"storage": {"sqlite": {"base_dir": str(home)}}})


def test_many_first_openers_make_one_set_of_databases(tmp_path: Path) -> None:
    all_ready = threading.Barrier(6)

    def open_first(_: int) -> None:
        all_ready.wait(30)
        HomeDatabases(tmp_path).ensure()

    with ThreadPoolExecutor(6) as openers:
        list(openers.map(open_first, range(6)))

    databases = HomeDatabases(tmp_path)
    for path in (databases.runs, databases.schedules, databases.index):
        with sqlite3.connect(path) as connection:
            assert len(connection.execute("SELECT version_num FROM alembic_version").fetchall()) == 1
        connection.close()


def test_a_home_of_the_stock_storage_is_taken_over_with_its_runs(tmp_path: Path) -> None:
    with stock_instance(tmp_path) as stock:
        stock.add_dynamic_partitions("compared", ["one"])
        before, _ = plans.execute(stock, plans.passing_gate(dg.in_process_executor))
    databases = HomeDatabases(tmp_path)

    databases.ensure()
    storage = WarmEventLog(databases)

    assert len(storage.get_logs_for_run(before.run_id)) > 20
    storage.dispose()


def test_the_stock_storage_reads_what_the_quick_one_wrote(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("compared", ["one"])
    run, _ = plans.execute(instance, plans.passing_gate(parallel_threads))
    written = instance.all_logs(run.run_id)

    stock = DagsterSqliteStorage.from_local(instance.root_directory)

    assert stock.event_log_storage.get_logs_for_run(run.run_id) == written
    assert stock.run_storage.get_runs() == [run]
    assert stock.event_log_storage.all_asset_keys() == instance.all_asset_keys()
    stock.dispose()


def test_the_quick_storage_writes_the_rows_of_the_stock_storage(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Every table, every column but those that the database fills in."""
    instance.add_dynamic_partitions("compared", ["one"])
    jobs = (plans.passing_gate, plans.failing_gate, plans.failing_step, plans.retried_step)
    runs = [plans.execute(instance, plan(parallel_threads))[0] for plan in jobs]
    runs.append(plans.execute(instance, plans.passing_gate(parallel_threads))[0])
    instance.report_runless_asset_event(dg.AssetMaterialization("first", partition="one", tags={"who": "somebody"}))
    instance.report_runless_asset_event(dg.AssetObservation("first", partition="one", tags={"who": "somebody"}))
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=dg.AssetKey("first"), metadata={}, check_name="gate", passed=False)
    )
    run_ids = [*(run.run_id for run in runs), ""]
    events = [entry for run_id in run_ids for entry in instance.event_log_storage.get_logs_for_run(run_id)]
    homes = [HomeDatabases(tmp_path / "stock"), HomeDatabases(tmp_path / "quick")]
    homes[1].ensure()
    stock, quick = DagsterSqliteStorage.from_local(str(homes[0].base)).event_log_storage, WarmEventLog(homes[1])

    for event in events:
        stock.store_event(event)
    for event in events[: len(events) // 2]:
        quick.store_event(event)
    quick.store_event_batch(events[len(events) // 2 :])
    stock.dispose()
    quick.dispose()

    assert len({event.dagster_event.event_type for event in events if event.dagster_event}) > 12
    for run_id in run_ids:
        assert rows_of(homes[1].event_log(run_id)) == rows_of(homes[0].event_log(run_id))
    assert rows_of(homes[1].index) == rows_of(homes[0].index)


def rows_of(path: Path) -> dict[str, list[dict[str, object]]]:
    """The rows of every table but for the times at which a database made them."""
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        names = [row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY rowid")] for name in names
        }
    connection.close()
    made_here = {"create_timestamp", "migration_completed"}
    return {
        name: [{k: v for k, v in row.items() if k not in made_here} for row in table] for name, table in rows.items()
    }


def test_assets_checks_and_statuses_are_found_over_all_runs(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("compared", ["one"])
    job = plans.passing_gate(parallel_threads)
    latest = [plans.execute(instance, job)[0] for _ in range(2)][-1]

    key = dg.AssetKey("first")
    found = instance.fetch_materializations(dg.AssetRecordsFilter(key, asset_partitions=["one"]), limit=10)
    check_key = dg.AssetCheckKey(key, "gate")
    checks = instance.event_log_storage.get_latest_asset_check_execution_by_key([check_key])

    assert len(found.records) == 2
    assert found.records[0].run_id == latest.run_id
    assert checks[check_key].run_id == latest.run_id
    changes = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_SUCCESS, limit=10)
    assert len(changes.records) == 2


def test_what_is_remembered_is_what_would_be_read(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("compared", ["one"])
    plans.execute(instance, plans.passing_gate(parallel_threads))
    wanted = dg.AssetRecordsFilter(dg.AssetKey("first"), asset_partitions=["one"])

    with dg.DagsterInstance.from_ref(instance.get_ref()) as reader:
        assert own(instance, "one") == instance.fetch_materializations(wanted, limit=1).records[0]
        assert own(reader, "one") is None
        assert instance.fetch_materializations(wanted, limit=1) == reader.fetch_materializations(wanted, limit=1)


def test_a_newer_materialization_of_somebody_else_counts(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("compared", ["one", "two"])
    plans.execute(instance, plans.passing_gate(parallel_threads))
    with dg.DagsterInstance.from_ref(instance.get_ref()) as other:
        other.report_runless_asset_event(dg.AssetMaterialization("first", partition="two"))

        assert own(instance, "one") is not None
        assert own(instance, None) is None
        other.report_runless_asset_event(dg.AssetMaterialization("first", partition="one"))
        assert own(instance, "one") is None


def test_an_asset_that_was_wiped_is_not_remembered(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("compared", ["one"])
    plans.execute(instance, plans.passing_gate(parallel_threads))

    instance.wipe_assets([dg.AssetKey("first")])

    assert own(instance, "one") is None


def test_a_step_knows_the_versions_of_its_inputs(instance: dg.DagsterInstance) -> None:
    """The provenance that Dagster writes for the second asset names the first one's event and version."""
    instance.add_dynamic_partitions("compared", ["one"])
    plans.execute(instance, plans.passing_gate(parallel_threads))

    [first] = instance.fetch_materializations(dg.AssetKey("first"), limit=1).records
    [second] = instance.fetch_materializations(dg.AssetKey("second"), limit=1).records
    assert first.asset_materialization
    assert second.asset_materialization
    version = str(first.asset_materialization.tags["dagster/data_version"])
    tags = second.asset_materialization.tags
    assert tags["dagster/input_event_pointer/first"] == str(first.storage_id)
    assert tags["dagster/input_data_version/first"] == hashlib.sha256(version.encode()).hexdigest()


def own(instance: dg.DagsterInstance, partition: str | None) -> dg.EventLogRecord | None:
    event_log = instance.event_log_storage
    assert isinstance(event_log, WarmEventLog)
    return event_log.own_latest(dg.AssetKey("first"), partition)


def test_events_of_many_threads_are_all_kept(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("compared", ["one"])
    run, _ = plans.execute(instance, plans.passing_gate(parallel_threads))
    before = len(instance.all_logs(run.run_id))

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda number: instance.report_engine_event(f"event {number}", run), range(200)))

    messages = {entry.message for entry in instance.all_logs(run.run_id)}
    assert len(instance.all_logs(run.run_id)) == before + 200
    assert {f"event {number}" for number in range(200)} <= messages


def test_events_are_seen_by_a_watcher_while_the_writer_is_at_work(instance: dg.DagsterInstance) -> None:
    run, _ = plans.execute(instance, plans.failing_step(parallel_threads))
    seen: list[str] = []
    with dg.DagsterInstance.from_ref(instance.get_ref()) as watcher:
        watcher.watch_event_logs(run.run_id, None, lambda entry, _: seen.append(entry.message))

        instance.report_engine_event("one", run)
        wait_for(lambda: "one" in seen)
        instance.report_engine_event("two", run)
        wait_for(lambda: "two" in seen)

    assert seen.count("one") == seen.count("two") == 1


def test_a_deleted_event_log_is_made_again(instance: dg.DagsterInstance) -> None:
    run, _ = plans.execute(instance, plans.failing_step(parallel_threads))
    HomeDatabases(Path(instance.root_directory)).event_log(run.run_id).unlink()

    assert instance.all_logs(run.run_id) == []
    instance.report_engine_event("after", run)
    assert [entry.message for entry in instance.all_logs(run.run_id)] == ["after"]


def test_more_runs_than_open_event_logs_are_read_and_written(instance: dg.DagsterInstance) -> None:
    job = plans.failing_step(parallel_threads)
    runs = [plans.execute(instance, job)[0] for _ in range(10)]

    counts = {len(instance.all_logs(run.run_id)) for run in runs}

    assert len(counts) == 1
    instance.report_engine_event("late", runs[0])
    assert instance.all_logs(runs[0].run_id)[-1].message == "late"


def test_wiping_the_instance_leaves_it_usable(instance: dg.DagsterInstance) -> None:
    plans.execute(instance, plans.failing_step(parallel_threads))

    instance.wipe()

    run, _ = plans.execute(instance, plans.failing_step(parallel_threads))
    assert [found.run_id for found in instance.get_runs()] == [run.run_id]
