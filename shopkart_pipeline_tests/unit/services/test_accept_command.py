"""Commands in comments: who may use them, what they do, and that each does it once."""

import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace

import pytest

from shopkart_pipeline.domain.comment_command import command_in
from shopkart_pipeline.domain.declaration import Approvals, Phase, Service
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.domain.release import Person, Release
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.approve_release import APPROVE, valid_approvals, weigh_approvals
from shopkart_pipeline.services.command_history import CommandOutcome, commands_of
from shopkart_pipeline.services.render_comment import pull_request_comment
from shopkart_pipeline.services.requests import PullRequestName, RunRequest
from shopkart_pipeline.services.rerun_stages import VERB
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline_tests.fakes.fake_scm import ANA, FakeSourceControl
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.world import JONAS, MAYA, PRODUCTION, REPOSITORY, World

SEVEN = PullRequestName(REPOSITORY, 7)
BOTH = {"backend/app.py": "x = 2\n", "frontend/app.py": "x = 2\n"}


@pytest.fixture(autouse=True)
def people(world: World) -> None:
    world.commit()
    world.know_people(approve=(MAYA, JONAS, ANA.email), rollback=(MAYA,), rerun=(MAYA, ANA.email))


def waiting(world: World, number: int = 7, author: Person = ANA) -> Release:
    """The merge of a pull request that has passed everything before production."""
    release = world.merged(number, author=author)
    for phase in (Phase.CI, Phase.STAGING):
        world.run(release, phase)
    return release


def said(world: World, text: str, login: str = "maya", number: int = 7) -> CommandOutcome:
    """What becomes of a comment."""
    accept(world.platform, world.comment(text, login, number))
    return commands_of(world.platform, PullRequestName(REPOSITORY, number))[-1]


def approvers(world: World, release: Release) -> tuple[str, ...]:
    deployment = world.pipeline.services[release.service].deployments[PRODUCTION]
    return valid_approvals(world.platform, release, deployment)


def why_not(world: World, release: Release) -> str:
    """Why recorded approvals do not count."""
    deployment = world.pipeline.services[release.service].deployments[PRODUCTION]
    records = world.evidence.latest(release.service, release.key)
    return "; ".join(weigh_approvals(world.platform, release, deployment, records).rejected)


def acts(world: World, verb: str) -> int:
    return sum(1 for entry in world.ledger.entries() if entry.act.verb == verb)


# Who may.


@pytest.mark.parametrize(
    ("login", "text", "reason"),
    [
        ("mallory", "/approve", "mallory is nobody whom the declaration knows"),
        ("jonas", "/rollback", f"jonas ({JONAS}) may not use /rollback"),
        ("jonas", "/rerun lint", f"jonas ({JONAS}) may not use /rerun"),
        ("ana", "/approve", "four eyes"),
    ],
)
def test_who_may_not_is_refused_and_told_why(world: World, login: str, text: str, reason: str) -> None:
    release = waiting(world)
    before = len(world.ledger.entries())

    outcome = said(world, text, login)

    assert not outcome.is_done
    assert reason in outcome.outcome
    assert (outcome.login, outcome.command) == (login, text)
    assert len(world.ledger.entries()) == before
    assert approvers(world, release) == ()


def test_without_a_section_nobody_may_anything(world: World) -> None:
    release = waiting(world)
    world.pipeline = replace(world.pipeline, code_host=None)

    assert "not declared" in said(world, "/approve").outcome
    assert approvers(world, release) == ()


def test_letters_of_a_login_make_no_difference(world: World) -> None:
    release = waiting(world)

    assert said(world, "/approve", "MAYA").is_done
    assert approvers(world, release) == (MAYA,)


def test_a_comment_that_is_no_command_leaves_no_trace(world: World) -> None:
    waiting(world)

    accepted = accept(world.platform, world.comment("Nice!\n/approve"))

    assert accepted.outcome == "ignored: the comment is no command"
    assert commands_of(world.platform, SEVEN) == ()


def test_what_nobody_declared_is_not_commanded_here(world: World) -> None:
    delivery = world.comment("/approve")
    elsewhere = json.loads(delivery.body) | {"repository": {"full_name": "shopkart/elsewhere"}}

    accepted = accept(world.platform, replace(delivery, body=json.dumps(elsewhere).encode()))

    assert accepted.outcome == "ignored: no service is released from shopkart/elsewhere"


@pytest.mark.parametrize("text", ["/rerun", "/approve backend frontend", "/approve nowhere", "/rerun nothing"])
def test_a_command_that_can_not_be_followed_says_how(world: World, text: str) -> None:
    waiting(world)

    outcome = said(world, text)

    assert not outcome.is_done
    assert any(word in outcome.outcome for word in ("Write `/", "It has: backend, frontend", "Its stages are"))


# Approving.


def test_an_approval_by_comment_brings_the_merge_to_production(world: World) -> None:
    release = waiting(world)

    outcome = said(world, "/approve")

    assert outcome.is_done
    assert outcome.person == MAYA
    assert outcome.outcome.startswith(f"{release.name}: approved for production by {MAYA}, ledger entry")
    request = world.drain()[-1]
    assert (request.release_key, request.phase) == (release.key, Phase.PRODUCTION)
    assert world.stage(release, "production").passed


def test_the_ledger_has_the_statement_and_the_delivery_that_proves_it(world: World) -> None:
    release = waiting(world)
    delivery = world.comment("/approve")

    accept(world.platform, delivery)

    act = world.ledger.entries("backend", release.key)[-1].act
    assert (act.verb, act.actor, act.digest) == (APPROVE, MAYA, world.digest(release))
    assert json.loads(act.body["statement"])["digest"] == world.digest(release)
    assert (act.body["login"], act.body["delivery"]) == ("maya", delivery.id)
    assert act.body["url"].startswith("https://github.example/shopkart/storefront/pull/7#issuecomment-")
    assert world.evidence.get_report(act.body["payload"]) == delivery.body


def test_a_service_can_be_named(world: World) -> None:
    world.merged(files=BOTH)
    releases = {each.service: each for each in world.evidence.releases() if each.pull_request is None}
    for release in releases.values():
        world.run(release, Phase.CI)
        world.run(release, Phase.STAGING)

    assert said(world, "/approve frontend").is_done

    assert approvers(world, releases["frontend"]) == (MAYA,)
    assert approvers(world, releases["backend"]) == ()


def test_what_is_refused_for_one_service_is_done_for_the_other(world: World) -> None:
    release = world.merged(files=BOTH)
    for phase in (Phase.CI, Phase.STAGING):
        world.run(release, phase)

    outcome = said(world, "/approve")

    assert not outcome.is_done
    assert f"{release.name}: approved" in outcome.outcome
    assert f"frontend@{release.key}: refused: frontend@{release.key} can't be approved" in outcome.outcome
    assert approvers(world, release) == (MAYA,)


def test_an_approval_speaks_only_of_evidence_that_was_there(world: World) -> None:
    release = waiting(world)
    delivery = world.comment("/approve")
    world.clock.advance(1)
    world.stage(release, "acceptance_tests")

    outcome = accept(world.platform, delivery).outcome

    assert "was written before acceptance_tests ended" in outcome
    assert approvers(world, release) == ()


def test_what_has_not_passed_can_not_be_approved(world: World) -> None:
    world.merged()

    assert "the stage never ran" in said(world, "/approve").outcome


def test_what_is_not_merged_can_not_be_approved(world: World) -> None:
    world.proposed()
    assert "is not merged" in said(world, "/approve").outcome

    accept(world.platform, world.pull_request(world.propose(), "closed"))

    assert "closed without a merge" in said(world, "/approve").outcome


def test_what_is_in_production_needs_no_more_approval(world: World) -> None:
    release = waiting(world)
    said(world, "/approve")
    world.stage(release, "production")

    assert "is in production already" in said(world, "/approve", "jonas").outcome


def test_what_is_a_part_of_a_newer_release_in_production_is_not_brought_back(world: World) -> None:
    first = waiting(world, 7)
    newer = in_production(world, 8)

    outcome = said(world, "/approve", number=7)

    assert f"{first.name} is in production already, as a part of {newer.key}" in outcome.outcome
    assert approvers(world, first) == ()


def test_one_may_sign_and_one_may_comment(world: World) -> None:
    policy(world, lambda approvals: replace(approvals, required=2))
    release = waiting(world)
    said(world, "/approve")
    with pytest.raises(Refused, match="1 of 2 valid approvals"):
        world.stage(release, "production")

    world.approve(release, by=JONAS)

    assert world.stage(release, "production").passed


def test_a_pull_request_that_nothing_is_known_of_is_refused(world: World) -> None:
    assert "Nothing is known of shopkart/storefront#99" in said(world, "/approve", number=99).outcome


def test_a_pull_request_that_concerned_nobody_has_nothing_to_approve(world: World) -> None:
    head = world.propose(files={"README.md": "x"})
    world.pull_request(head, "closed", merged=True, merge_commit_sha=world.commit({"README.md": "x"}))
    world.drain()

    assert "is no release of any service" in said(world, "/approve").outcome


def test_one_person_is_one_approver_whatever_way_they_say_it(world: World) -> None:
    release = waiting(world)

    said(world, "/approve")
    said(world, "/approve")
    world.approve(release, by=MAYA)

    assert acts(world, APPROVE) == 3
    assert approvers(world, release) == (MAYA,)
    said(world, "/approve", "jonas")
    assert approvers(world, release) == (JONAS, MAYA)


def _nobody_approves(world: World) -> None:
    world.know_people(rerun=(MAYA,))


def _maya_is_not_known(world: World) -> None:
    assert world.pipeline.code_host is not None
    policy = replace(world.pipeline.code_host, people={"jonas": JONAS})
    world.pipeline = replace(world.pipeline, code_host=policy)


def _her_login_is_somebody_elses(world: World) -> None:
    assert world.pipeline.code_host is not None
    policy = replace(world.pipeline.code_host, people={"maya": JONAS})
    world.pipeline = replace(world.pipeline, code_host=policy)


def _there_is_no_section(world: World) -> None:
    world.pipeline = replace(world.pipeline, code_host=None)


def policy(world: World, change: Callable[[Approvals], Approvals]) -> None:
    """Approvals for production are declared differently."""

    def changed(service: Service) -> Service:
        deployment = service.deployments[PRODUCTION]
        assert deployment.approvals is not None
        approvals = change(deployment.approvals)
        return replace(
            service, deployments={**service.deployments, PRODUCTION: replace(deployment, approvals=approvals)}
        )

    world.declare("backend", changed)


def _she_is_no_approver(world: World) -> None:
    policy(world, lambda approvals: replace(approvals, approvers=(JONAS,)))


def _time_goes_by(world: World) -> None:
    world.clock.advance(3601)


def _a_stage_runs_again(world: World) -> None:
    [key] = {each.key for each in world.evidence.releases("backend") if each.pull_request is None}
    world.stage(world.evidence.release("backend", key), "lint")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_nobody_approves, "may not use /approve"),
        (_maya_is_not_known, "nobody whom the declaration knows"),
        (_her_login_is_somebody_elses, f"{MAYA} approved, whose proof is {JONAS}'s now"),
        (_there_is_no_section, "not declared"),
        (_she_is_no_approver, "is not among the approvers"),
        (_time_goes_by, "ended at"),
        (_a_stage_runs_again, "is not about"),
    ],
)
def test_an_approval_is_counted_under_the_policy_of_the_day(
    world: World, change: Callable[[World], None], reason: str
) -> None:
    release = waiting(world)
    said(world, "/approve")
    assert approvers(world, release) == (MAYA,)

    change(world)

    assert approvers(world, release) == ()
    assert reason in why_not(world, release)
    with pytest.raises(Refused, match="0 of 1 valid approvals"):
        world.stage(release, "production")


def test_an_approval_ends_as_long_after_it_was_written_as_a_signed_one(world: World) -> None:
    release = waiting(world)
    delivery = world.comment("/approve")
    world.clock.advance(3000)

    accept(world.platform, delivery)

    assert approvers(world, release) == (MAYA,)
    world.clock.advance(601)
    assert approvers(world, release) == ()


@pytest.mark.parametrize("text", ["/rollback", "Nice!", "/approve frontend"])
def test_a_ledger_that_names_another_delivery_as_proof_counts_for_nothing(world: World, text: str) -> None:
    release = waiting(world)
    said(world, "/approve")
    entry = world.ledger.entries("backend", release.key)[-1]
    other = world.comment(text, "jonas")
    forged = world.evidence.put_report(RawReport("x.json", "application/json", other.body)).digest
    body = {**entry.act.body, "payload": forged}

    world.ledger.append(replace(entry.act, actor=JONAS, body=body))

    assert approvers(world, release) == (MAYA,)
    assert "does not approve" in why_not(world, release)


def test_an_approval_of_one_pull_request_is_none_of_another(world: World) -> None:
    first = waiting(world, 7)
    second = waiting(world, 8)

    said(world, "/approve", number=8)

    assert approvers(world, first) == ()
    assert approvers(world, second) == (MAYA,)


def test_an_author_who_hides_their_address_is_known_all_the_same(world: World) -> None:
    waiting(world, author=Person("Maya", "4711+Maya@users.noreply.github.com"))

    assert "four eyes" in said(world, "/approve").outcome


def test_the_comment_that_tells_of_commands_is_none(world: World) -> None:
    waiting(world)
    said(world, "/approve", "mallory")
    said(world, "/approve `@shopkart/everyone` <b>")

    comment = pull_request_comment(SEVEN, None, None, commands_of(world.platform, SEVEN))

    assert command_in(comment.body) is None
    assert "mallory `/approve`: refused: mallory is nobody whom the declaration knows" in comment.body
    assert "maya `/approve '@shopkart/everyone' <b>`: refused" in comment.body


# Rolling back.


def in_production(world: World, number: int = 7) -> Release:
    release = waiting(world, number)
    said(world, "/approve", number=number)
    assert world.stage(release, "production").passed
    world.play()
    return release


def test_what_came_from_the_merge_is_rolled_back_by_a_run_that_follows_from_the_delivery(world: World) -> None:
    in_production(world)
    release = in_production(world, 8)
    delivery = world.comment("/rollback", number=8)

    [rollback] = accept(world.platform, delivery).rollbacks

    assert (rollback.service, rollback.release_key, rollback.actor) == ("backend", release.key, MAYA)
    assert rollback.key == f"{delivery.id}:backend:rollback"
    assert rollback.reason == "/rollback by maya at shopkart/storefront#8"
    assert accept(world.platform, delivery).rollbacks == (rollback,)


def test_what_does_not_run_can_not_be_rolled_back(world: World) -> None:
    in_production(world)
    second = in_production(world, 8)

    outcome = said(world, "/rollback", number=7)

    assert not outcome.is_done
    assert f"{second.key} is what runs in production" in outcome.outcome


def test_a_cluster_that_is_away_keeps_no_delivery_waiting(world: World) -> None:
    release = in_production(world)
    world.cluster.unreachable = True

    [rollback] = accept(world.platform, world.comment("/rollback")).rollbacks

    assert rollback.release_key == release.key
    with pytest.raises(ToolUnavailable):
        roll_back(world.platform, "backend", MAYA, "why", "run", only=release.key)


def test_a_rollback_that_comes_late_does_not_take_back_what_came_meanwhile(world: World) -> None:
    first = in_production(world)
    [rollback] = accept(world.platform, world.comment("/rollback")).rollbacks
    second = in_production(world, 8)

    with pytest.raises(Refused, match=f"{second.key} is in production"):
        roll_back(world.platform, "backend", MAYA, rollback.reason, "run", only=rollback.release_key)

    assert world.observe().stable is not None
    assert first.key == rollback.release_key


def test_the_run_rolls_back_what_it_is_about(world: World) -> None:
    first, second = in_production(world), in_production(world, 8)

    placed = roll_back(world.platform, "backend", MAYA, "why", "run", only=second.key)

    assert placed.release_key == first.key


# Running again.


def asked_again(world: World) -> list[RunRequest]:
    return [request for request in world.drain() if ":rerun:" in request.key]


def test_a_stage_of_an_open_pull_request_runs_again_at_its_head(world: World) -> None:
    release = world.proposed()
    world.run(release, Phase.CI)
    world.drain()

    outcome = said(world, "/rerun lint")

    assert outcome.outcome == f"{release.name}: lint, image, image_scan run again"
    [request] = asked_again(world)
    assert (request.release_key, request.stages) == (release.key, ("lint", "image", "image_scan"))
    assert request.pull_request == SEVEN


def test_a_stage_of_a_merged_pull_request_runs_again_for_its_release(world: World) -> None:
    release = waiting(world)
    world.drain()

    assert said(world, "/rerun acceptance_tests backend").is_done

    [request] = asked_again(world)
    assert (request.release_key, request.stages) == (release.key, ("acceptance_tests",))


def test_a_pull_request_may_not_be_published_by_asking_again(world: World) -> None:
    world.proposed()

    outcome = said(world, "/rerun published_image")

    assert "never published or deployed" in outcome.outcome
    assert not outcome.is_done


def test_the_ledger_tells_who_asked(world: World) -> None:
    release = world.proposed()
    said(world, "/rerun lint")

    asked, entry = world.ledger.entries("backend", release.key)

    assert (asked.act.verb, asked.act.actor) == (f"ask_{VERB}", MAYA)
    assert (entry.act.verb, entry.act.actor) == (VERB, MAYA)
    assert entry.act.body["payload"] == asked.act.body["payload"]


# Once, whatever happens.


def test_a_refusal_stays_one_when_the_delivery_is_read_again(world: World) -> None:
    world.merged()
    delivery = world.comment("/approve")
    first = accept(world.platform, delivery)
    world.clock.advance(1)
    release = world.evidence.releases("backend")[0]
    for phase in (Phase.CI, Phase.STAGING):
        world.run(release, phase)

    assert accept(world.platform, delivery) == first
    assert len(commands_of(world.platform, SEVEN)) == 1


def test_a_tool_that_is_away_refuses_nothing(world: World) -> None:
    release = waiting(world)
    delivery = world.comment("/approve")
    away = replace(world.platform, scm=FakeSourceControl(unreachable="no route"))

    with pytest.raises(ToolUnavailable):
        accept(away, delivery)

    assert commands_of(world.platform, SEVEN) == ()
    assert accept(world.platform, delivery).outcome.startswith("shopkart/storefront#7: maya /approve: ")
    assert approvers(world, release) == (MAYA,)


def _an_approval(world: World) -> Delivery:
    waiting(world)
    return world.comment("/approve")


def _a_rollback(world: World) -> Delivery:
    in_production(world)
    in_production(world, 8)
    return world.comment("/rollback", number=8)


def _a_rerun(world: World) -> Delivery:
    waiting(world)
    return world.comment("/rerun lint")


def _a_refusal(world: World) -> Delivery:
    waiting(world)
    return world.comment("/approve", "mallory")


def ended(world: World, delivery: Delivery) -> object:
    """All that is there after a delivery was read once more."""
    accepted = accept(world.platform, delivery)
    notes = [(each.command, each.outcome) for each in commands_of(world.platform, SEVEN)]
    entries = [(entry.act.verb, entry.act.actor) for entry in world.ledger.entries()]
    inbox = [each.event for each in world.inbox.pending()]
    return accepted, notes, entries, inbox, world.drain(), world.ledger.verify()


EVERY_COMMAND = pytest.mark.parametrize("asking", [_an_approval, _a_rollback, _a_rerun, _a_refusal])


@EVERY_COMMAND
def test_a_process_that_is_killed_anywhere_leaves_what_the_next_one_completes(
    world: World, asking: Callable[[World], Delivery]
) -> None:
    delivery = asking(world)
    fuse, whole = Fuse(), deepcopy(world)
    accept(fuse.fused(whole.platform), delivery)
    expected = ended(whole, delivery)
    assert fuse.calls > 2

    for call in range(1, fuse.calls + 1):
        for after in (False, True):
            tried = deepcopy(world)
            with suppress(Killed):  # A call that finds nothing raises before it could kill.
                accept(Fuse(call, after=after).fused(tried.platform), delivery)
            tried.clock.advance(5)
            assert ended(tried, delivery) == expected, f"killed at call {call}, after its effect: {after}"


@EVERY_COMMAND
def test_two_who_read_it_at_once_do_it_once(world: World, asking: Callable[[World], Delivery]) -> None:
    """Before each call of the one, the other does all of it."""
    delivery = asking(world)
    fuse, whole = Fuse(), deepcopy(world)
    accept(fuse.fused(whole.platform), delivery)
    expected = ended(whole, delivery)

    for call in range(1, fuse.calls + 1):
        tried = deepcopy(world)
        accept(_Overtaken(tried, delivery, call).fused(tried.platform), delivery)

        assert ended(tried, delivery) == expected, f"overtaken at call {call}"


class _Overtaken(Fuse):
    """Kills nobody: at one call somebody else reads the delivery."""

    def __init__(self, world: World, delivery: Delivery, call: int) -> None:
        super().__init__()
        self._world, self._delivery, self._at = world, delivery, call

    def through(self, call: Callable[[], object]) -> object:
        if self.calls + 1 == self._at:
            accept(self._world.platform, self._delivery)
        return super().through(call)
