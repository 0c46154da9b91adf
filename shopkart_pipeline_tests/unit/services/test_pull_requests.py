"""What a proposed change may run, whoever asks for it, and how it is judged."""

from dataclasses import replace

import pytest

from shopkart_pipeline.domain.declaration import Phase, Service, Stage, StageKind
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import Evidence, Tool
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.services.approve_release import statement_for
from shopkart_pipeline.services.checkout_source import base_commit
from shopkart_pipeline.services.pull_requests import applicable_stages, judge_pull_request
from shopkart_pipeline_tests.fakes.world import World

FAILING = Evidence(Tool("fake", "1"), "bad", {"tests": 40, "failed": 1})


def _with_stage(service: Service, stage: Stage) -> Service:
    return replace(service, stages=(*service.stages, stage))


def test_every_stage_that_applies_runs_and_nothing_is_announced(world: World) -> None:
    world.commit()
    release = world.proposed()

    outcomes = world.run(release, Phase.CI)

    assert [outcome.record.stage for outcome in outcomes][-1] == "image_scan"
    assert all(outcome.passed for outcome in outcomes)
    assert not any(outcome.phase_passed for outcome in outcomes)
    assert [delivery.event for delivery in world.inbox.pending()] == ["pull_request"]


@pytest.mark.parametrize("stage", ["published_image", "staging", "integration_tests", "acceptance_tests", "production"])
def test_a_stage_that_publishes_or_deploys_is_refused_even_if_everything_before_it_passed(
    world: World, stage: str
) -> None:
    world.commit()
    release = world.proposed()
    world.run(release, Phase.CI)

    with pytest.raises(Refused, match="never published or deployed"):
        world.stage(release, stage)

    assert [note.data["stage"] for note in world.evidence.notes("backend", release.key, "refused")][-1] == stage
    assert stage not in world.evidence.latest("backend", release.key)
    assert world.observe("staging").stable is None


def test_what_needs_a_published_image_is_refused_too(world: World) -> None:
    signing = Stage("signing", StageKind.COMMAND, Phase.CI, ("published_image",), 60.0)
    world.declare("backend", lambda service: _with_stage(service, signing))
    world.commit()
    release = world.proposed()

    with pytest.raises(Refused, match="never published or deployed"):
        world.stage(release, "signing")


def test_a_merge_may_run_everything(world: World) -> None:
    release, service = world.merge(), world.pipeline.services["backend"]

    assert applicable_stages(service, release, Phase.CI) == service.stages_of(Phase.CI)


def test_the_verdict_is_over_what_applies(world: World) -> None:
    world.commit()
    release = world.proposed()
    assert judge_pull_request(world.platform, release).outcome is Outcome.MISSING

    world.run(release, Phase.CI)

    verdict = judge_pull_request(world.platform, release)
    assert verdict.outcome is Outcome.PASS
    assert "published_image" not in {line.stage for line in verdict.results}


def test_a_failed_stage_fails_the_verdict(world: World) -> None:
    world.commit()
    release = world.proposed()
    world.scanners[StageKind.UNIT_TESTS].result = FAILING

    world.run(release, Phase.CI)

    assert judge_pull_request(world.platform, release).outcome is Outcome.FAIL


def test_a_pull_request_can_not_be_approved(world: World) -> None:
    world.commit()
    release = world.proposed()
    world.run(release, Phase.CI)

    with pytest.raises(Refused):
        statement_for(world.platform, release, world.clock.now())


def test_new_code_is_what_the_pull_request_brings_and_not_what_production_lacks(world: World) -> None:
    world.released()
    merged = world.merge()

    release = world.proposed()

    assert base_commit(world.platform, release) == merged.sha
