"""Whatever happens in whatever order: in the end GitHub shows what was told last, once.

News comes in while connections break, before or after a request took effect. Time does not pass: what was postponed is
tried again at once.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shopkart_pipeline.domain.notice import (
    Annotation,
    AnnotationLevel,
    CheckNotice,
    CheckStatus,
    Conclusion,
    DeploymentNotice,
    DeploymentState,
    Notice,
)
from shopkart_pipeline.ports.code_host import TryLater
from shopkart_pipeline.ports.outbox import Outbox
from shopkart_pipeline_tests.contract.code_host_worlds import SHA, GitHubWorldOf, github_world
from shopkart_pipeline_tests.fakes.github_server import Repository, Trouble
from shopkart_pipeline_tests.fakes.github_server.trouble import Drop
from shopkart_pipeline_tests.fakes.memory_outbox import MemoryOutbox

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
_numbers = count(1)


@dataclass(frozen=True)
class Broken:
    """The connection of a later write breaks."""

    write: int
    drop: Drop


def _check(status: CheckStatus, conclusion: Conclusion | None, lines: int, first: int) -> CheckNotice:
    remarks = tuple(Annotation("a.py", first + line, AnnotationLevel.NOTICE, "R", "x") for line in range(lines))
    return CheckNotice("", SHA, "shopkart / backend", status, conclusion, "title", "summary", remarks)


CHECKS = st.one_of(
    st.just(_check(CheckStatus.IN_PROGRESS, None, 0, 1)),
    st.builds(
        _check,
        st.just(CheckStatus.COMPLETED),
        st.sampled_from([Conclusion.SUCCESS, Conclusion.FAILURE]),
        st.sampled_from([0, 1, 50, 51, 120]),
        st.sampled_from([1, 1000]),
    ),
)


def _deployment(state: DeploymentState) -> DeploymentNotice:
    return DeploymentNotice("", SHA, "backend", "42-a", "staging", False, state, state.value, "run")


DEPLOYMENTS = st.sampled_from([_deployment(state) for state in DeploymentState])
BREAKS = st.builds(Broken, st.integers(0, 3), st.sampled_from(Drop))
SEND = "send"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[GitHubWorldOf]:
    with github_world(Path(tmp_path_factory.mktemp("github")), as_app=True) as made:
        yield made


def _live(world: GitHubWorldOf, happenings: list[Notice | Broken | str]) -> tuple[Repository, Notice]:
    """Live through it all; gives what there is in the end, and what was told last."""
    name = f"shopkart/r{next(_numbers)}"
    repository, outbox = world.github.add(name, SHA), MemoryOutbox()
    world.github.troubles.coming.clear()
    last: Notice | None = None
    for happening in happenings:
        if isinstance(happening, Broken):
            world.github.troubles.make(Trouble(writing=True, after=happening.write, drop=happening.drop))
        elif isinstance(happening, str):
            _send(world, outbox)
        else:
            last = replace(happening, repository=name)
            outbox.put([last], NOON)
    world.github.troubles.coming.clear()
    _send(world, outbox)
    assert outbox.pending(NOON) == ()
    assert last is not None
    return repository, last


def _send(world: GitHubWorldOf, outbox: Outbox) -> None:
    for outgoing in outbox.pending(NOON):
        outbox.trying(outgoing.sequence)
        try:
            sent = world.host.send(outgoing.notice, outgoing.remote_id, maybe_sent=outgoing.attempts > 0)
        except TryLater:
            continue
        outbox.sent(outgoing.sequence, sent, NOON)


def _histories(notices: st.SearchStrategy[Notice]) -> st.SearchStrategy[list[Notice | Broken | str]]:
    middle = st.lists(st.one_of(notices, BREAKS, st.just(SEND)), max_size=10)
    return st.builds(lambda some, last: [*some, last], middle, notices)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_histories(CHECKS))
def test_a_check_shows_what_was_told_last(world: GitHubWorldOf, happenings: list[Notice | Broken | str]) -> None:
    repository, last = _live(world, happenings)

    assert isinstance(last, CheckNotice)
    *older, newest = repository.check_runs
    assert (newest["status"], newest["conclusion"]) == (
        last.status.value,
        None if last.conclusion is None else last.conclusion.value,
    )
    lines = [each["start_line"] for each in repository.annotations[newest["id"]]]
    assert lines == [each.line for each in last.annotations]
    assert {run["status"] for run in older} <= {"completed"}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_histories(DEPLOYMENTS))
@example(
    [
        _deployment(DeploymentState.IN_PROGRESS),
        SEND,
        _deployment(DeploymentState.QUEUED),
        _deployment(DeploymentState.IN_PROGRESS),
    ]
)
def test_a_deployment_is_one_and_stands_as_was_told_last(
    world: GitHubWorldOf, happenings: list[Notice | Broken | str]
) -> None:
    repository, last = _live(world, happenings)

    assert isinstance(last, DeploymentNotice)
    [deployment] = repository.deployments
    states = [each["state"] for each in repository.deployment_statuses[deployment["id"]]]
    assert states[-1] == last.state.value
    assert all(state != following for state, following in pairwise(states))
