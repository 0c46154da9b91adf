"""Who may agree to what, and for how long it counts."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.declaration import Approvals, Service, StageKind
from shopkart_pipeline.domain.errors import PipelineError, Refused, UntrustedInput
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.release import Person, Release
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.approve_release import (
    APPROVE,
    Statement,
    record_approval,
    statement_for,
    valid_approvals,
)
from shopkart_pipeline_tests.fakes.fake_scm import ANA
from shopkart_pipeline_tests.fakes.fake_signatures import FakeSigner
from shopkart_pipeline_tests.fakes.world import JONAS, MAYA, PRODUCTION, World

BEN = Person("Ben", "ben@shopkart.example")


def valid(world: World, release: Release) -> tuple[str, ...]:
    return valid_approvals(world.platform, release, world.pipeline.services["backend"].deployments[PRODUCTION])


def approvals(world: World) -> list[Act]:
    return [entry.act for entry in world.ledger.entries("backend") if entry.act.verb == APPROVE]


def policy(world: World, change: Callable[[Approvals], Approvals]) -> None:
    """Approvals for production are declared differently."""

    def changed(service: Service) -> Service:
        deployment = service.deployments[PRODUCTION]
        assert deployment.approvals is not None
        deployment = replace(deployment, approvals=change(deployment.approvals))
        return replace(service, deployments={**service.deployments, PRODUCTION: deployment})

    world.declare("backend", changed)


def sign(world: World, release: Release, by: str = MAYA, **details: str) -> tuple[Statement, str]:
    """A statement about the release as it stands, but for `details`, and its signature."""
    statement = replace(statement_for(world.platform, release, world.clock.now()), **details)
    return statement, FakeSigner(by).sign(statement.to_bytes())


def test_an_approval_names_person_digest_and_evidence(world: World) -> None:
    release = world.ready()

    entry = world.approve(release)

    assert (entry.act.actor, entry.act.verb, entry.act.digest) == (MAYA, APPROVE, world.digest(release))
    statement = json.loads(entry.act.body["statement"])
    assert statement["digest"] == world.digest(release)
    assert statement["environment"] == PRODUCTION
    assert valid(world, release) == (MAYA,)


def test_a_release_that_has_not_passed_can_not_be_approved(world: World) -> None:
    release = world.merge()

    with pytest.raises(Refused, match=r"can't be approved: source\.evidence: missing: the stage never ran"):
        statement_for(world.platform, release, world.clock.now())


def test_the_same_statement_is_recorded_once(world: World) -> None:
    release = world.ready()
    statement, signature = sign(world, release)
    first = record_approval(world.platform, release, statement, signature)

    assert record_approval(world.platform, release, statement, signature) == first
    assert len(approvals(world)) == 1


@pytest.mark.parametrize("stage", ["source", "lint", "image", "staging", "acceptance_tests"])
def test_running_any_stage_again_ends_an_approval(world: World, stage: str) -> None:
    release = world.approved()

    world.stage(release, stage)

    assert valid(world, release) == ()


def test_a_stage_that_begins_and_dies_ends_no_approval(world: World) -> None:
    release = world.approved()
    start, _ = world.evidence.attempts[0]

    world.evidence.begin(replace(start, run_id="another"))

    assert valid(world, release) == (MAYA,)


def test_an_approval_ends_when_it_says_so(world: World) -> None:
    release = world.approved()
    world.clock.advance(3599)
    assert valid(world, release) == (MAYA,)

    world.clock.advance(2)

    assert valid(world, release) == ()


def test_an_approval_ends_earlier_when_todays_policy_says_so(world: World) -> None:
    release = world.approved()
    world.clock.advance(120)

    policy(world, lambda approvals: replace(approvals, expires_after_seconds=60))

    assert valid(world, release) == ()


def test_nobody_can_approve_for_longer_than_the_policy(world: World) -> None:
    release = world.ready()
    never = (world.clock.now() + timedelta(days=3650)).isoformat()
    statement, signature = sign(world, release, expires_at=never)

    with pytest.raises(Refused, match="too long"):
        record_approval(world.platform, release, statement, signature)


@pytest.mark.parametrize("expires_at", ["2030-01-01T00:00:00", "tomorrow", ""])
def test_an_end_that_is_no_moment_is_refused(world: World, expires_at: str) -> None:
    release = world.ready()
    statement, signature = sign(world, release, expires_at=expires_at)

    with pytest.raises(UntrustedInput):
        record_approval(world.platform, release, statement, signature)


@pytest.mark.parametrize(
    "details",
    [
        {"service": "frontend"},
        {"release_key": "20250101-000000-abcdefabcdef"},
        {"environment": "staging"},
        {"digest": f"sha256:{'f' * 64}"},
        {"evidence": f"sha256:{'f' * 64}"},
        {"kind": "shopkart approval, version 0"},
    ],
    ids=lambda details: next(iter(details)),
)
def test_a_statement_about_anything_else_is_refused(world: World, details: dict[str, str]) -> None:
    release = world.ready()
    statement, signature = sign(world, release, **details)

    with pytest.raises(Refused, match="not about"):
        record_approval(world.platform, release, statement, signature)


@pytest.mark.parametrize(
    ("by", "error"),
    [
        ("mallory@elsewhere.example", "is not among the approvers"),
        ("stranger@elsewhere.example", "nobody's"),
        (ANA.email, "four eyes"),
    ],
)
def test_a_signature_of_the_wrong_person_is_refused(world: World, by: str, error: str) -> None:
    release = world.ready()
    statement, signature = sign(world, release, by)

    with pytest.raises(PipelineError, match=error):
        record_approval(world.platform, release, statement, signature)

    assert approvals(world) == []


def test_a_signature_over_other_words_is_refused(world: World) -> None:
    release = world.ready()
    statement, signature = sign(world, release)

    with pytest.raises(UntrustedInput):
        record_approval(world.platform, release, replace(statement, expires_at=statement.expires_at + " "), signature)


def test_an_author_is_known_whatever_the_letters_of_the_address(world: World) -> None:
    author = Person("Maya", "Maya@ShopKart.example")
    release = world.ready(author=author)

    with pytest.raises(Refused, match="four eyes"):
        world.approve(release)


def test_whoever_wrote_what_never_got_to_production_can_not_approve_it_later(world: World) -> None:
    """The first change is stopped; the second push, of somebody else, carries it along."""
    world.released(author=BEN)
    maya = Person("Maya", MAYA)
    world.merge(author=maya)
    release = world.ready(author=BEN)
    assert MAYA not in release.people

    with pytest.raises(Refused, match="four eyes"):
        world.approve(release)

    assert world.approve(release, by=JONAS).act.actor == JONAS


def test_who_merged_a_release_cannot_approve_it(world: World) -> None:
    """As far as the declaration knows whose login it was."""
    release = world.ready(author=BEN)
    world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy(people={release.actor: JONAS}))

    with pytest.raises(Refused, match="or merged it"):
        world.approve(release, by=JONAS)

    assert world.approve(release, by=MAYA).act.actor == MAYA


def test_without_four_eyes_an_author_may_approve(world: World) -> None:
    release = world.ready()
    policy(world, lambda approvals: replace(approvals, four_eyes=False))

    assert world.approve(release, by=ANA.email).act.actor == ANA.email


def test_who_is_no_approver_any_more_does_not_count(world: World) -> None:
    release = world.approved()

    policy(world, lambda approvals: replace(approvals, approvers=(JONAS,)))

    assert valid(world, release) == ()


def test_whose_key_was_taken_away_does_not_count(world: World) -> None:
    release = world.approved()

    world.signers.write_text(JONAS)

    assert valid(world, release) == ()


def test_each_person_counts_once(world: World) -> None:
    release = world.approved()
    world.clock.advance(1)
    world.approve(release)
    world.approve(release, by=JONAS)

    assert valid(world, release) == (JONAS, MAYA)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"statement": "{}", "signature": "x"},
        {"statement": "[1]", "signature": "x"},
        {"statement": "null"},
        {"statement": "[" * 100_000},
        {"statement": json.dumps(dict.fromkeys(Statement.__dataclass_fields__, 6))},
    ],
)
def test_an_entry_that_can_not_be_read_counts_for_nothing_and_hides_nothing(world: World, body: dict[str, str]) -> None:
    release = world.ready()
    world.ledger.append(Act(world.clock.now(), MAYA, APPROVE, "backend", release.key, "sha256:x", body))
    world.approve(release, by=JONAS)

    assert valid(world, release) == (JONAS,)


def test_evidence_that_is_missing_can_not_be_approved(world: World) -> None:
    release = world.ready()
    world.scanners[StageKind.ACCEPTANCE_TESTS].result = EvidenceMissing("the browser did not start")
    world.stage(release, "acceptance_tests")

    with pytest.raises(Refused, match="the browser did not start"):
        world.approve(release)
