"""What every code host owes its callers: one thing for what notices are about, whatever happens to the connection."""

import json
from collections.abc import Generator
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.domain.notice import (
    Annotation,
    AnnotationLevel,
    CheckNotice,
    CheckStatus,
    CommentNotice,
    Conclusion,
    DeploymentNotice,
    DeploymentState,
    Notice,
    ScanNotice,
)
from shopkart_pipeline.ports.code_host import TryLater
from shopkart_pipeline_tests.contract.code_host_worlds import (
    PULL_REQUEST,
    REPOSITORY,
    SHA,
    CodeHostWorld,
    FakeWorld,
    Seen,
    github_world,
)

NOON = datetime(2025, 3, 4, 12, 0, 0, 123456, tzinfo=UTC)
RUNNING = CheckNotice(
    REPOSITORY, SHA, "shopkart / backend / lint", CheckStatus.IN_PROGRESS, None, "running", "…", started_at=NOON
)
FAILED = replace(
    RUNNING, status=CheckStatus.COMPLETED, conclusion=Conclusion.FAILURE, title="2 findings", completed_at=NOON
)
UP = DeploymentNotice(
    REPOSITORY, SHA, "backend", "42-aaaaaaaaaaaa", "staging", False, DeploymentState.IN_PROGRESS, "at 10 %", "run-1"
)
LIVE = replace(UP, state=DeploymentState.SUCCESS, description="live")
HELLO = CommentNotice(REPOSITORY, PULL_REQUEST, "hello")
SCAN = ScanNotice(REPOSITORY, SHA, "refs/heads/main", "shopkart/backend", "sha256:1")
SARIF = json.dumps(
    {
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "ruff"}},
                "automationDetails": {"id": "shopkart/backend/lint/42"},
                "results": [{"ruleId": "E1", "message": {"text": "x"}}],
            }
        ],
    }
).encode()
CHANGES: list[tuple[Notice, Notice, str]] = [
    (RUNNING, FAILED, "failure"),
    (UP, LIVE, "success"),
    (HELLO, replace(HELLO, body="hello again"), "hello again"),
    (SCAN, replace(SCAN, sarif_digest="sha256:2"), "True"),
]
KINDS = ["check", "deployment", "comment", "scan"]


@pytest.fixture(params=["fake", "app", "token"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[CodeHostWorld]:
    kind = request.param
    with nullcontext(FakeWorld()) if kind == "fake" else github_world(tmp_path, as_app=kind == "app") as made:
        yield made


def tell(world: CodeHostWorld, notice: Notice, remote_id: str | None = None) -> str:
    """Send a notice as the outbox does: again and again, and from the second time on it may have arrived."""
    for attempt in range(4):
        with suppress(TryLater):
            return world.host.send(notice, remote_id, maybe_sent=attempt > 0, sarif=SARIF)
    raise AssertionError("it never arrived")


@pytest.mark.parametrize(("first", "second", "state"), CHANGES, ids=KINDS)
def test_a_thing_is_made_once_and_changed_afterwards(
    world: CodeHostWorld, first: Notice, second: Notice, state: str
) -> None:
    name = tell(world, first)
    assert [each.about for each in world.seen()] == [first.about]

    tell(world, second, name)

    assert world.seen() == [Seen(first.about, state)]


@pytest.mark.parametrize(("first", "second", "state"), CHANGES, ids=KINDS)
def test_telling_the_same_again_changes_nothing(
    world: CodeHostWorld, first: Notice, second: Notice, state: str
) -> None:
    name = tell(world, second)
    before = world.seen()

    assert world.host.send(second, name, maybe_sent=True, sarif=SARIF)
    assert world.host.send(second, None, maybe_sent=True, sarif=SARIF)

    assert world.seen() == before == [Seen(first.about, state)]


@pytest.mark.parametrize("after", [True, False], ids=["after effect", "before effect"])
@pytest.mark.parametrize("write", [0, 1])
@pytest.mark.parametrize(("first", "second", "state"), CHANGES, ids=KINDS)
def test_a_dropped_connection_doubles_and_loses_nothing(
    world: CodeHostWorld, first: Notice, second: Notice, state: str, write: int, after: bool
) -> None:
    world.drop(write, after=after)
    name = tell(world, first)
    world.drop(write, after=after)
    tell(world, second, name)

    assert world.seen() == [Seen(first.about, state)]


@pytest.mark.parametrize(("first", "second", "state"), CHANGES, ids=KINDS)
def test_newer_news_after_a_drop_finds_what_the_older_made(
    world: CodeHostWorld, first: Notice, second: Notice, state: str
) -> None:
    world.drop(0, after=True)
    with suppress(TryLater):
        world.host.send(first, None, maybe_sent=False, sarif=SARIF)

    world.host.send(second, None, maybe_sent=True, sarif=SARIF)

    assert world.seen() == [Seen(first.about, state)]


def test_another_attempt_to_deploy_is_another_deployment(world: CodeHostWorld) -> None:
    tell(world, LIVE)
    again = replace(UP, run_id="run-2")

    tell(world, again)

    assert world.seen() == [Seen(LIVE.about, "success"), Seen(again.about, "in_progress")]


def test_a_service_that_is_live_does_not_end_another_in_the_same_environment(world: CodeHostWorld) -> None:
    tell(world, LIVE)

    tell(world, replace(LIVE, service="frontend"))

    assert [each.state for each in world.seen()] == ["success", "success"]


def test_a_host_that_asks_for_a_rest_says_until_when(world: CodeHostWorld) -> None:
    world.stop_for(timedelta(seconds=90))

    with pytest.raises(TryLater) as caught:
        world.host.send(HELLO, None, maybe_sent=False)

    assert caught.value.everything
    left = caught.value.until - datetime.now(UTC)
    assert timedelta(seconds=60) < left <= timedelta(seconds=91)


@pytest.mark.parametrize("count", [0, 1, 50, 51, 200])
@pytest.mark.parametrize("write", [0, 1, 3])
@pytest.mark.parametrize("kind", ["fake", "app"])
def test_every_annotation_arrives_once_whenever_the_connection_drops(
    tmp_path: Path, kind: str, count: int, write: int
) -> None:
    remarks = tuple(Annotation("a.py", line, AnnotationLevel.WARNING, "E1", "x") for line in range(1, count + 1))
    with nullcontext(FakeWorld()) if kind == "fake" else github_world(tmp_path, as_app=True) as world:
        name = tell(world, RUNNING)
        world.drop(write, after=True)

        name = tell(world, replace(FAILED, annotations=remarks), name)
        tell(world, replace(FAILED, annotations=remarks), name)

        assert world.seen() == [Seen(FAILED.about, "failure", count)]
