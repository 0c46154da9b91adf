"""Databases are expanded before a rollout and contracted after it, and nobody goes back behind that."""

from dataclasses import replace

import pytest

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline.domain.freeze import FreezeWindow
from shopkart_pipeline.domain.job import JobPhase, JobStatus
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.contracted import CONTRACT as CONTRACTED
from shopkart_pipeline.services.contracted import record_contract
from shopkart_pipeline.services.drive_rollout import ABORT
from shopkart_pipeline.services.due_contracts import due_contracts
from shopkart_pipeline.services.production_history import current
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline.services.run_stage import StageOutcome, run_stage
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour, JobBehaviour
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.migrating import CONTRACT, EXPAND, migrating
from shopkart_pipeline_tests.fakes.world import PRODUCTION, STAGING, World

FAILED = JobStatus(JobPhase.FAILED, "exit code 3", ("connecting", "no such table"))


@pytest.fixture
def migrated(world: World) -> World:
    world.declare("backend", migrating)
    return world


def jobs(world: World, environment: str) -> list[str]:
    """First words of the commands that began, in order."""
    effects = (effect.split() for effect in world.cluster.effects)
    return [words[2] for words in effects if words[:2] == ["run", f"{environment}/backend"]]


def in_production(world: World) -> Release:
    """A release that went the whole way."""
    release = world.approved()
    assert all(outcome.passed for outcome in world.run(release, Phase.PRODUCTION))
    return release


def contracted(world: World) -> Release:
    """The same, and its time has come and its database was contracted."""
    release = in_production(world)
    world.clock.advance(3600)
    assert done(world.stage(release, "contract")) == 1
    return release


def done(outcome: StageOutcome) -> float:
    result = outcome.record.result
    assert isinstance(result, Evidence), result
    return result.measures["completed"]


def back(world: World) -> str:
    placed = roll_back(world.platform, "backend", "ops@shopkart.example", "orders fail", "rollback-1")
    return placed.release_key


def refusal(world: World, release: Release, stage: str) -> str:
    before = list(world.cluster.effects)
    with pytest.raises(Refused) as refused:
        world.stage(release, stage)
    assert world.cluster.effects == before
    return refused.value.what


def fails_in_production(world: World, status: JobStatus) -> None:
    """Staging's database has been contracted already, and production's can't be."""
    placed = current(world.platform, "backend", PRODUCTION)
    assert placed is not None
    record_contract(world.platform, CONTRACTED, "backend", STAGING, placed.release_key, placed.digest, {})
    world.cluster.job_behaviours[CONTRACT[0]] = JobBehaviour(status=status)


def dies(world: World, release: Release, stage: str, effect: str) -> None:
    """The worker of a stage dies right after an effect."""
    fuse = Fuse(when=lambda: world.cluster.effects[-1].startswith(effect))
    with pytest.raises(Killed):
        run_stage(fuse.fused(world.platform), release, stage, "dies")


def test_the_database_is_expanded_before_anything_of_the_rollout_happens(migrated: World) -> None:
    release = in_production(migrated)

    effects = [effect for effect in migrated.cluster.effects if " production/" in effect]
    assert effects[0] == f"run production/backend {' '.join(EXPAND)} {migrated.digest(release)}"
    assert [outcome for outcome in effects[1:] if outcome.startswith("run")] == []
    staging = [effect for effect in migrated.cluster.effects if " staging/" in effect]
    assert [effect.split()[0] for effect in staging] == ["run", "apply"]
    record = migrated.record(release, "production_expand")
    assert record.subject_digest == migrated.digest(release)
    assert isinstance(record.result, Evidence)
    assert [report.name for report in record.result.reports] == ["migration-production.log"]


def test_without_migrations_nothing_is_run(world: World) -> None:
    world.released()
    assert not [effect for effect in world.cluster.effects if effect.startswith("run")]


@pytest.mark.parametrize("environment", [STAGING, PRODUCTION])
def test_an_expansion_that_fails_lets_no_rollout_begin(migrated: World, environment: str) -> None:
    release = migrated.approved() if environment == PRODUCTION else migrated.merge()
    if environment == STAGING:
        migrated.run(release, Phase.CI)
    migrated.cluster.job_behaviours[EXPAND[0]] = JobBehaviour(status=FAILED)

    outcomes = migrated.run(release, Phase(environment))

    result = outcomes[-1].record.result
    assert isinstance(result, EvidenceMissing)
    words = f"expand-schema --now in {environment}: exit code 3; its log ends: connecting | no such table"
    assert result.reason == words
    assert migrated.observe(environment).stable is None
    assert f"{environment}_expand" in refusal(migrated, release, environment)


def test_a_command_that_never_ends_is_given_up_after_its_time(migrated: World) -> None:
    release = migrated.approved()
    waiting = JobStatus(JobPhase.RUNNING, "no capacity")
    migrated.cluster.job_behaviours[EXPAND[0]] = JobBehaviour(looks=0, status=waiting)
    began = migrated.clock.now()

    outcome = migrated.stage(release, "production_expand")

    assert isinstance(outcome.record.result, EvidenceMissing)
    assert "its end is not known after 60 s (no capacity)" in outcome.record.result.reason
    assert 60 < (migrated.clock.now() - began).total_seconds() < 130


def test_the_expansion_is_held_back_by_everything_that_holds_production_back(migrated: World) -> None:
    assert "0 of 1 valid approvals" in refusal(migrated, migrated.ready(), "production_expand")


def test_a_worker_that_dies_at_any_call_has_its_successor_find_the_same_run(migrated: World) -> None:
    release = migrated.approved()
    for call in range(1, 200):
        fuse = Fuse(call, after=True)
        try:
            run_stage(fuse.fused(migrated.platform), release, "production_expand", f"dies-{call}")
        except Killed:
            migrated.clock.advance(20)  # The lease of the dead ends by time.
            if "production_expand" in migrated.evidence.latest("backend", release.key):
                break
        else:
            break
    assert call > 10
    assert jobs(migrated, PRODUCTION) == [EXPAND[0]]
    assert migrated.stage(release, "production").passed


def test_after_a_recorded_failure_the_command_is_run_again(migrated: World) -> None:
    release = migrated.approved()
    migrated.cluster.job_behaviours[EXPAND[0]] = JobBehaviour(status=FAILED)
    assert not migrated.stage(release, "production_expand").passed
    migrated.cluster.job_behaviours.clear()

    assert migrated.stage(release, "production_expand").passed

    assert jobs(migrated, PRODUCTION) == [EXPAND[0], EXPAND[0]]


def test_a_rollout_that_goes_on_after_a_crash_does_not_wait_for_another_expansion(migrated: World) -> None:
    in_production(migrated)
    release = migrated.approved()
    assert migrated.stage(release, "production_expand").passed
    before = jobs(migrated, PRODUCTION)
    dies(migrated, release, "production", "set_weight production")
    migrated.clock.advance(20)

    outcomes = migrated.run(release, Phase.PRODUCTION)

    assert [outcome.passed for outcome in outcomes] == [True, True, True]
    assert jobs(migrated, PRODUCTION) == before


def test_staging_is_contracted_first_and_only_once_production_is_due(migrated: World) -> None:
    release = in_production(migrated)
    assert jobs(migrated, STAGING) == [EXPAND[0]]
    migrated.clock.advance(3600)

    assert done(migrated.stage(release, "contract")) == 1

    ran = [effect.split()[1] for effect in migrated.cluster.effects if f" {CONTRACT[0]} " in effect]
    assert ran == ["staging/backend", "production/backend"]
    assert ("contract", release.key) in migrated.verbs(STAGING)


def test_a_contraction_that_fails_in_staging_leaves_production_and_its_way_back_alone(migrated: World) -> None:
    first, second = in_production(migrated), in_production(migrated)
    migrated.clock.advance(3600)
    migrated.cluster.job_behaviours[CONTRACT[0]] = JobBehaviour(status=FAILED)

    result = migrated.stage(second, "contract").record.result

    assert isinstance(result, EvidenceMissing)
    assert "contract-schema in staging: exit code 3" in result.reason
    assert jobs(migrated, PRODUCTION).count(CONTRACT[0]) == 0
    assert back(migrated) == first.key


def test_staging_with_an_older_release_is_not_contracted_under_it(migrated: World) -> None:
    older, newer = migrated.approved(), in_production(migrated)
    migrated.run(older, Phase.STAGING)
    migrated.clock.advance(3600)

    assert due_contracts(migrated.platform) == ()
    outcome = migrated.stage(newer, "contract")

    assert done(outcome) == 0
    assert jobs(migrated, STAGING).count(CONTRACT[0]) == 0


def test_staging_with_a_newer_release_is_contracted_and_goes_on(migrated: World) -> None:
    standing, newer = in_production(migrated), migrated.approved()
    migrated.clock.advance(3600)

    assert done(migrated.stage(standing, "contract")) == 1

    migrated.approve(newer)
    assert all(outcome.passed for outcome in migrated.run(newer, Phase.PRODUCTION))


def test_production_is_not_contracted_before_its_time_and_no_run_waits(migrated: World) -> None:
    release = in_production(migrated)

    result = migrated.record(release, "contract").result

    assert isinstance(result, Evidence)
    assert result.measures["completed"] == 0
    assert "until then the release before is a way back" in result.summary
    assert jobs(migrated, PRODUCTION) == [EXPAND[0]]
    assert due_contracts(migrated.platform) == ()


def test_when_its_time_has_come_it_is_asked_for_once_and_the_ledger_says_so(migrated: World) -> None:
    release = in_production(migrated)
    migrated.clock.advance(3600)

    [request] = due_contracts(migrated.platform)
    assert due_contracts(migrated.platform) == (request,)
    assert (request.release_key, request.stages) == (release.key, ("contract",))
    [outcome] = migrated.run(release, request.phase, request.stages)

    assert done(outcome) == 1
    assert jobs(migrated, PRODUCTION) == [EXPAND[0], CONTRACT[0]]
    assert [verb for verb, _ in migrated.verbs()][-2:] == ["begin_contract", "contract"]
    assert due_contracts(migrated.platform) == ()
    assert done(migrated.stage(release, "contract")) == 1
    assert jobs(migrated, PRODUCTION) == [EXPAND[0], CONTRACT[0]]


def test_a_run_that_was_killed_before_the_first_attempt_is_made_up_for(migrated: World) -> None:
    release = migrated.approved()
    assert all(
        outcome.passed for outcome in migrated.run(release, Phase.PRODUCTION, ("production_expand", "production"))
    )
    assert due_contracts(migrated.platform) == ()
    migrated.clock.advance(3600)

    [request] = due_contracts(migrated.platform)
    [outcome] = migrated.run(release, request.phase, request.stages)

    assert done(outcome) == 1
    assert due_contracts(migrated.platform) == ()


def test_a_release_from_before_the_migration_is_never_asked_to_contract(world: World) -> None:
    release = world.approved()
    assert all(outcome.passed for outcome in world.run(release, Phase.PRODUCTION))
    world.declare("backend", migrating)
    world.clock.advance(3600)

    assert due_contracts(world.platform) == ()


def test_a_freeze_holds_the_contraction_back_too(migrated: World) -> None:
    release = in_production(migrated)
    migrated.clock.advance(3600)
    always = FreezeWindow("sale", "UTC", weekdays=frozenset(range(7)))
    deployments = migrated.pipeline.services["backend"].deployments
    frozen = {**deployments, PRODUCTION: replace(deployments[PRODUCTION], freeze=(always,))}
    migrated.declare("backend", lambda it: replace(it, deployments=frozen))

    assert due_contracts(migrated.platform) == ()
    assert done(migrated.stage(release, "contract")) == 0
    assert jobs(migrated, PRODUCTION) == [EXPAND[0]]


def test_a_release_that_another_one_has_replaced_contracts_nothing(migrated: World) -> None:
    first, _ = in_production(migrated), in_production(migrated)
    migrated.clock.advance(3600)
    assert "may not contract the database" in refusal(migrated, first, "contract")


def test_nothing_is_contracted_while_another_version_runs(migrated: World) -> None:
    release, next_one = in_production(migrated), migrated.approved()
    migrated.clock.advance(3600)
    migrated.approve(next_one)
    assert migrated.stage(next_one, "production_expand").passed
    dies(migrated, next_one, "production", "set_weight production")
    migrated.clock.advance(20)

    assert due_contracts(migrated.platform) == ()
    assert done(migrated.stage(release, "contract")) == 0
    assert jobs(migrated, PRODUCTION) == [EXPAND[0], EXPAND[0]]


def test_a_rollback_before_the_contraction_is_possible(migrated: World) -> None:
    first, _ = in_production(migrated), in_production(migrated)
    assert back(migrated) == first.key


def test_a_rollback_past_a_contraction_is_refused_before_anything_changes(migrated: World) -> None:
    in_production(migrated)
    second = contracted(migrated)
    before, acts = list(migrated.cluster.effects), migrated.verbs()

    with pytest.raises(Refused) as refused:
        back(migrated)

    assert f"{second.key} has contracted the database of backend in production" in refused.value.what
    assert refused.value.fix.startswith("Roll forward")
    assert (migrated.cluster.effects, migrated.verbs()) == (before, acts)


@pytest.mark.parametrize("status", [FAILED, JobStatus(JobPhase.RUNNING)])
def test_a_contraction_that_only_began_closes_the_way_back(migrated: World, status: JobStatus) -> None:
    in_production(migrated)
    second = in_production(migrated)
    migrated.clock.advance(3600)
    fails_in_production(migrated, status)
    assert not migrated.stage(second, "contract").passed

    with pytest.raises(Refused, match="began to contract"):
        back(migrated)
    assert due_contracts(migrated.platform) == ()


def test_a_worker_that_dies_while_it_contracts_leaves_no_way_back_and_no_second_run(migrated: World) -> None:
    in_production(migrated)
    second = in_production(migrated)
    migrated.clock.advance(3600)
    dies(migrated, second, "contract", "run production/backend contract")

    with pytest.raises(Refused):
        back(migrated)
    migrated.clock.advance(20)
    assert done(migrated.stage(second, "contract")) == 1
    assert jobs(migrated, PRODUCTION).count(CONTRACT[0]) == 1


def test_a_rollback_to_the_release_that_contracted_is_possible(migrated: World) -> None:
    contracting, _ = contracted(migrated), in_production(migrated)
    assert back(migrated) == contracting.key


def test_a_canary_is_turned_back_after_an_earlier_contraction(migrated: World) -> None:
    contracting, bad = contracted(migrated), migrated.approved()
    migrated.cluster.behaviours[migrated.digest(bad)] = Behaviour.CRASHES

    outcomes = migrated.run(bad, Phase.PRODUCTION)

    assert [outcome.passed for outcome in outcomes] == [True, False]
    stable = migrated.observe().stable
    assert stable is not None
    assert stable.spec.digest == migrated.digest(contracting)


def test_a_rollout_under_way_is_turned_back_on_request(migrated: World) -> None:
    contracting, next_one = contracted(migrated), migrated.approved()
    assert migrated.stage(next_one, "production_expand").passed
    body = {"environment": PRODUCTION, "reason": "no"}
    digest = migrated.digest(next_one)
    asked = Act(migrated.clock.now().replace(year=2100), "ops", ABORT, "backend", next_one.key, digest, body)
    migrated.ledger.append(asked)

    assert not migrated.stage(next_one, "production").passed

    stable = migrated.observe().stable
    assert stable is not None
    assert stable.spec.digest == migrated.digest(contracting)


def test_an_older_release_comes_neither_to_staging_nor_to_production_any_more(migrated: World) -> None:
    older = migrated.approved()
    contracting = contracted(migrated)

    for stage in ("staging_expand", "staging", "production_expand", "production"):
        line = refusal(migrated, older, stage)
        assert f"migration: {contracting.key} has contracted the database" in line
        assert f"and {older.key} is from before that" in line
