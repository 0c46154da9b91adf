"""Production is refused, by whomever it is asked for, unless everything is there for exactly this image."""

from dataclasses import replace

import pytest

from shopkart_pipeline.domain.declaration import Phase, Service, StageKind
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Severity, Tool
from shopkart_pipeline.domain.policy import FindingsRule, Gate
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.authorise_deploy import authorise_deploy
from shopkart_pipeline_tests.fakes.world import GATES, JONAS, MAYA, PRODUCTION, STAGES, World

TOOL = Tool("tool", "1")


def refusal(world: World, release: Release) -> str:
    """Why production is refused; nothing in production may have been touched."""
    before = list(world.cluster.effects)
    with pytest.raises(Refused) as refused:
        world.stage(release, "production")
    assert world.cluster.effects == before
    assert "production" not in world.evidence.latest("backend", release.key)
    [*_, note] = world.evidence.notes("backend", release.key, "refused")
    assert note.message == refused.value.what
    return refused.value.what


def test_a_release_that_has_passed_and_is_approved_may_go(world: World) -> None:
    release = world.approved()

    authorised = authorise_deploy(world.platform, release)

    assert (authorised.digest, authorised.approvers) == (world.digest(release), (MAYA,))
    assert not authorised.verdict.blocking


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES if stage.phase is not Phase.PRODUCTION])
def test_a_stage_that_never_ran_is_refused_by_name(world: World, stage: str) -> None:
    release = world.approved()
    world.evidence.attempts = [each for each in world.evidence.attempts if each[0].stage != stage]

    assert f"{stage}." in refusal(world, release)


@pytest.mark.parametrize("kind", [StageKind.LINT, StageKind.UNIT_TESTS, StageKind.ACCEPTANCE_TESTS])
def test_a_stage_whose_gate_failed_is_refused(world: World, kind: StageKind) -> None:
    release = world.approved()
    failing = {"tests": 40, "failed": 1, "new_violations": 1}
    world.scanners[kind].result = Evidence(TOOL, "bad", failing)
    world.stage(release, kind.value)

    assert f"{kind.value}." in refusal(world, release)


def test_a_tool_that_did_not_run_is_refused(world: World) -> None:
    release = world.approved()
    world.scanners[StageKind.ACCEPTANCE_TESTS].result = EvidenceMissing("the browser did not start")
    world.stage(release, "acceptance_tests")

    assert "acceptance_tests.failed: missing: the browser did not start" in refusal(world, release)


def test_evidence_of_another_release_is_refused(world: World) -> None:
    other, release = world.ready(), world.approved()
    stolen = replace(world.record(other, "acceptance_tests"), release_key=release.key, run_id="stolen")
    world.evidence.finish(stolen)

    assert "acceptance_tests.failed: missing: the evidence is about commit" in refusal(world, release)


def test_evidence_about_another_image_is_refused(world: World) -> None:
    release = world.approved()
    stolen = replace(world.record(release, "acceptance_tests"), subject_digest=f"sha256:{'e' * 64}", run_id="stolen")
    world.evidence.finish(stolen)

    assert f"acceptance_tests.failed: missing: the evidence is about sha256:{'e' * 64}" in refusal(world, release)


def test_evidence_that_is_too_old_is_refused(world: World) -> None:
    release = world.ready()
    world.clock.advance(15 * 24 * 3600)

    assert "source.evidence: missing: the evidence is" in refusal(world, release)


def test_todays_policy_is_asked_not_that_of_the_day_of_the_run(world: World) -> None:
    release = world.approved()
    found = replace(world.scanners[StageKind.LINT].result, notes=())
    assert isinstance(found, Evidence)

    def stricter(service: Service) -> Service:
        gate = Gate("signed", "lint", "something new is asked for", FindingsRule(Severity.INFO, limit=-1))
        return replace(service, gates=(*GATES, gate))

    world.declare("backend", stricter)

    assert "lint.signed: fail" in refusal(world, release)


def test_an_image_that_the_registry_does_not_hold_is_refused(world: World) -> None:
    release = world.approved()
    del world.registry.images["backend"][world.digest(release)]

    assert f"registry: missing: fake does not hold {world.digest(release)}" in refusal(world, release)


def test_a_registry_that_does_not_answer_is_refused(world: World) -> None:
    release = world.approved()
    world.registry.unavailable = "The registry does not answer."

    assert "registry: missing: The registry does not answer." in refusal(world, release)


def test_a_release_without_an_image_is_refused(world: World) -> None:
    assert "image: missing: no image was built" in refusal(world, world.merge())


def test_a_release_that_nobody_approved_is_refused(world: World) -> None:
    assert "approval: missing: 0 of 1 valid approvals" in refusal(world, world.ready())


def test_an_approval_that_has_ended_is_refused_and_named(world: World) -> None:
    release = world.approved()
    world.clock.advance(3601)

    assert "0 of 1 valid approvals; The approval of" in refusal(world, release)


def test_an_approval_of_older_evidence_is_refused_and_named(world: World) -> None:
    release = world.approved()
    world.stage(release, "acceptance_tests")

    assert "as it stands: evidence is sha256:" in refusal(world, release)


def test_an_approval_of_another_image_is_refused(world: World) -> None:
    release = world.approved()
    (world.platform.workspace.application(release) / "content.json").write_text("rebuilt, and different")
    world.registry.tags.clear()
    for stage in ("image", "image_scan", "published_image", "staging", "integration_tests", "acceptance_tests"):
        assert world.stage(release, stage).passed

    assert "as it stands: digest is sha256:" in refusal(world, release)


def test_an_approval_of_another_release_is_refused(world: World) -> None:
    other, release = world.approved(), world.ready()
    [entry] = [entry for entry in world.ledger.entries("backend", other.key) if entry.act.verb == "approve"]

    world.ledger.append(replace(entry.act, release_key=release.key))

    assert "0 of 1 valid approvals" in refusal(world, release)


def test_as_many_approvals_as_declared_are_needed(world: World) -> None:
    def two(service: Service) -> Service:
        deployment = service.deployments[PRODUCTION]
        assert deployment.approvals is not None
        deployment = replace(deployment, approvals=replace(deployment.approvals, required=2))
        return replace(service, deployments={**service.deployments, PRODUCTION: deployment})

    world.declare("backend", two)
    release = world.approved()
    assert "1 of 2 valid approvals" in refusal(world, release)

    world.approve(release, by=JONAS)

    assert world.stage(release, "production").passed


def test_without_declared_approvals_none_is_needed(world: World) -> None:
    def none(service: Service) -> Service:
        deployment = replace(service.deployments[PRODUCTION], approvals=None)
        return replace(service, deployments={**service.deployments, PRODUCTION: deployment})

    world.declare("backend", none)

    assert authorise_deploy(world.platform, world.ready()).approvers == ()


def test_an_approval_from_before_a_rollback_does_not_count_any_more(world: World) -> None:
    world.released()
    release = world.approved()
    world.metrics.error_ratios[world.digest(release)] = 0.5
    assert not world.stage(release, "production").passed

    with pytest.raises(Refused, match=f"was turned back after {MAYA} approved it"):
        world.stage(release, "production")

    world.approve(release)
    assert authorise_deploy(world.platform, release).approvers == (MAYA,)


def test_every_reason_is_named_at_once(world: World) -> None:
    release = world.ready()
    world.scanners[StageKind.LINT].result = EvidenceMissing("ruff is not installed")
    world.stage(release, "lint")
    world.registry.images["backend"].clear()

    reasons = refusal(world, release)

    assert "ruff is not installed" in reasons
    assert "does not hold" in reasons
    assert "0 of 1 valid approvals" in reasons
