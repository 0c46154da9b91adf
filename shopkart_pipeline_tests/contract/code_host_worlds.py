"""Code hosts to run one suite on, and what people see there."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters._github_comments import MARK
from shopkart_pipeline.adapters.github_host import GitHubHost
from shopkart_pipeline.domain.notice import CheckNotice, CommentNotice, DeploymentNotice, Notice, ScanNotice
from shopkart_pipeline.ports.code_host import CodeHost, TryLater
from shopkart_pipeline_tests.fakes.fake_code_host import FakeCodeHost
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.fakes.github_server import GitHubWorld, Trouble, running_github
from shopkart_pipeline_tests.fakes.github_server.accounts import app_credentials, token_credentials
from shopkart_pipeline_tests.fakes.github_server.trouble import Drop

REPOSITORY, SHA, OTHER_SHA = "shopkart/storefront", "a" * 40, "b" * 40
PULL_REQUEST = 7


@dataclass(frozen=True)
class Seen:
    """One thing as people see it."""

    about: str
    state: str
    """The status or conclusion of a check, the state of a deployment, the text of a comment, a scan's findings."""
    annotations: int = 0


class CodeHostWorld(ABC):
    """A code host with a repository, two commits and a pull request."""

    host: CodeHost

    @abstractmethod
    def seen(self) -> list[Seen]:
        """What is shown, and nothing twice unless it is there twice."""

    @abstractmethod
    def drop(self, write: int, *, after: bool) -> None:
        """Have the connection dropped when something is written: the first time (0), the next (1), before or after it
        took effect."""

    @abstractmethod
    def stop_for(self, pause: timedelta) -> None:
        """Have the host ask for a rest, once."""


@dataclass
class FakeWorld(CodeHostWorld):
    """The fake; its clock stands."""

    host: FakeCodeHost = field(default_factory=FakeCodeHost)

    def seen(self) -> list[Seen]:
        return [_of_notice(each.notice, each.sarif) for each in self.host.shown.values()]

    def drop(self, write: int, *, after: bool) -> None:
        self.host.failures.append((TryLater("It is gone.", datetime.now(UTC), everything=False), after))

    def stop_for(self, pause: timedelta) -> None:
        self.host.failures.append((TryLater("Too much.", datetime.now(UTC) + pause, everything=True), False))


def _of_notice(notice: Notice, sarif: bytes) -> Seen:
    match notice:
        case CheckNotice():
            state = notice.conclusion.value if notice.conclusion is not None else notice.status.value
            return Seen(notice.about, state, len(notice.annotations))
        case DeploymentNotice():
            return Seen(notice.about, notice.state.value)
        case CommentNotice():
            return Seen(notice.about, notice.body)
        case ScanNotice():
            return Seen(notice.about, str(len(sarif) > 0))


class GitHubWorldOf(CodeHostWorld):
    """The adapter and a GitHub that really listens."""

    def __init__(self, world: GitHubWorld, client: GitHubClient) -> None:
        self.github = world
        self.client = client
        self.host = GitHubHost(client)
        self.repository = world.repositories[REPOSITORY]

    def seen(self) -> list[Seen]:
        return [*self._checks(), *self._statuses(), *self._deployments(), *self._comments(), *self._scans()]

    def drop(self, write: int, *, after: bool) -> None:
        drop = Drop.AFTER if after else Drop.BEFORE
        self.github.troubles.make(Trouble(writing=True, after=write, drop=drop))

    def stop_for(self, pause: timedelta) -> None:
        headers = {"Retry-After": str(int(pause.total_seconds()))}
        self.github.troubles.make(Trouble(status=429, headers=headers))

    def _checks(self) -> list[Seen]:
        return [
            Seen(
                f"check:{REPOSITORY}:{run['head_sha']}:{run['name']}",
                run["conclusion"] or run["status"],
                run["output"]["annotations_count"],
            )
            for run in self.repository.check_runs
        ]

    def _statuses(self) -> list[Seen]:
        newest = {each["context"]: each for each in self.repository.statuses}
        return [
            Seen(f"check:{REPOSITORY}:{each['url'].rpartition('/')[2]}:{each['context']}", each["state"])
            for each in newest.values()
        ]

    def _deployments(self) -> list[Seen]:
        return [
            Seen(each["payload"]["about"], self.repository.deployment_statuses[each["id"]][-1]["state"])
            for each in self.repository.deployments
        ]

    def _comments(self) -> list[Seen]:
        return [
            Seen(f"comment:{REPOSITORY}:{each['issue_url'].rpartition('/')[2]}", each["body"].removeprefix(f"{MARK}\n"))
            for each in self.repository.comments
        ]

    def _scans(self) -> list[Seen]:
        newest: dict[Any, Any] = {
            (each["commit_sha"], *each["categories"]): each for each in self.repository.sarif_uploads
        }
        return [Seen(f"scan:{REPOSITORY}:{each['commit_sha']}:shopkart/backend", "True") for each in newest.values()]


@contextmanager
def github_world(folder: Path, *, as_app: bool) -> Generator[GitHubWorldOf]:
    """A GitHub with the usual repository, spoken to by an App or by a token's owner."""
    clock = FixedClock(datetime.now(UTC))
    world = GitHubWorld(clock)
    world.add(REPOSITORY, SHA, OTHER_SHA).pull_requests.add(PULL_REQUEST)
    with running_github(world) as api:
        credentials = app_credentials(world, api, folder) if as_app else token_credentials(world, api)
        client = GitHubClient(credentials, clock, timeout_seconds=5.0)
        client.get(REPOSITORY, f"/repos/{REPOSITORY}/deployments")  # It is known there from now on.
        yield GitHubWorldOf(world, client)
