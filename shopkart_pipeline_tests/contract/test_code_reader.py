"""What everybody who answers for the code host owes: one suite over the fake and over GitHub's API, and what only that
can get wrong."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from shopkart_pipeline.adapters._github_answers import AnswerStore
from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters.github_reader import GitHubReader
from shopkart_pipeline.domain.branch_rules import BranchRules
from shopkart_pipeline.domain.code_review import ReviewState
from shopkart_pipeline.domain.errors import NotFound, Refused
from shopkart_pipeline.ports.code_host import CodeHostReader, HookDelivery, TryLater
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.fake_code_reader import FakeCodeReader
from shopkart_pipeline_tests.fakes.github_server import GitHubWorld, Repository, Trouble, running_github
from shopkart_pipeline_tests.fakes.github_server.accounts import app_credentials, token_credentials
from shopkart_pipeline_tests.fakes.github_server.hooks import add_hook, app_hook
from shopkart_pipeline_tests.fakes.github_server.protection import classic_rule, protections_of, ruleset
from shopkart_pipeline_tests.fakes.github_server.pulls import changes_of, close_pull, open_pull, review

REPOSITORY = "shopkart/storefront"
BASE, HEAD, LATER, MERGED, PICKED = (letter * 40 for letter in "abcde")
APPROVED, CHANGES = ReviewState.APPROVED, ReviewState.CHANGES_REQUESTED


class World(Protocol):
    """A code host on which people do things, and what answers for it."""

    clock: FakeClock

    @property
    def reader(self) -> CodeHostReader: ...

    def stand(self, branch: str, sha: str) -> None: ...

    def open(self, number: int, sha: str = HEAD, **details: Any) -> None: ...

    def review(self, number: int, login: str, state: ReviewState = APPROVED) -> None: ...

    def merge(self, number: int, *shas: str) -> None: ...

    def close(self, number: int) -> None: ...

    def protect(self) -> None: ...

    def deliver(self, guid: str, *, succeeds: bool) -> None: ...

    def redelivered(self) -> list[str]: ...

    def fall_silent(self) -> None: ...


@dataclass
class FakeWorld:
    clock: FakeClock
    reader: FakeCodeReader

    def stand(self, branch: str, sha: str) -> None:
        self.reader.heads[REPOSITORY, branch] = sha

    def open(self, number: int, sha: str = HEAD, **details: Any) -> None:
        self.reader.opened(number, sha, BASE, **details)

    def review(self, number: int, login: str, state: ReviewState = APPROVED) -> None:
        self.reader.reviewed(number, login, state, counts=state is not APPROVED or login in ("maya", "jonas"))

    def merge(self, number: int, *shas: str) -> None:
        self.reader.merged(number, *shas)

    def close(self, number: int) -> None:
        change = self.reader.changes[number]
        self.reader.changes[number] = replace(change, is_open=False, updated_at=self.clock.now())

    def protect(self) -> None:
        self.reader.rules[REPOSITORY, "main"] = PROTECTED

    def deliver(self, guid: str, *, succeeds: bool) -> None:
        known = [each for each in self.reader.deliveries if each.guid == guid]
        earlier = known[0].attempts if known else 0
        self.reader.deliveries = [each for each in self.reader.deliveries if each.guid != guid]
        number = len(self.reader.asked) + 1
        self.reader.deliveries.append(HookDelivery(guid, number, "push", earlier + 1, succeeds, self.clock.now()))

    def redelivered(self) -> list[str]:
        return self.reader.delivered_again

    def fall_silent(self) -> None:
        self.reader.silent = "it is down"


@dataclass
class GitHub:
    """The real adapter, before a GitHub that speaks HTTP."""

    clock: FakeClock
    world: GitHubWorld
    repository: Repository
    reader: GitHubReader

    def stand(self, branch: str, sha: str) -> None:
        changes_of(self.repository).heads[branch] = sha

    def open(self, number: int, sha: str = HEAD, **details: Any) -> None:
        open_pull(self.world, self.repository, number, sha, BASE, **details)

    def review(self, number: int, login: str, state: ReviewState = APPROVED) -> None:
        review(self.world, self.repository, number, login, state.value.upper())

    def merge(self, number: int, *shas: str) -> None:
        close_pull(self.world, self.repository, number, *shas)

    def close(self, number: int) -> None:
        close_pull(self.world, self.repository, number)

    def protect(self) -> None:
        protections_of(self.repository).classic["main"] = classic_rule()
        protections_of(self.repository).files[".github/CODEOWNERS"] = "* @maya"

    def deliver(self, guid: str, *, succeeds: bool) -> None:
        hook = app_hook(self.world)
        hook.sent[guid] = ("push", b"{}")
        hook.list(guid, "push", 202 if succeeds else 502, redelivery=guid in [each["guid"] for each in hook.attempts])

    def redelivered(self) -> list[str]:
        return [each["guid"] for each in app_hook(self.world).attempts if each["redelivery"]]

    def fall_silent(self) -> None:
        self.world.troubles.make(Trouble(times=1000, status=502))

    def paths(self, status: int = 200) -> list[str]:
        return [seen.path for seen in self.world.requests if seen.status == status and "/installation" not in seen.path]


PROTECTED = BranchRules(
    repository=REPOSITORY,
    branch="main",
    pull_request_required=True,
    reviews=1,
    code_owners_required=True,
    stale_reviews_dismissed=True,
    up_to_date_required=True,
    required_checks=("shopkart",),
    force_push_allowed=False,
    deletion_allowed=False,
    signed_commits_required=False,
    admins_included=True,
    code_owners_file=".github/CODEOWNERS",
)


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    clock = FakeClock()
    world = GitHubWorld(clock)
    repository = world.add(REPOSITORY, BASE, HEAD, LATER, MERGED, PICKED)
    changes_of(repository).permissions |= {"maya": "write", "jonas": "admin", "passer-by": "read"}
    changes_of(repository).heads["main"] = BASE
    with running_github(world) as api:
        client = GitHubClient(app_credentials(world, api, tmp_path), clock, AnswerStore(tmp_path / "answers.db"))
        yield GitHub(clock, world, repository, GitHubReader(client, clock))


@pytest.fixture(params=["fake", "github"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "github":
        github: GitHub = request.getfixturevalue("github")
        return github
    clock = FakeClock()
    reader = FakeCodeReader(clock)
    reader.heads[REPOSITORY, "main"] = BASE
    return FakeWorld(clock, reader)


def test_a_branch_stands_where_it_was_pushed_to(world: World) -> None:
    world.stand("release/1.0", LATER)

    assert world.reader.branch_head(REPOSITORY, "main") == BASE
    assert world.reader.branch_head(REPOSITORY, "release/1.0") == LATER
    world.stand("main", MERGED)
    assert world.reader.branch_head(REPOSITORY, "main") == MERGED


def test_a_branch_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        world.reader.branch_head(REPOSITORY, "trunk")
    with pytest.raises(NotFound):
        world.reader.branch_rules(REPOSITORY, "trunk")


def test_a_pull_request_is_told_as_it_stands(world: World) -> None:
    world.open(7, login="ana")

    change = world.reader.change(REPOSITORY, 7)

    assert (change.repository, change.number, change.login, change.branch) == (REPOSITORY, 7, "ana", "main")
    assert (change.sha, change.base_sha, change.from_fork, change.is_open) == (HEAD, BASE, False, True)
    assert (change.merged_at, change.merge_sha) == (None, None), "the commit of a merge that was only tried is none"
    world.merge(7, MERGED)
    change = world.reader.change(REPOSITORY, 7)
    assert (change.is_open, change.merge_sha, change.merged_at) == (False, MERGED, world.clock.now())


def test_a_pull_request_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        world.reader.change(REPOSITORY, 7)


def test_a_pull_request_from_elsewhere_is_known_as_such(world: World) -> None:
    world.open(7, from_fork=True)

    assert world.reader.change(REPOSITORY, 7).from_fork


def test_what_was_updated_since_comes_in_the_order_of_its_updates(world: World) -> None:
    for number in (1, 2, 3, 4):
        world.open(number)
        world.clock.advance(60)
    since = world.clock.now()
    world.open(6, branch="elsewhere")
    world.close(3)
    world.clock.advance(60)
    world.merge(1, MERGED)
    world.clock.advance(60)
    world.open(5)

    changes = world.reader.changes_since(REPOSITORY, "main", since)

    assert [(change.number, change.is_open, change.merge_sha) for change in changes] == [
        (3, False, None),
        (1, False, MERGED),
        (5, True, None),
    ]


def test_a_commit_tells_the_pull_request_that_it_came_by(world: World) -> None:
    world.open(7)
    world.merge(7, PICKED, MERGED)

    assert [change.number for change in world.reader.changes_of_commit(REPOSITORY, PICKED)] == [7]
    assert world.reader.changes_of_commit(REPOSITORY, BASE) == ()


def test_reviews_tell_who_said_what_of_which_head(world: World) -> None:
    world.open(7)
    world.review(7, "maya", CHANGES)
    world.clock.advance(60)
    world.review(7, "maya")
    world.review(7, "passer-by")

    reviews = world.reader.reviews(REPOSITORY, 7)

    assert [(each.login, each.state, each.sha, each.counts) for each in reviews] == [
        ("maya", CHANGES, HEAD, True),
        ("maya", APPROVED, HEAD, True),
        ("passer-by", APPROVED, HEAD, False),
    ]
    assert reviews[1].submitted_at == world.clock.now()


def test_the_rules_of_a_branch_are_told(world: World) -> None:
    world.protect()

    assert world.reader.branch_rules(REPOSITORY, "main") == PROTECTED


def test_attempts_at_one_delivery_are_one(world: World) -> None:
    world.deliver("too old", succeeds=False)
    world.clock.advance(3600)
    since = world.clock.now()
    world.deliver("lost", succeeds=False)
    world.clock.advance(1)
    world.deliver("healed", succeeds=False)
    world.deliver("healed", succeeds=True)
    world.clock.advance(1)
    world.deliver("lost", succeeds=False)

    found = world.reader.hook_deliveries(REPOSITORY, since)

    assert [(each.guid, each.event, each.attempts, each.is_delivered) for each in found] == [
        ("healed", "push", 2, True),
        ("lost", "push", 2, False),
    ]
    assert found[1].latest_at == world.clock.now()


def test_a_delivery_can_be_asked_for_again(world: World) -> None:
    world.deliver("lost", succeeds=False)
    [delivery] = world.reader.hook_deliveries(REPOSITORY, world.clock.now())

    world.reader.deliver_again(REPOSITORY, delivery)

    assert world.redelivered() == ["lost"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda reader: reader.branch_head(REPOSITORY, "main"),
        lambda reader: reader.changes_since(REPOSITORY, "main", FakeClock().now()),
        lambda reader: reader.change(REPOSITORY, 7),
        lambda reader: reader.changes_of_commit(REPOSITORY, HEAD),
        lambda reader: reader.reviews(REPOSITORY, 7),
        lambda reader: reader.branch_rules(REPOSITORY, "main"),
        lambda reader: reader.hook_deliveries(REPOSITORY, FakeClock().now()),
    ],
    ids=["head", "changes", "change", "commit", "reviews", "rules", "deliveries"],
)
def test_silence_is_no_answer(world: World, ask: Any) -> None:
    world.open(7)
    world.fall_silent()

    with pytest.raises(TryLater):
        ask(world.reader)


# What only GitHub can get wrong.


def test_what_has_not_changed_is_not_transferred_again(github: GitHub) -> None:
    github.open(7)
    for _ in range(2):
        github.reader.branch_head(REPOSITORY, "main")
        github.reader.changes_since(REPOSITORY, "main", github.clock.now())

    assert len(github.paths(304)) == 2
    left = github.world.remaining
    github.reader.branch_head(REPOSITORY, "main")
    assert github.world.remaining == left


def test_only_as_many_pages_are_asked_for_as_there_is_something_new_on(github: GitHub) -> None:
    for number in range(1, 251):
        github.open(number)
    github.clock.advance(60)
    since = github.clock.now()
    github.open(300)

    assert [each.number for each in github.reader.changes_since(REPOSITORY, "main", since)] == [300]
    assert len(github.world.asked("GET", "/pulls")) == 1
    assert len(github.reader.changes_since(REPOSITORY, "main", since - timedelta(days=1))) == 251


def test_a_deleted_fork_and_a_deleted_account_are_strangers(github: GitHub) -> None:
    github.open(7)
    document = changes_of(github.repository).pulls[7]
    document["user"] = None
    document["head"]["repo"] = None

    change = github.reader.change(REPOSITORY, 7)

    assert (change.login, change.from_fork) == ("ghost", True)


def test_a_review_without_an_account_or_not_yet_submitted_counts_for_nothing(github: GitHub) -> None:
    github.open(7)
    review(github.world, github.repository, 7, "maya", "APPROVED", user=None)
    review(github.world, github.repository, 7, "helper[bot]", "APPROVED")
    review(github.world, github.repository, 7, "maya", "PENDING", submitted_at=None)
    review(github.world, github.repository, 7, "maya", "APPROVED", commit_id=None)

    found = github.reader.reviews(REPOSITORY, 7)

    assert [(each.login, each.counts, each.sha) for each in found] == [
        ("ghost", False, HEAD),
        ("helper[bot]", False, HEAD),
        ("maya", True, None),
    ]


@pytest.mark.parametrize("spoil", [{"state": "LIKED"}, {"commit_id": "main; rm -rf"}, {"submitted_at": "yesterday"}])
def test_an_answer_that_can_not_be_read_is_no_answer(github: GitHub, spoil: dict[str, Any]) -> None:
    github.open(7)
    review(github.world, github.repository, 7, "maya", "APPROVED")
    changes_of(github.repository).reviews[7][0] |= spoil

    with pytest.raises(TryLater, match="about reviews can't be read"):
        github.reader.reviews(REPOSITORY, 7)


def rules(github: GitHub) -> BranchRules:
    return github.reader.branch_rules(REPOSITORY, "main")


PULL_REQUEST = {
    "type": "pull_request",
    "parameters": {
        "required_approving_review_count": 2,
        "dismiss_stale_reviews_on_push": True,
        "require_code_owner_review": True,
    },
}
CHECKS = {
    "type": "required_status_checks",
    "parameters": {
        "strict_required_status_checks_policy": True,
        "required_status_checks": [{"context": "shopkart"}, {"context": "licence/cla"}],
    },
}
MORE = [{"type": "non_fast_forward"}, {"type": "deletion"}, {"type": "required_signatures"}, {"type": "creation"}]


def may_administer(github: GitHub) -> None:
    github.world.app.permissions["administration"] = "write"


def test_a_branch_without_a_rule_is_open(github: GitHub) -> None:
    found = rules(github)

    assert (found.pull_request_required, found.force_push_allowed, found.deletion_allowed) == (False, True, True)
    assert (found.admins_included, found.bypass_hidden, found.code_owners_file) == (False, False, None)


def test_rulesets_protect_as_well_as_a_classic_rule(github: GitHub) -> None:
    may_administer(github)
    protections_of(github.repository).rulesets = [ruleset(1, PULL_REQUEST, CHECKS), ruleset(2, *MORE)]

    found = rules(github)

    assert (found.pull_request_required, found.reviews, found.code_owners_required) == (True, 2, True)
    assert (found.stale_reviews_dismissed, found.up_to_date_required, found.signed_commits_required) == (True,) * 3
    assert (found.force_push_allowed, found.deletion_allowed) == (False, False)
    assert found.required_checks == ("licence/cla", "shopkart")
    assert found.admins_included


def test_the_strictest_of_classic_rule_and_rulesets_holds(github: GitHub) -> None:
    may_administer(github)
    protections_of(github.repository).classic["main"] = classic_rule()
    protections_of(github.repository).rulesets = [ruleset(1, PULL_REQUEST)]

    assert (rules(github).reviews, rules(github).required_checks) == (2, ("shopkart",))


def test_a_merge_queue_keeps_what_is_merged_up_to_date(github: GitHub) -> None:
    may_administer(github)
    protections_of(github.repository).rulesets = [ruleset(1, {"type": "merge_queue", "parameters": {}})]

    assert rules(github).up_to_date_required


def test_rulesets_of_another_branch_or_that_are_only_tried_out_protect_nothing(github: GitHub) -> None:
    tried = {**ruleset(1, PULL_REQUEST), "enforcement": "evaluate"}
    protections_of(github.repository).rulesets = [tried, ruleset(2, PULL_REQUEST, branch="other")]

    assert not rules(github).pull_request_required


@pytest.mark.parametrize(
    "details",
    [
        {"enforce_admins": {"enabled": False}},
        {
            "required_pull_request_reviews": {
                **classic_rule()["required_pull_request_reviews"],
                "bypass_pull_request_allowances": {"users": [], "teams": [], "apps": [{"slug": "helper"}]},
            }
        },
    ],
    ids=["administrators are not included", "an app may pass by"],
)
def test_a_classic_rule_that_somebody_gets_around_says_so(github: GitHub, details: dict[str, Any]) -> None:
    protections_of(github.repository).classic["main"] = classic_rule(**details)

    assert (rules(github).pull_request_required, rules(github).admins_included) == (True, False)


def test_a_ruleset_with_a_bypass_list_says_so(github: GitHub) -> None:
    may_administer(github)
    actor = {"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}
    protections_of(github.repository).rulesets = [ruleset(1, PULL_REQUEST, bypass=[actor])]

    assert (rules(github).admins_included, rules(github).bypass_hidden) == (False, False)


def test_a_bypass_that_a_stricter_rule_makes_useless_is_none(github: GitHub) -> None:
    may_administer(github)
    actor = {"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}
    protections_of(github.repository).rulesets = [
        ruleset(1, PULL_REQUEST, bypass=[actor]),
        ruleset(2, PULL_REQUEST),
    ]

    assert rules(github).admins_included


def test_a_bypass_list_that_is_not_shown_is_no_empty_one(github: GitHub) -> None:
    protections_of(github.repository).rulesets = [ruleset(1, PULL_REQUEST)]

    found = rules(github)

    assert (found.pull_request_required, found.admins_included, found.bypass_hidden) == (True, False, True)


def test_a_missing_permission_is_named_and_no_open_branch(github: GitHub) -> None:
    del github.world.app.permissions["administration"]

    with pytest.raises(Refused, match="administration=read"):
        rules(github)


def test_a_rule_that_may_not_be_seen_is_no_open_branch(github: GitHub) -> None:
    github.world.troubles.make(Trouble(times=1, path_end="/protection", status=404, message="Not Found"))

    with pytest.raises(Refused, match="read administration"):
        rules(github)


@pytest.mark.parametrize("path", [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"])
def test_code_owners_are_found_in_each_of_their_places(github: GitHub, path: str) -> None:
    protections_of(github.repository).files[path] = "* @maya"
    protections_of(github.repository).owners_errors = [
        {
            "line": 3,
            "column": 1,
            "kind": "Unknown owner",
            "suggestion": "check the spelling",
            "message": "x",
            "path": path,
        }
    ] * 12

    found = rules(github)

    assert found.code_owners_file == path
    assert found.code_owners_errors[0] == "line 3: Unknown owner (check the spelling)"
    assert found.code_owners_errors[-1] == "and 2 more"


@pytest.fixture
def by_token(github: GitHub, tmp_path: Path) -> Iterator[GitHubReader]:
    with running_github(github.world) as api:
        client = GitHubClient(token_credentials(github.world, api), github.clock)
        yield GitHubReader(client, github.clock)


def test_with_a_token_the_repositorys_own_webhook_is_asked(github: GitHub, by_token: GitHubReader) -> None:
    add_hook(github.world, github.repository, "https://chat.example/github").list("theirs", "push", 502)
    ours = add_hook(github.world, github.repository, "https://pipeline.example/webhooks/github")
    ours.list("ours", "push", 502)
    ours.sent["ours"] = ("push", b"{}")

    [delivery] = by_token.hook_deliveries(REPOSITORY, github.clock.now() - timedelta(days=1))
    by_token.deliver_again(REPOSITORY, delivery)

    assert delivery.guid == "ours"
    assert [each["redelivery"] for each in ours.attempts] == [False, True]


def test_a_repository_without_our_webhook_is_told_so(by_token: GitHubReader, github: GitHub) -> None:
    with pytest.raises(NotFound, match="no webhook that leads to /webhooks/github"):
        by_token.hook_deliveries(REPOSITORY, github.clock.now())
