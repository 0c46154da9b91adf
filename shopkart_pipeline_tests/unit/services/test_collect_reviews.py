"""The stage that asks how commits came to the branch, and what it does to a release."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from shopkart_pipeline.domain.code_host import BranchPolicy, CodeHostPolicy
from shopkart_pipeline.domain.code_review import ReviewState
from shopkart_pipeline.domain.declaration import Phase, Service, Stage, StageKind
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Severity
from shopkart_pipeline.domain.policy import FindingsRule, Gate
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.services.authorise_deploy import authorise_deploy
from shopkart_pipeline.services.retry_reviews import retry_reviews
from shopkart_pipeline_tests.fakes.fake_code_reader import FakeCodeReader
from shopkart_pipeline_tests.fakes.world import World

STAGE = Stage("code_review", StageKind.CODE_REVIEW, Phase.STAGING, ("source",), 60.0)
RULE = FindingsRule(Severity.HIGH, only_new=False, exempt_measure="code_host", exempt_below=1)
GATE = Gate("unreviewed", "code_review", "everything was reviewed", RULE)


def with_stage(service: Service) -> Service:
    production = service.stages[-1]
    needing = replace(production, needs=("code_review", *production.needs))
    return replace(service, stages=(*service.stages[:-1], STAGE, needing), gates=(*service.gates, GATE))


@pytest.fixture
def reader(world: World) -> FakeCodeReader:
    """A code host is declared, and it answers."""
    world.declare("backend", with_stage)
    world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy())
    world.code_reader = reader = FakeCodeReader(world.clock)
    return reader


def merge(world: World, reader: FakeCodeReader, number: int, *approvers: str) -> Release:
    """A pull request of one commit is opened, approved and squashed onto the branch."""
    base = world.tip or "0" * 40
    reader.opened(number, f"{number:040x}", base)
    for login in approvers:
        reader.reviewed(number, login)
    release = world.merge()
    reader.merged(number, release.sha)
    return release


def review(world: World, release: Release) -> Evidence:
    world.run(release, Phase.CI)
    world.stage(release, "code_review")
    result = world.record(release, "code_review").result
    assert isinstance(result, Evidence), result
    return result


def problems(evidence: Evidence) -> list[str]:
    return [finding.message.partition("): ")[2] for finding in evidence.findings]


def test_a_reviewed_merge_passes_and_tells_by_whom(world: World, reader: FakeCodeReader) -> None:
    release = merge(world, reader, 7, "maya")

    evidence = review(world, release)

    assert evidence.measures == {"commits": 1, "unreviewed_commits": 0, "code_host": 1}
    assert evidence.facts[release.sha[:12]] == "#7 by ana, approved by maya"
    [told] = json.loads(world.evidence.get_report(evidence.reports[0].digest))
    assert (told["commit"], told["pull_request"], told["approved_by"]) == (release.sha, 7, ["maya"])


def test_a_commit_without_a_pull_request_can_not_reach_production(world: World, reader: FakeCodeReader) -> None:
    release = world.ready()

    with pytest.raises(Refused, match=r"can't be approved: code_review\.unreviewed: fail"):
        world.approve(release)
    with pytest.raises(Refused, match=r"code_review\.unreviewed: fail"):
        authorise_deploy(world.platform, release)
    [finding] = review(world, release).findings
    assert (finding.rule, release.sha in finding.message) == ("unreviewed-commit", True)


def test_what_was_pushed_past_everybody_is_not_forgotten_with_the_next_merge(
    world: World, reader: FakeCodeReader
) -> None:
    world.merge()
    release = merge(world, reader, 7, "maya")

    assert problems(review(world, release)) == ["there is no pull request"]


def test_what_runs_in_production_is_not_asked_about_again(world: World, reader: FakeCodeReader) -> None:
    released = merge(world, reader, 7, "maya")
    for phase in (Phase.CI, Phase.STAGING):
        world.run(released, phase)
    world.approve(released)
    assert world.stage(released, "production").passed

    evidence = review(world, merge(world, reader, 8, "jonas"))

    assert evidence.measures["commits"] == 1
    assert evidence.notes == ()


@pytest.mark.parametrize(
    ("policy", "approvers", "problem"),
    [
        (BranchPolicy(), (), ["no approval stood when #7 was merged"]),
        (BranchPolicy(), ("ana",), ["no approval stood when #7 was merged"]),
        (BranchPolicy(reviews=2), ("maya",), ["1 of 2 approvals stood when #7 was merged"]),
        (BranchPolicy(reviews=2), ("maya", "jonas"), []),
        (BranchPolicy(reviews=0), (), []),
    ],
)
def test_the_policy_says_how_many_have_to_agree(
    world: World, reader: FakeCodeReader, policy: BranchPolicy, approvers: tuple[str, ...], problem: list[str]
) -> None:
    world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy(branch=policy))

    assert problems(review(world, merge(world, reader, 7, *approvers))) == problem


def test_a_pull_request_that_was_not_merged_is_none(world: World, reader: FakeCodeReader) -> None:
    release = world.merge()
    reader.opened(7, release.sha, "0" * 40)
    reader.reviewed(7, "maya")
    reader.belongs(release.sha, 7)

    assert problems(review(world, release)) == ["it was not merged into main by a pull request (it is in #7)"]


def test_a_pull_request_for_another_branch_is_none(world: World, reader: FakeCodeReader) -> None:
    release = world.merge()
    reader.opened(7, release.sha, "0" * 40, branch="experiments")
    reader.reviewed(7, "maya")
    reader.merged(7, release.sha)

    assert problems(review(world, release)) == ["it was not merged into main by a pull request (it is in #7)"]


def test_every_commit_of_a_rebase_came_by_its_pull_request(world: World, reader: FakeCodeReader) -> None:
    base = merge(world, reader, 6, "maya")
    first, last = world.commit(), world.commit()
    reader.opened(7, "7" * 40, base.sha)
    reader.reviewed(7, "maya")
    reader.merged(7, first, last)
    world.push(last, base.sha)
    [request] = world.drain()

    evidence = review(world, world.evidence.release("backend", request.release_key))

    assert evidence.measures["unreviewed_commits"] == 0
    assert evidence.facts[first[:12]] == "#7 by ana, approved by maya"


def test_what_was_on_the_branch_before_came_by_no_later_pull_request(world: World, reader: FakeCodeReader) -> None:
    pushed = world.merge()
    reader.opened(7, "7" * 40, pushed.sha)
    reader.reviewed(7, "maya")
    merged = world.merge()
    reader.merged(7, pushed.sha, merged.sha)

    assert problems(review(world, merged)) == ["it was not merged into main by a pull request (it is in #7)"]


def test_a_waiver_answers_for_an_urgent_fix(world: World, reader: FakeCodeReader) -> None:
    [finding] = review(world, world.merge()).findings
    entry = (
        f"{{stage: code_review, finding: {finding.fingerprint}, reason: outage, owner: team:shop, expires: 2025-03-31}}"
    )
    base = world.tip
    assert base is not None
    reader.opened(8, "8" * 40, base)
    reader.reviewed(8, "maya")
    release = world.merge({"backend/waivers.yaml": f"version: 1\nwaivers:\n  - {entry}\n"})
    reader.merged(8, release.sha)

    assert problems(review(world, release)) == ["there is no pull request"]
    [line] = world.stage(release, "code_review").gates
    assert line.outcome is Outcome.PASS
    assert "waived by team:shop" in line.reason


def test_merged_commits_are_asked_about_once(world: World, reader: FakeCodeReader) -> None:
    merge(world, reader, 7, "maya")
    release = merge(world, reader, 8, "jonas")
    first = review(world, release)
    reader.asked.clear()

    again = review(world, release)

    assert reader.asked == []
    assert (again.facts, again.measures) == (first.facts, first.measures)


def test_a_commit_without_a_pull_request_is_asked_about_again(world: World, reader: FakeCodeReader) -> None:
    release = world.merge()
    assert review(world, release).findings
    reader.opened(7, "7" * 40, "0" * 40)
    reader.reviewed(7, "maya")
    reader.merged(7, release.sha)
    reader.reviewed(7, "maya", ReviewState.COMMENTED)

    assert review(world, release).findings == ()


def test_a_code_host_that_does_not_answer_blocks(world: World, reader: FakeCodeReader) -> None:
    release = merge(world, reader, 7, "maya")
    world.run(release, Phase.CI)
    reader.silent = "api.github.com asks for a rest."

    outcome = world.stage(release, "code_review")

    assert isinstance(outcome.record.result, EvidenceMissing)
    assert "asks for a rest" in outcome.record.result.reason
    assert [line.outcome for line in outcome.gates] == [Outcome.MISSING]


@pytest.mark.parametrize(("minutes", "waited_for"), [(10, True), (20, False)])
def test_a_code_host_that_asks_for_a_rest_is_waited_for(
    world: World, reader: FakeCodeReader, minutes: float, waited_for: bool
) -> None:
    world.declare("backend", lambda service: replace(service, stages=tuple(map(patient, service.stages))))
    release = merge(world, reader, 7, "maya")
    world.run(release, Phase.CI)
    reader.silent, began = "api.github.com asks for a rest.", world.clock.now()
    reader.silent_until = began + timedelta(minutes=minutes)

    assert world.stage(release, "code_review").passed is waited_for
    assert (world.clock.now() >= reader.silent_until) is waited_for


def patient(stage: Stage) -> Stage:
    return replace(stage, timeout_seconds=900.0)


def test_missing_credentials_block(world: World, reader: FakeCodeReader) -> None:
    release = merge(world, reader, 7, "maya")
    world.run(release, Phase.CI)
    world.code_reader = None

    outcome = world.stage(release, "code_review")

    assert isinstance(outcome.record.result, EvidenceMissing)
    assert "there are no credentials for https://api.github.com" in outcome.record.result.reason
    assert not outcome.passed


def test_where_no_code_host_is_declared_the_verdict_says_so(world: World, reader: FakeCodeReader) -> None:
    release = merge(world, reader, 7)
    world.pipeline = replace(world.pipeline, code_host=None)
    world.run(release, Phase.CI)

    outcome = world.stage(release, "code_review")

    assert outcome.passed
    assert outcome.gates[0].reason.startswith("exempt: code_host 0 < 1")
    assert reader.asked == []


def test_a_proposed_change_is_never_asked_about(world: World, reader: FakeCodeReader) -> None:
    world.merge()

    with pytest.raises(Refused, match="may not run code_review"):
        world.stage(world.proposed(), "code_review")


def test_an_outage_stops_a_release_for_as_long_as_it_lasts(world: World, reader: FakeCodeReader) -> None:
    release = merge(world, reader, 7, "maya")
    world.run(release, Phase.CI)
    reader.silent = "api.github.com is away."
    world.run(release, Phase.STAGING)
    world.drain()

    first, second = retry_reviews(world.platform), retry_reviews(world.platform)

    assert len(first) == 1
    assert first == second
    [request] = world.drain()
    assert (request.release_key, request.stages) == (release.key, ("code_review",))
    reader.silent = None
    world.run(release, Phase.STAGING, request.stages)
    assert retry_reviews(world.platform) == ()
    assert authorised_but_for_approval(world, release)


def authorised_but_for_approval(world: World, release: Release) -> bool:
    with pytest.raises(Refused) as refusal:
        authorise_deploy(world.platform, release)
    return ": approval: missing" in refusal.value.what and "code_review" not in refusal.value.what


def test_what_somebody_has_to_mend_is_not_tried_again(world: World, reader: FakeCodeReader) -> None:
    release = merge(world, reader, 7, "maya")
    world.run(release, Phase.CI)
    world.code_reader = None
    world.stage(release, "code_review")
    world.code_reader = reader

    assert retry_reviews(world.platform) == ()
