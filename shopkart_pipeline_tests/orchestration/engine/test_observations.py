"""Many observations at once are the ones that Dagster would have reported, each once."""

from concurrent.futures import ThreadPoolExecutor

import dagster as dg

from shopkart_pipeline.engine.observations import report_once


def observations(count: int = 5, partition: str = "r1") -> list[dg.AssetObservation]:
    return [
        dg.AssetObservation(["services", str(number)], partition=partition, description="seen", metadata={"n": number})
        for number in range(count)
    ]


def reported(instance: dg.DagsterInstance, count: int = 5) -> list[int]:
    """How many observations there are of each asset."""
    keys = [dg.AssetKey(["services", str(number)]) for number in range(count)]
    return [len(instance.fetch_observations(key, limit=10).records) for key in keys]


def test_each_is_reported_once_however_often_it_is_asked_for(instance: dg.DagsterInstance) -> None:
    for _ in range(3):
        report_once(instance, observations())

    assert reported(instance) == [1] * 5


def test_another_partition_is_another_observation(instance: dg.DagsterInstance) -> None:
    report_once(instance, observations())
    report_once(instance, observations(partition="r2"))

    assert reported(instance) == [2] * 5


def test_what_somebody_has_begun_is_completed(instance: dg.DagsterInstance) -> None:
    for observation in observations()[:2]:
        instance.report_runless_asset_event(observation)

    report_once(instance, observations())

    assert reported(instance) == [1] * 5


def test_several_at_once_report_each_once(instance: dg.DagsterInstance) -> None:
    def report(_: int) -> None:
        with dg.DagsterInstance.from_ref(instance.get_ref()) as own:
            report_once(own, observations())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(report, range(4)))

    assert reported(instance) == [1] * 5


def test_nothing_to_report_reports_nothing(instance: dg.DagsterInstance) -> None:
    report_once(instance, [])

    assert reported(instance) == [0] * 5


def test_an_entry_is_the_one_that_dagster_would_have_made(instance: dg.DagsterInstance) -> None:
    ours, theirs = observations(2)
    report_once(instance, [ours])
    instance.report_runless_asset_event(theirs)

    entries = [
        instance.fetch_observations(key, limit=1).records[0].event_log_entry
        for key in (dg.AssetKey(["services", "0"]), dg.AssetKey(["services", "1"]))
    ]

    mine, stock = (entry._replace(timestamp=0, dagster_event=None) for entry in entries)
    assert mine == stock
    kinds = [(entry.get_dagster_event().event_type_value, entry.get_dagster_event().job_name) for entry in entries]
    assert kinds[0] == kinds[1]
    seen = entries[0].asset_observation
    assert seen is not None
    assert (seen.partition, seen.metadata["n"].value) == ("r1", 0)
