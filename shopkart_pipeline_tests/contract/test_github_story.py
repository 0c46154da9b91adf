"""A release's whole way as GitHub shows it: outbox on disk, the real adapter, and a GitHub that fails in every way.

Whatever goes wrong between us and GitHub, and whenever the sender dies, what is shown at the end is the same, and no
thing is there twice.
"""

import random
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters.github_app import EVENTS, PERMISSIONS
from shopkart_pipeline.adapters.sqlite_outbox import SqliteOutbox
from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.declaration import Phase, StageKind
from shopkart_pipeline.domain.evidence import Evidence, Finding, Severity, Tool
from shopkart_pipeline.domain.notice import Notice
from shopkart_pipeline.ports.code_host import CodeHost
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline.services.send_notices import send_notices
from shopkart_pipeline_tests.contract.code_host_worlds import GitHubWorldOf, Seen
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.fakes.github_server import GitHubWorld, Trouble, running_github
from shopkart_pipeline_tests.fakes.github_server.accounts import app_credentials
from shopkart_pipeline_tests.fakes.github_server.trouble import Drop
from shopkart_pipeline_tests.fakes.world import REPOSITORY, World

PULL_REQUEST = 7


class _Killed(BaseException):
    """The sender dies."""


class Story(CodeHost):
    """ShopKart and GitHub, with one clock; and, between the two, the death of who sends."""

    def __init__(self, folder: Path, github: GitHubWorld, client: GitHubClient, world: World) -> None:
        self.world = world
        self.github = GitHubWorldOf(github, client)
        self.outbox = SqliteOutbox(folder / "outbox.db")
        world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy())
        world.outbox = self.outbox  # pyright: ignore[reportAttributeAccessIssue]
        world.code_host = self
        self.kills: set[int] = set()
        """At which sends the sender dies, after GitHub has heard it."""
        self._sends = self.died = 0

    @property
    def platform(self) -> Platform:
        return self.world.platform

    def send(self, notice: Notice, remote_id: str | None, *, maybe_sent: bool, sarif: bytes = b"") -> str:
        name = self.github.host.send(notice, remote_id, maybe_sent=maybe_sent, sarif=sarif)
        self._sends += 1
        if self._sends in self.kills:
            self.died += 1
            raise _Killed
        return name

    def play(self) -> None:
        """A pull request that fails lint, its next head, its merge, production, and back again."""
        world = self.world
        world.released()
        clean = world.scanners[StageKind.LINT]
        findings = tuple(
            Finding("E501", Severity.MEDIUM, f"line {line} is too long", f"f{line}", path="backend/app.py", line=line)
            for line in range(1, 61)
        )
        dirty = Evidence(Tool("ruff", "1"), "60 violations", {"new_violations": 60}, findings)
        world.scanners[StageKind.LINT] = FakeScanner(result=dirty)
        world.run(world.proposed(PULL_REQUEST), Phase.CI)
        self.tell()
        world.scanners[StageKind.LINT] = clean
        world.run(world.proposed(PULL_REQUEST), Phase.CI)
        self.tell()
        world.released()
        self.tell()
        roll_back(self.platform, "backend", "maya", "checkout is slow", "rollback-run")
        self.tell()

    def tell(self) -> None:
        """Let the sender work until it has nothing left, whatever happens to it."""
        self.github.repository.commits |= {release.sha for release in self.world.evidence.releases()}
        for _ in range(200):
            try:
                send_notices(self.platform)
            except _Killed:
                self.world.clock.advance(121)  # Its turn ends, and another one takes over.
            now = self.world.clock.now()
            if not self.outbox.pending(now + timedelta(days=1), 1):
                return
            self.world.clock.advance(60)
        raise AssertionError("it never came to an end")


@pytest.fixture
def story(tmp_path: Path) -> Generator[Story]:
    world = World(tmp_path)
    github = GitHubWorld(world.clock)
    github.app.permissions = {name: needed.level for name, needed in PERMISSIONS.items()}
    github.app.events = list(EVENTS)
    github.add(REPOSITORY).pull_requests.add(PULL_REQUEST)
    with running_github(github) as api:
        client = GitHubClient(app_credentials(github, api, tmp_path), world.clock, timeout_seconds=5.0)
        yield Story(tmp_path, github, client, world)


def shown(story: Story) -> list[Seen]:
    return sorted(story.github.seen(), key=repr)


def test_a_release_is_shown_on_its_whole_way(story: Story) -> None:
    story.play()

    assert story.outbox.abandoned() == ()
    checks = [each for each in shown(story) if each.about.startswith("check:")]
    failed = {each.about.rpartition(":")[2]: each.annotations for each in checks if each.state == "failure"}
    assert failed == {"shopkart": 0, "shopkart / backend / lint": 60}
    assert {each.state for each in checks} == {"success", "failure"}
    states = [
        (each.about.split(":")[4].partition("/")[0], each.state)
        for each in shown(story)
        if each.about.startswith("deployment:")
    ]
    assert Counter(states) == {
        ("staging", "inactive"): 1,
        ("staging", "success"): 1,
        ("production", "inactive"): 2,
        ("production", "success"): 1,
    }


def test_the_permissions_that_are_documented_are_enough_and_none_can_be_left_out(story: Story) -> None:
    """Those for writing; `test_github_reader` has those for reading."""
    app = story.github.github.app
    about = {"checks": "check", "deployments": "deployment", "pull_requests": "comment", "security_events": "scan"}
    assert set(about) == {name for name, needed in PERMISSIONS.items() if needed.level == "write"}
    granted, refused = dict(app.permissions), dict[str, set[str]]()
    for permission in about:
        app.permissions.clear()
        app.permissions |= {name: level for name, level in granted.items() if name != permission}
        before = len(story.outbox.abandoned(1000))
        story.play()
        told = [notice.about for notice, _ in story.outbox.abandoned(1000)]
        refused[permission] = {each.partition(":")[0] for each in told[: len(told) - before]}

    assert refused == {permission: {kind} for permission, kind in about.items()}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_fails_on_the_way_the_same_is_shown_at_the_end_and_nothing_twice(story: Story, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(30):
        place = dice.randrange(120)
        story.github.github.troubles.make(
            dice.choice(
                [
                    Trouble(after=place, status=502),
                    Trouble(after=place, status=429, headers={"Retry-After": "30"}),
                    Trouble(after=place, drop=Drop.BEFORE),
                    Trouble(after=place, writing=True, drop=Drop.AFTER),
                    Trouble.secondary_limit(),
                ]
            )
        )
    story.kills = {dice.randrange(100) for _ in range(10)}
    story.play()

    assert {0, 403, 429, 502} <= {seen.status for seen in story.github.github.requests}
    assert story.died > 0
    abouts = Counter(each.about for each in shown(story))
    assert [about for about, times in abouts.items() if times > 1] == []
    assert story.outbox.abandoned() == ()
    assert {each.state for each in shown(story) if each.about.startswith("check:")} == {"success", "failure"}
