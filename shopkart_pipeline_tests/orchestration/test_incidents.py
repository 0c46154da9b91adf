"""An incident in Dagster: its steps are shown as they are taken, and its checks are red until it is over."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from dagster import (
    AssetRecordsFilter,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    SkipReason,
    build_sensor_context,
)

from shopkart_pipeline.defs import incident_sensor
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.incident_sensor import attempt_of
from shopkart_pipeline.defs.incidents import INCIDENTS, SHOWN, key_of
from shopkart_pipeline.domain.incident import Incident, IncidentSource, IncidentStep
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.vitals import Vital
from shopkart_pipeline.services.close_incident import close_incident
from shopkart_pipeline.services.raise_incident import raise_incident
from shopkart_pipeline.services.take_step import take_step
from shopkart_pipeline.services.tend_incidents import Work
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(Path(tmp_path_factory.mktemp("world")))


@pytest.fixture(scope="module")
def definitions(world: World) -> Definitions:
    return build_definitions(world.platform)


@pytest.fixture(scope="module")
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="module")
def release(world: World) -> Release:
    """It fails two minutes after it came to production."""
    world.released()
    release = world.released()
    world.clock.advance(120)
    world.metrics.error_ratios[world.digest(release)] = 0.3
    return release


@pytest.fixture
def incident(world: World, release: Release, instance: DagsterInstance) -> Incident:
    incident = raise_incident(world.platform, IncidentSource.PERSON, "backend", PRODUCTION, "customers can't pay")
    instance.add_dynamic_partitions(INCIDENTS, [incident.id])
    world.clock.advance(10)
    return incident


def run(definitions: Definitions, instance: DagsterInstance, incident: Incident, step: str) -> ExecuteInProcessResult:
    job = definitions.resolve_job_def("incident")
    return job.execute_in_process(
        instance=instance, partition_key=incident.id, asset_selection=[key_of(step)], raise_on_error=False
    )


def checks(result: ExecuteInProcessResult) -> dict[str, tuple[bool, str]]:
    return {each.check_name: (each.passed, each.description or "") for each in result.get_asset_check_evaluations()}


def test_the_dashboards_show_pictures_suspects_and_what_is_missing(
    world: World, definitions: Definitions, instance: DagsterInstance, incident: Incident, release: Release
) -> None:
    world.vitals.points = {(Vital.ERROR_RATIO, release.key): [(world.clock.now(), 0.3)]}

    result = run(definitions, instance, incident, "dashboards")

    [event] = result.asset_materializations_for_node("incident__dashboards")
    assert event.partition == incident.id
    assert "data:image/png;base64," in str(event.metadata["error_ratio"].value)
    assert release.key in str(event.metadata["suspects"].value)
    assert "CPU usage was not measured" in str(event.metadata["missing"].value)


def test_recovery_is_red_until_users_are_well_again(
    world: World, definitions: Definitions, instance: DagsterInstance, incident: Incident
) -> None:
    first = run(definitions, instance, incident, "recovery")
    run(definitions, instance, incident, "dashboards")
    rolled_back = run(definitions, instance, incident, "rollback")
    then = run(definitions, instance, incident, "recovery")

    assert not first.success
    assert checks(first) == {"recovered": (False, "the error ratio stayed at 0.300 > 0.010 (looked at for 10 s)")}
    assert rolled_back.success
    assert then.success
    assert checks(then)["recovered"][0]


def test_the_postmortem_is_red_until_its_action_items_are_closed(
    world: World, definitions: Definitions, instance: DagsterInstance, incident: Incident
) -> None:
    close_incident(world.platform, incident.id, "ana", override="a drill")

    before = run(definitions, instance, incident, "postmortem")
    page = "## Action items\n- [x] Test (owner: team:shop)\n"
    world.commit({"backend/app.py": "1\n", f"docs/postmortems/{incident.id}.md": page})
    after = run(definitions, instance, incident, "postmortem")

    path = f"docs/postmortems/{incident.id}.md"
    assert checks(before) == {"action_items_closed": (False, f"{path} is not on main of shopkart/storefront yet")}
    assert checks(after)["action_items_closed"][0]


def test_without_a_suspect_the_rollback_is_refused_as_by_the_command(
    definitions: Definitions, instance: DagsterInstance, incident: Incident
) -> None:
    result = run(definitions, instance, incident, "rollback")

    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "suspects no release" in str(failure.step_failure_data.user_failure_data)


def test_a_tick_shows_each_step_once_and_launches_what_is_due(
    world: World,
    definitions: Definitions,
    instance: DagsterInstance,
    incident: Incident,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launched: list[str] = []

    def launch(_: object, **run: str) -> object:
        launched.append(run["key"])
        return type("Launched", (), {"created": True})

    monkeypatch.setattr(incident_sensor, "launch_once", launch)
    take_step(world.platform, incident.id, IncidentStep.ACKNOWLEDGED, "ana")

    for _ in range(2):
        sensor = definitions.get_repository_def().get_sensor_def(INCIDENTS)
        told = sensor(build_sensor_context(instance=instance, resources={"platform": world.platform}))
        assert isinstance(told, SkipReason)

    shown = {step: len(_materializations(instance, incident, step)) for step in SHOWN}
    assert {step for step, number in shown.items() if number} == {"alert", "acknowledgement"}
    assert set(shown.values()) == {0, 1}
    assert len([key for key in launched if f"incident:{incident.id}:snapshot:" in key]) == 1, "once is enough"


def test_what_is_tried_in_vain_makes_no_run_each_minute_for_ever(world: World, incident: Incident) -> None:
    at = world.clock.now()
    tries = [
        {attempt_of(incident, Work.RECOVERY, at + timedelta(seconds=second)) for second in range(begin, end, 10)}
        for begin, end in ((0, 1800), (0, 7 * 86_400))
    ]

    assert len(tries[0]) in (30, 31), "at first it is looked for every minute"
    assert len(tries[1]) < 300
    assert attempt_of(incident, Work.ROLLBACK, at) == attempt_of(incident, Work.ROLLBACK, at + timedelta(days=9))


def _materializations(instance: DagsterInstance, incident: Incident, step: str) -> list[object]:
    wanted = AssetRecordsFilter(asset_key=key_of(step), asset_partitions=[incident.id])
    return list(instance.fetch_materializations(wanted, limit=10).records)
