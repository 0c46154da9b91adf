"""An auditor walks from production back to the source: who, what, when, which digest, and what runs now."""

from dataclasses import replace
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, MetadataValue, TableMetadataValue

from shopkart_pipeline.defs import running
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.release_metadata import MOST_ROWS, release_metadata
from shopkart_pipeline.defs.running import running_key, show_running
from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.observe_running import observe_running
from shopkart_pipeline_tests.fakes.fake_scm import ANA
from shopkart_pipeline_tests.fakes.world import MAYA, PRODUCTION, World


def shown(world: World, release: Release, stage: str) -> dict[str, MetadataValue]:
    return release_metadata(world.platform, release, world.stage(release, stage))


def rows(value: MetadataValue) -> list[dict[str, Any]]:
    assert isinstance(value, TableMetadataValue)
    return [dict(record.data) for record in value.records]


def observations(instance: DagsterInstance) -> list[dict[str, Any]]:
    records = instance.fetch_observations(running_key("backend"), limit=10).records
    found = [record.event_log_entry.asset_observation for record in records]
    return [{row["environment"]: row for row in rows(each.metadata["running"])} for each in found if each]


def test_production_tells_who_wrote_merged_and_approved_and_where_that_is_written(world: World) -> None:
    world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy(people={}, commands={}))
    release = world.approved()

    told = shown(world, release, "production")

    who = [(row["part"], row["who"], row["where it is written"]) for row in rows(told["who"])]
    [approval] = world.ledger.entries("backend", release.key, ("approve",))
    assert ("author", f"{ANA.name} <{ANA.email}>", f"commit {release.sha}") in who
    assert ("pushed or merged", "ana", f"delivery {release.delivery_id}") in who
    assert ("approve", MAYA, f"ledger entry {approval.sequence}") in who
    ledger = {row["entry"]: row for row in rows(told["ledger"])}
    assert ledger[approval.sequence]["hash"] == approval.entry_hash
    assert ledger[approval.sequence]["image"] == world.digest(release)
    assert told["link: commit"].value == f"https://github.com/{release.repository}/commit/{release.sha}"
    assert told["run"].value


def test_a_ledger_that_does_not_answer_does_not_undo_a_stage_that_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = world.stage(release := world.approved(), "production")

    def silent(*_: object) -> None:
        raise ToolUnavailable("The ledger does not answer.", "Start it.")

    monkeypatch.setattr(world.ledger, "entries", silent)

    told = release_metadata(world.platform, release, outcome)

    assert outcome.passed
    assert told["not told"].value == "The ledger does not answer. Start it."


def test_gates_are_a_table_with_value_and_limit(world: World) -> None:
    release = world.merge()
    world.stage(release, "source")

    [gate] = rows(shown(world, release, "lint")["gates"])

    assert (gate["gate"], gate["outcome"], gate["value"], gate["limit"]) == ("lint.new_violations", "pass", "0", "0")


def test_of_a_long_history_a_bounded_part_is_shown(world: World) -> None:
    release = world.approved()
    for _ in range(2 * MOST_ROWS):
        world.ledger.append(Act(world.clock.now(), "x" * 500, "waive", "backend", release.key, "", {"reason": "r"}))

    told = shown(world, release, "production")

    assert len(rows(told["who"])) == len(rows(told["ledger"])) == MOST_ROWS
    assert max(len(row["who"]) for row in rows(told["who"])) <= 200


def test_a_deployment_shows_the_running_digest_of_each_environment(world: World) -> None:
    release = world.released()

    found = {row.environment: row for row in observe_running(world.platform, world.platform.service("backend"))}

    assert found[PRODUCTION].digest == found[PRODUCTION].recorded_digest == world.digest(release)
    assert (found[PRODUCTION].replicas, found[PRODUCTION].words) == ("2 of 2", "as the ledger says")


def test_what_runs_is_observed_when_it_changes_and_once_an_hour(world: World) -> None:
    release = world.released()
    with DagsterInstance.ephemeral() as instance:
        show_running(instance, world.platform)
        show_running(instance, world.platform)
        assert len(observations(instance)) == 1
        assert observations(instance)[0][PRODUCTION]["running digest"] == world.digest(release)

        somebody_changes_the_image(world)
        told = show_running(instance, world.platform)

        assert [line for line in told if line.startswith("backend in production: drift: stable runs sha256:other")]
        newest, _ = observations(instance)
        assert newest[PRODUCTION]["running digest"] == "sha256:other"
        assert newest[PRODUCTION]["digest in the ledger"] == world.digest(release)
        assert newest[PRODUCTION]["compared"].startswith("drift: stable runs sha256:other")


def test_an_autoscaler_at_work_is_no_news(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.released()
    seen = observe_running(world.platform, world.platform.service("backend"))
    scaled = tuple(replace(row, replicas="5 of 5") for row in seen)
    with DagsterInstance.ephemeral() as instance:
        show_running(instance, world.platform)
        monkeypatch.setattr(running, "observe_running", lambda *_: scaled)
        show_running(instance, world.platform)
        assert len(observations(instance)) == 1


def test_an_environment_that_does_not_answer_is_not_shown_as_running_well(world: World) -> None:
    world.released()
    world.cluster.observe = refuse  # type: ignore[method-assign]

    with DagsterInstance.ephemeral() as instance:
        told = show_running(instance, world.platform)
        [only] = observations(instance)

    assert only[PRODUCTION]["running digest"] == "none"
    assert only[PRODUCTION]["compared"] == "can't be told: it is gone. wait"
    assert "backend in production: can't be told: it is gone. wait" in told


def test_what_runs_hangs_on_both_deployments_in_the_lineage(world: World) -> None:
    graph = build_definitions(world.platform).get_repository_def().asset_graph

    assert graph.get(running_key("backend")).parent_keys == {
        AssetKey(["backend", "staging"]),
        AssetKey(["backend", "production"]),
    }


def refuse(*_: object) -> None:
    raise ToolUnavailable("it is gone.", "wait")


def somebody_changes_the_image(world: World) -> None:
    stable = world.observe().stable
    assert stable is not None
    world.cluster.apply(PRODUCTION, "backend", Track.STABLE, replace(stable.spec, digest="sha256:other"))
