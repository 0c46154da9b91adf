"""An outage of the receiver, from GitHub's webhooks over HTTP to requests for runs: nothing is lost or doubled, and
what is asked of GitHub afterwards is the same as what its webhooks would have told."""

import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from shopkart_pipeline.adapters._github_answers import AnswerStore
from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters.github_reader import GitHubReader
from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.declaration import Phase, Service, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.hooks.receiver import create_app
from shopkart_pipeline.services.reconcile_sources import reconcile_sources
from shopkart_pipeline.services.redeliver import redeliver
from shopkart_pipeline_tests.fakes.github_server import GitHubWorld, Repository, running_github
from shopkart_pipeline_tests.fakes.github_server.accounts import app_credentials
from shopkart_pipeline_tests.fakes.github_server.hooks import Webhook, app_hook
from shopkart_pipeline_tests.fakes.github_server.pulls import changes_of, close_pull, open_pull, review
from shopkart_pipeline_tests.fakes.world import REPOSITORY, World

SECRET = "It's a Secret to Everybody"
REVIEWED = Stage("code_review", StageKind.CODE_REVIEW, Phase.STAGING, ("source",), 60.0)


@dataclass
class Town:
    """A GitHub with a repository, and a pipeline that hears of it by webhooks and may ask."""

    world: World
    github: GitHubWorld
    repository: Repository
    hook: Webhook

    def merge(self, number: int, *approvers: str) -> str:
        """A pull request is opened, approved and merged; both events are told, to whoever listens."""
        base = self.world.tip or "0" * 40
        head = self.world.propose(number)
        self.repository.commits.add(head)
        open_pull(self.github, self.repository, number, head, base)
        self.tell(number, "opened")
        for login in approvers:
            review(self.github, self.repository, number, login, "APPROVED")
        sha = self.world.commit()
        close_pull(self.github, self.repository, number, sha)
        self.tell(number, "closed")
        self.hook.deliver("push", self._body(ref="refs/heads/main", before=base, after=sha))
        return sha

    def propose(self, number: int) -> str:
        head = self.world.propose(number)
        open_pull(self.github, self.repository, number, head, self.world.tip or "")
        self.tell(number, "opened")
        return head

    def tell(self, number: int, action: str) -> None:
        document = dict(changes_of(self.repository).pulls[number])
        document["merged"] = document["merged_at"] is not None
        self.hook.deliver("pull_request", self._body(action=action, number=number, pull_request=document))

    def reconcile(self) -> tuple[str, ...]:
        self.world.clock.advance(300)
        return (*reconcile_sources(self.world.platform), *redeliver(self.world.platform))

    def requested(self) -> list[str]:
        """The commits of the runs that are asked for now."""
        requests = self.world.drain()
        return [self.world.evidence.release(each.service, each.release_key).sha for each in requests]

    def _body(self, **details: Any) -> dict[str, Any]:
        return {"repository": {"full_name": REPOSITORY}, "sender": {"login": "ana"}, **details}


def with_review(service: Service) -> Service:
    return replace(service, stages=(*service.stages, REVIEWED))


@contextmanager
def listening(world: World, port: int) -> Generator[None]:
    """The receiver, as `shopkart receive` runs it."""
    app = create_app(world.inbox, [SECRET], world.clock, lambda: None)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def town(tmp_path: Path, port: int) -> Iterator[Town]:
    world = World(tmp_path)
    github = GitHubWorld(world.clock)
    repository = github.add(REPOSITORY, world.commit())
    changes_of(repository).permissions["maya"] = "write"
    with running_github(github) as api:
        world.declare("backend", with_review)
        world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy(api))
        client = GitHubClient(app_credentials(github, api, tmp_path), world.clock, AnswerStore(tmp_path / "answers.db"))
        world.code_reader = GitHubReader(client, world.clock)
        hook = app_hook(github, f"http://127.0.0.1:{port}/webhooks/github", SECRET)
        yield Town(world, github, repository, hook)


def test_after_an_outage_every_merge_is_a_release_once(town: Town, port: int) -> None:
    with listening(town.world, port):
        told = town.merge(1, "maya")
        assert town.requested()[-1] == told

    lost = [town.merge(2, "maya"), town.merge(3)]
    proposed = town.propose(4)
    assert town.requested() == []

    lines = town.reconcile()

    assert town.requested() == [*lost, proposed]
    assert any(proposed[:12] in line for line in lines)
    with listening(town.world, port):
        town.world.clock.advance(600)
        healed = town.reconcile()
        assert len([line for line in healed if "is delivered again" in line]) == 7
        assert town.requested() == [], "what is delivered late is known already"
        town.world.clock.advance(3600)
        assert town.reconcile() == ()


def test_a_delivery_again_heals_what_nobody_looked_for(town: Town, port: int) -> None:
    with listening(town.world, port):
        town.merge(1)
        town.requested()
    lost = town.merge(2)
    town.world.clock.advance(300)

    with listening(town.world, port):
        lines = redeliver(town.world.platform)

    assert len(lines) == 3
    assert town.requested()[-1] == lost
    town.world.clock.advance(300)
    assert reconcile_sources(town.world.platform) == ()


def test_the_reviews_behind_a_release_are_those_at_github(town: Town, port: int) -> None:
    with listening(town.world, port):
        town.merge(1, "maya")
        town.merge(2, "passer-by")
    pushed = town.world.commit()
    town.repository.commits.add(pushed)
    changes_of(town.repository).heads["main"] = pushed
    town.world.drain()
    town.reconcile()
    [request] = town.world.drain()
    release = town.world.evidence.release(request.service, request.release_key)
    town.world.run(release, Phase.CI)

    town.world.stage(release, "code_review")

    result = town.world.record(release, "code_review").result
    assert isinstance(result, Evidence)
    assert (result.measures["commits"], result.measures["unreviewed_commits"]) == (3, 2)
    assert [finding.message.partition("): ")[2] for finding in result.findings] == [
        "no approval stood when #2 was merged",
        "there is no pull request",
    ]
