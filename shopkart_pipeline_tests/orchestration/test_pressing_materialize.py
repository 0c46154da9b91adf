"""A person presses "materialize" in the interface: what Dagster runs then, and what it shows.

The runs are Dagster's own, over a world in memory; the event log is also written to as the interface and its report
endpoints could, because none of that may count.
"""

from dataclasses import replace
from typing import Any

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetKey,
    AssetMaterialization,
    DagsterEventType,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
)

from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.keys import NO_REUSE_TAG, partitions_name
from shopkart_pipeline.domain.declaration import LeftOut, StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.engine.run_ids import run_id_of
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.authenticate import WEB_INTERFACE
from shopkart_pipeline.services.follow_up import STAGE_PASSED
from shopkart_pipeline.services.requests import RunRequest
from shopkart_pipeline.services.rerun_stages import VERB
from shopkart_pipeline_tests.fakes.world import World

PRODUCTION = AssetKey(["backend", "production"])
FAILING = Evidence(Tool("fake", "1"), "bad", {"tests": 40, "failed": 1, "new_violations": 1})


def press(
    world: World, instance: DagsterInstance, release: Release, *stages: str, **details: Any
) -> ExecuteInProcessResult:
    """Materialize these assets of a release, and nothing else."""
    definitions: Definitions = build_definitions(world.platform)
    instance.add_dynamic_partitions(partitions_name("backend"), [release.key])
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        partition_key=release.key,
        asset_selection=[AssetKey(["backend", stage]) for stage in stages],
        raise_on_error=False,
        **details,
    )


def follow_ups(world: World) -> list[RunRequest]:
    """The runs that the pipeline would launch by itself because of stages that were run alone."""
    events = [delivery for delivery in world.inbox.pending() if delivery.event == STAGE_PASSED]
    return [request for event in events for request in accept(world.platform, event).requests]


def by_hand(world: World) -> list[tuple[str, str]]:
    """What the ledger says that somebody ran again: who, and what."""
    acts = [entry.act for entry in world.ledger.entries() if entry.act.verb == VERB]
    return [(act.actor, act.body["stages"]) for act in acts]


def pretend(instance: DagsterInstance, release: Release, stage: str, *checks: str) -> None:
    """Write into the event log what the interface's report endpoints let anybody write."""
    key = AssetKey(["backend", stage])
    instance.report_runless_asset_event(AssetMaterialization(key, partition=release.key))
    for check in checks:
        instance.report_runless_asset_event(
            AssetCheckEvaluation(
                asset_key=key,
                check_name=check,
                passed=True,
                metadata={},
                severity=AssetCheckSeverity.ERROR,
                partition=release.key,
            )
        )


def materialized(result: ExecuteInProcessResult) -> set[str]:
    events = result.filter_events(lambda event: event.event_type is DagsterEventType.ASSET_MATERIALIZATION)
    return {event.asset_key.path[-1] for event in events if event.asset_key}


def refusal(result: ExecuteInProcessResult, stage: str) -> str:
    assert not result.success
    assert stage not in materialized(result)
    failure = result.failure_data_for_node(f"backend__{stage}")
    assert failure is not None
    assert failure.error is not None
    return str(failure.error)


def test_an_approved_release_goes_to_production(world: World, instance: DagsterInstance) -> None:
    release = world.approved()

    result = press(world, instance, release, "production")

    assert result.success
    assert materialized(result) == {"production"}
    stable = world.observe().stable
    assert stable is not None
    assert stable.spec.digest == world.digest(release)


@pytest.mark.parametrize("stage", ["lint", "unit_tests", "acceptance_tests"])
def test_production_is_refused_when_a_gate_failed(world: World, instance: DagsterInstance, stage: str) -> None:
    release = world.approved()
    world.scanners[StageKind(stage)].result = FAILING
    world.stage(release, stage)
    pretend(instance, release, stage, "failed", "new_violations")

    assert f"{stage}." in refusal(press(world, instance, release, "production"), "production")
    assert world.observe().stable is None


@pytest.mark.parametrize("stage", ["image_scan", "integration_tests"])
def test_production_is_refused_when_a_stage_never_ran(world: World, instance: DagsterInstance, stage: str) -> None:
    release = world.approved()
    world.evidence.attempts = [each for each in world.evidence.attempts if each[0].stage != stage]
    pretend(instance, release, stage, "failed", "vulnerabilities")

    assert "never ran" in refusal(press(world, instance, release, "production"), "production")
    assert world.observe().stable is None


def test_production_is_refused_when_the_tool_did_not_run(world: World, instance: DagsterInstance) -> None:
    release = world.approved()
    world.scanners[StageKind.IMAGE_SCAN].result = EvidenceMissing("the scanner crashed")
    world.stage(release, "image_scan")

    assert "the scanner crashed" in refusal(press(world, instance, release, "production"), "production")


def test_production_is_refused_without_an_approval_even_if_the_event_log_shows_one(
    world: World, instance: DagsterInstance
) -> None:
    release = world.ready()
    pretend(instance, release, "approval")

    assert "0 of 1 valid approvals" in refusal(press(world, instance, release, "production"), "production")


def test_production_is_refused_when_the_evidence_belongs_to_another_digest(
    world: World, instance: DagsterInstance
) -> None:
    release = world.approved()
    old = world.digest(release)
    application = world.platform.workspace.application(release)
    (application / "content.json").write_text('{"app.py": "somebody changed it"}')
    world.stage(release, "image")

    message = refusal(press(world, instance, release, "production"), "production")

    assert world.digest(release) != old
    assert old in message
    assert world.observe().stable is None


def test_a_whole_run_stops_before_the_image_when_a_gate_fails(world: World, instance: DagsterInstance) -> None:
    release = world.merge()
    world.scanners[StageKind.LINT].result = FAILING
    stages = [stage.name for stage in world.pipeline.services["backend"].stages if stage.phase.value == "ci"]

    result = press(world, instance, release, *stages)

    assert not result.success
    assert materialized(result) == {"source", "dependencies", "lint", "unit_tests", "application"}


def test_a_gate_is_shown_as_a_check_with_value_and_limit(world: World, instance: DagsterInstance) -> None:
    release = world.merge()
    world.scanners[StageKind.LINT].result = FAILING
    world.stage(release, "source")

    result = press(world, instance, release, "lint")

    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.partition == release.key
    assert evaluation.metadata["value"].value == 1.0
    assert evaluation.metadata["limit"].value == 0.0
    assert "1 > 0" in (evaluation.description or "")


def test_missing_evidence_fails_the_check_and_materializes_nothing(world: World, instance: DagsterInstance) -> None:
    release = world.merge()
    world.stage(release, "source")
    world.scanners[StageKind.LINT].result = EvidenceMissing("ruff crashed")

    result = press(world, instance, release, "lint")

    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.metadata["outcome"].value == "missing"
    assert "ruff crashed" in refusal(result, "lint")


def test_metadata_says_who_what_and_which_digest(world: World, instance: DagsterInstance) -> None:
    release = world.approved()

    result = press(world, instance, release, "production")

    (event,) = [each for each in result.get_asset_materialization_events() if each.asset_key == PRODUCTION]
    shown = {name: value.value for name, value in event.materialization.metadata.items()}
    assert shown["release"] == release.name
    assert shown["commit"] == release.sha
    assert shown["image"] == world.digest(release)
    assert release.author.name in str(shown["change"])


def evaluations(result: ExecuteInProcessResult) -> dict[str, AssetCheckEvaluation]:
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def test_what_the_declaration_leaves_out_is_a_yellow_check_and_stops_nothing(
    world: World, instance: DagsterInstance
) -> None:
    left_out = (
        LeftOut("backend", "quality", None, "no server yet"),
        LeftOut("backend", "source", "signed", "keys are handed out this week"),
    )
    world.declare("backend", lambda service: replace(service, left_out=left_out))

    result = press(world, instance, world.merge(), "source")

    assert result.success
    shown = evaluations(result)
    assert set(shown) == {"evidence", "skipped_quality", "signed"}
    for name, reason in (("skipped_quality", "no server yet"), ("signed", "keys are handed out this week")):
        assert (shown[name].passed, shown[name].severity) == (False, AssetCheckSeverity.WARN)
        assert reason in (shown[name].description or "")


def test_a_reused_result_links_to_the_run_that_did_the_work(world: World, instance: DagsterInstance) -> None:
    world.let_inputs_be_known()
    release = world.merge()
    world.stage(release, "source", "run-one")
    first = world.stage(release, "lint", "run-two")
    assert first.passed

    result = press(world, instance, release, "lint")

    [event] = result.asset_materializations_for_node("backend__lint")
    assert event.metadata["reused_from_run"].value == "run-two"


def test_a_tag_on_the_run_makes_every_stage_run(world: World, instance: DagsterInstance) -> None:
    world.let_inputs_be_known()
    release = world.merge()
    for stage in ("source", "lint"):
        world.stage(release, stage)

    result = press(world, instance, release, "lint", tags={NO_REUSE_TAG: "true"})

    [event] = result.asset_materializations_for_node("backend__lint")
    assert "reused_from_run" not in event.metadata
    assert "the same as run" in str(event.metadata["notes"].value)


# What follows a stage that was pressed alone.

CI = ("source", "dependencies", "lint", "unit_tests", "application", "image", "image_scan", "published_image")
AFTER_LINT = ("image", "image_scan", "published_image")


def test_a_stage_that_is_pressed_alone_is_followed_by_exactly_what_is_downstream(
    world: World, instance: DagsterInstance
) -> None:
    release = world.ready()

    result = press(world, instance, release, "lint")

    assert materialized(result) == {"lint"}
    [request] = follow_ups(world)
    assert request.stages == AFTER_LINT
    assert request.key == f"{release.name}:ci:after:{result.run_id}"
    assert by_hand(world) == [(WEB_INTERFACE, "lint")]


def test_pressing_what_follows_is_followed_by_nothing_more(world: World, instance: DagsterInstance) -> None:
    release = world.ready()

    result = press(world, instance, release, *AFTER_LINT)

    assert result.success
    assert follow_ups(world) == []


def test_pressing_a_whole_phase_is_followed_by_the_next_phase_alone(world: World, instance: DagsterInstance) -> None:
    release = world.merge()

    press(world, instance, release, *CI)

    assert [delivery.event for delivery in world.inbox.pending()] == ["shopkart.phase_passed"]
    assert by_hand(world) == [(WEB_INTERFACE, ", ".join(CI))]


def test_several_stages_that_are_pressed_together_are_followed_once(world: World, instance: DagsterInstance) -> None:
    release = world.ready()

    press(world, instance, release, "lint", "unit_tests")

    [request] = follow_ups(world)
    assert request.stages == AFTER_LINT
    assert by_hand(world) == [(WEB_INTERFACE, "lint, unit_tests")]


def test_nothing_follows_a_pressed_stage_whose_gate_failed(world: World, instance: DagsterInstance) -> None:
    release = world.ready()
    world.scanners[StageKind.LINT].result = FAILING

    press(world, instance, release, "lint")

    assert follow_ups(world) == []


def test_no_reuse_is_passed_on_to_what_follows(world: World, instance: DagsterInstance) -> None:
    release = world.ready()

    press(world, instance, release, "lint", tags={NO_REUSE_TAG: "true"})

    assert [request.no_reuse for request in follow_ups(world)] == [True]


def test_what_the_pipeline_launched_is_no_act_of_a_person_until_it_is_executed_again(
    world: World, instance: DagsterInstance
) -> None:
    release = world.ready()
    ours = {"dagster/run_key": "a delivery"}

    press(world, instance, release, "image_scan", run_id=run_id_of("a delivery"), tags=ours)
    assert by_hand(world) == []

    press(world, instance, release, "image_scan", tags=ours)
    assert by_hand(world) == [(WEB_INTERFACE, "image_scan")]


@pytest.mark.parametrize("stage", ["published_image", "staging", "production"])
def test_a_pull_request_is_not_published_or_deployed_by_pressing(
    world: World, instance: DagsterInstance, stage: str
) -> None:
    world.commit()
    release = world.proposed()
    press(world, instance, release, *(name for name in CI if name != "published_image"))
    pretend(instance, release, "published_image")

    message = refusal(press(world, instance, release, stage), stage)

    assert "a pull request is tried out, never published or deployed" in message
    assert world.observe("staging").stable is None
