"""Verdict, approval, rollout and drift are about an image with its configuration."""

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from shopkart_pipeline.domain.declaration import Phase, StageKind
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.rollout import RolloutPhase
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.approve_release import (
    APPROVE,
    Statement,
    record_approval,
    statement_for,
    valid_approvals,
)
from shopkart_pipeline.services.authorise_deploy import authorise_deploy
from shopkart_pipeline.services.drive_rollout import LEASE_SECONDS
from shopkart_pipeline.services.find_drift import GONE, note_drift
from shopkart_pipeline.services.run_stage import run_stage
from shopkart_pipeline_tests.fakes.fake_signatures import FakeSigner
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.world import MAYA, PRODUCTION, STAGING, World

_NEW = {"MODE": "new"}


def reconfigure(world: World, variables: dict[str, str]) -> None:
    """The backend is declared with other variables."""
    world.declare("backend", lambda it: replace(it, workload=replace(it.workload, variables=variables)))


def configuration(world: World, environment: str = PRODUCTION) -> str:
    stable = world.observe(environment).stable
    assert stable is not None
    return stable.spec.configuration


def facts(record: StageRecord) -> dict[str, str]:
    assert isinstance(record.result, Evidence)
    return dict(record.result.facts)


def kill_while_baking(world: World, release: Release) -> None:
    fuse = Fuse(when=lambda: world.rollout().state.phase is RolloutPhase.BAKING)
    with pytest.raises(Killed):
        run_stage(fuse.fused(world.platform), release, "production", "lost")
    world.clock.advance(LEASE_SECONDS + 1)


# What was shown and agreed to counts for one configuration.


def test_what_staging_showed_names_the_configuration(world: World) -> None:
    release = world.ready()

    stages = ("staging", "integration_tests", "acceptance_tests")

    assert {facts(world.record(release, stage))["configuration"] for stage in stages} == {configuration(world, STAGING)}


def test_evidence_about_another_configuration_does_not_count(world: World) -> None:
    release = world.approved()
    reconfigure(world, _NEW)

    with pytest.raises(Refused) as refused:
        authorise_deploy(world.platform, release)

    why = f"missing: the evidence is about configuration {configuration(world, STAGING)[7:19]}, not "
    for line in ("staging.released", "integration_tests.failed", "acceptance_tests.failed"):
        assert f"{line}: {why}" in refused.value.what


def test_an_approval_is_about_the_configuration_too(world: World) -> None:
    release = world.approved()
    reconfigure(world, _NEW)
    world.run(release, Phase.STAGING)
    world.approve(release)
    agreed = [
        json.loads(entry.act.body["statement"]) for entry in world.ledger.entries("backend") if _is_approval(entry)
    ]
    reconfigure(world, {"MODE": "newest"})

    deployment = world.pipeline.services["backend"].deployments[PRODUCTION]

    assert len({statement["configuration"] for statement in agreed}) == 2
    assert valid_approvals(world.platform, release, deployment) == ()


def _is_approval(entry: Any) -> bool:
    return bool(entry.act.verb == APPROVE)


def test_how_many_and_how_they_are_reached_ends_no_approval(world: World) -> None:
    release = world.approved()
    deployment = replace(world.pipeline.services["backend"].deployments[PRODUCTION], replicas=7)
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, PRODUCTION: deployment}))

    assert authorise_deploy(world.platform, release).approvers == (MAYA,)


def test_tests_during_which_the_configuration_changes_prove_nothing(world: World) -> None:
    release = world.ready()
    stable = world.observe(STAGING).stable
    assert stable is not None
    changed = replace(stable.spec, variables=_NEW)
    scanner = world.scanners[StageKind.INTEGRATION_TESTS]
    scanner.meanwhile = lambda: world.cluster.apply(STAGING, "backend", Track.STABLE, changed)

    result = world.stage(release, "integration_tests").record.result

    assert isinstance(result, EvidenceMissing)
    assert "the configuration of what was tested changed from" in result.reason


# What an earlier version of the pipeline left.


def without_configurations(document: Any) -> Any:
    """As the version before wrote it."""
    names = ("configuration", "previous_configuration", "workload")
    if isinstance(document, dict):
        said = cast(dict[str, Any], document)
        return {name: without_configurations(value) for name, value in said.items() if name not in names}
    return (
        [without_configurations(each) for each in cast(list[Any], document)] if isinstance(document, list) else document
    )


def as_recorded_before(world: World, release: Release) -> None:
    """Evidence, approval, ledger and rollout without any configuration."""
    world.evidence.attempts = [(start, _unconfigured(record)) for start, record in world.evidence.attempts]
    current = statement_for(world.platform, release, world.clock.now())
    old = replace(current, kind="shopkart approval, version 1", configuration=None)
    body = {"statement": old.to_bytes().decode(), "signature": FakeSigner(MAYA).sign(old.to_bytes())}
    world.ledger.kept = [
        replace(entry, act=replace(entry.act, body=without_configurations(entry.act.body)))
        for entry in world.ledger.kept
        if not _is_approval(entry)
    ]
    world.ledger.append(Act(world.clock.now(), MAYA, APPROVE, "backend", release.key, old.digest, body))
    saved = world.cluster.load_rollout(PRODUCTION, "backend")
    if saved is not None:
        document = json.dumps(without_configurations(json.loads(saved)))
        world.cluster.save_rollout(PRODUCTION, "backend", document)


def _unconfigured(record: StageRecord | None) -> StageRecord | None:
    if record is None or not isinstance(record.result, Evidence):
        return record
    kept = {name: fact for name, fact in record.result.facts.items() if "configuration" not in name}
    return replace(record, result=replace(record.result, facts=kept))


def test_an_approval_from_before_is_counted_and_no_new_one_is_taken(world: World) -> None:
    release = world.ready()
    as_recorded_before(world, release)
    current = statement_for(world.platform, release, world.clock.now())
    old = replace(current, kind="shopkart approval, version 1", configuration=None)

    assert authorise_deploy(world.platform, release).approvers == (MAYA,)
    with pytest.raises(Refused, match="does not say with which configuration"):
        record_approval(world.platform, release, old, FakeSigner(MAYA).sign(old.to_bytes()))


@pytest.mark.parametrize(
    ("kind", "configuration"),
    [(Statement.kind, None), ("shopkart approval, version 1", "sha256:x"), ("shopkart approval, version 3", None)],
)
def test_a_statement_whose_version_and_words_differ_is_refused(
    world: World, kind: str, configuration: str | None
) -> None:
    release = world.ready()
    current = statement_for(world.platform, release, world.clock.now())
    wrong = replace(current, kind=kind, configuration=configuration)

    with pytest.raises(Refused, match="not about"):
        record_approval(world.platform, release, wrong, FakeSigner(MAYA).sign(wrong.to_bytes()))


def test_a_rollout_that_the_version_before_began_is_finished_and_says_so(world: World) -> None:
    world.released()
    release = world.approved()
    kill_while_baking(world, release)
    as_recorded_before(world, release)
    assert world.rollout().state.plan.configuration is None

    outcome = world.stage(release, "production")

    assert outcome.passed
    assert facts(outcome.record)["configuration"] == "not recorded"
    assert world.verbs()[-1] == ("promote", release.key)
    assert note_drift(world.platform) == ()


def test_the_next_rollout_knows_the_configuration_of_what_the_version_before_left(world: World) -> None:
    old = world.released()
    as_recorded_before(world, old)

    world.released()

    assert world.rollout().state.plan.previous_configuration == configuration(world)


# On the way.


def test_another_configuration_supersedes_a_rollout_of_the_same_image(world: World) -> None:
    world.released()
    release = world.approved()
    kill_while_baking(world, release)
    reconfigure(world, _NEW)
    world.run(release, Phase.STAGING)
    world.approve(release)

    assert world.stage(release, "production").passed

    assert world.verbs()[-2:] == [("turn_back", release.key), ("promote", release.key)]
    assert world.rollout().wanted.variables == _NEW
    assert [incident.reason for incident in world.incidents.list()] == [
        f"superseded by another configuration of {release.name}"
    ]


def test_a_worker_that_was_killed_is_followed_by_one_that_goes_on_with_the_same_unit(world: World) -> None:
    release = world.released()
    reconfigure(world, _NEW)
    world.run(release, Phase.STAGING)
    world.approve(release)
    kill_while_baking(world, release)

    assert world.stage(release, "production").passed

    stable = world.observe().stable
    assert stable is not None
    assert stable.spec.variables == _NEW
    assert [verb for verb, _ in world.verbs()] == ["promote", "promote"]


# Between rollouts.


def test_a_configuration_that_is_not_the_pipelines_is_drift(world: World) -> None:
    release = world.released()
    stable = world.observe().stable
    assert stable is not None
    world.cluster.apply(PRODUCTION, "backend", Track.STABLE, replace(stable.spec, variables=_NEW))

    [line] = note_drift(world.platform)
    world.cluster.apply(PRODUCTION, "backend", Track.STABLE, stable.spec)

    digest, now, last = (
        world.digest(release),
        replace(stable.spec, variables=_NEW).configuration,
        stable.spec.configuration,
    )
    assert line == (
        f"drift: stable runs {digest} with configuration {now[7:19]}, "
        f"and what the pipeline put there last is {digest} with configuration {last[7:19]}"
    )
    assert note_drift(world.platform) == (GONE,)


def test_what_is_declared_anew_and_not_yet_released_is_no_drift(world: World) -> None:
    world.released()
    reconfigure(world, _NEW)

    assert note_drift(world.platform) == ()
