"""What the code host tells when it is asked, beside what its webhooks told."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.reconcile_sources import reconcile_sources
from shopkart_pipeline.services.requests import RunRequest
from shopkart_pipeline_tests.fakes.fake_code_reader import FakeCodeReader
from shopkart_pipeline_tests.fakes.world import REPOSITORY, World


@pytest.fixture
def reader(world: World, monkeypatch: pytest.MonkeyPatch) -> FakeCodeReader:
    """A code host that answers, after a first release; git is not asked for heads."""

    def must_not_be_asked(source: object) -> str:
        raise ToolUnavailable("git was asked", "")

    monkeypatch.setattr(world.scm, "head", must_not_be_asked)
    world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy())
    world.code_reader = reader = FakeCodeReader(world.clock)
    world.merge()
    stand(world, reader)
    return reader


def stand(world: World, reader: FakeCodeReader) -> None:
    assert world.tip is not None
    reader.heads[REPOSITORY, "main"] = world.tip


def merged(world: World, reader: FakeCodeReader, number: int, **files: str) -> str:
    """A pull request is merged, and no webhook tells."""
    assert world.tip is not None
    reader.opened(number, f"{number:040x}", world.tip)
    sha = world.commit(files or None)
    reader.merged(number, sha)
    stand(world, reader)
    return sha


def look(world: World) -> tuple[str, ...]:
    return reconcile_sources(world.platform)


def pushes(world: World) -> list[tuple[str, str]]:
    bodies = [json.loads(each.body) for each in world.inbox.pending() if each.event == "push"]
    return [(body["before"], body["after"]) for body in bodies]


def releases(world: World, requests: list[RunRequest]) -> list[Release]:
    return [world.evidence.release(request.service, request.release_key) for request in requests]


def test_each_merge_becomes_a_release_of_its_own_in_order(world: World, reader: FakeCodeReader) -> None:
    start = world.tip
    first, second = merged(world, reader, 7), merged(world, reader, 8)
    pushed = world.commit()
    stand(world, reader)

    lines = look(world)

    assert pushes(world) == [(start, first), (first, second), (second, pushed)]
    assert [release.sha for release in releases(world, world.drain())] == [first, second, pushed]
    assert len(lines) == 3


def test_a_merge_that_was_passed_by_is_made_up_for(world: World, reader: FakeCodeReader) -> None:
    start = world.tip
    lost, told = merged(world, reader, 7), merged(world, reader, 8)
    world.push(told, lost)
    world.drain()

    look(world)

    assert pushes(world) == [(start, lost)]
    assert [release.sha for release in releases(world, world.drain())] == [lost]


def test_a_missed_merge_begins_where_the_one_before_ended(world: World, reader: FakeCodeReader) -> None:
    told = merged(world, reader, 7)
    world.push(told, world.evidence.releases("backend")[0].sha)
    world.drain()
    lost = merged(world, reader, 8)

    look(world)

    assert pushes(world) == [(told, lost)]


def test_what_was_pushed_between_two_merges_belongs_to_the_later_one(world: World, reader: FakeCodeReader) -> None:
    start = world.tip
    world.commit({"frontend/app.py": "pushed\n"})
    last = merged(world, reader, 7)

    look(world)

    assert pushes(world) == [(start, last)]
    assert {request.service for request in world.drain()} == {"backend", "frontend"}


def test_looking_again_and_the_real_deliveries_change_nothing(world: World, reader: FakeCodeReader) -> None:
    start = world.tip
    sha = merged(world, reader, 7)
    look(world)
    assert len(world.drain()) == 1

    assert look(world) == ()
    world.push(sha, start)
    assert world.drain() == []
    assert len(world.evidence.releases("backend")) == 2


def test_what_was_merged_before_the_first_release_stays_as_it_is(world: World, reader: FakeCodeReader) -> None:
    world.clock.advance(60)
    old = merged(world, reader, 7)
    later = world.commit()
    fresh = World(world.folder, clock=world.clock, scm=world.scm)
    fresh.pipeline, fresh.code_reader, fresh.tip = world.pipeline, reader, world.tip
    fresh.push(later, old)
    fresh.drain()
    stand(fresh, reader)

    assert look(fresh) == ()
    assert pushes(fresh) == []


def test_a_merge_that_concerned_nobody_is_looked_at_once(world: World, reader: FakeCodeReader) -> None:
    merged(world, reader, 7, **{"README.md": "hello\n"})
    look(world)
    assert world.drain() == []

    look(world)

    assert pushes(world) == []


def test_a_branch_that_was_never_released_is_left_to_its_first_push(world: World, reader: FakeCodeReader) -> None:
    fresh = World(world.folder, clock=world.clock, scm=world.scm)
    fresh.code_reader, fresh.tip = reader, world.tip
    merged(fresh, reader, 7)

    assert look(fresh) == ()


def test_a_proposed_change_that_no_webhook_told_is_tried_out(world: World, reader: FakeCodeReader) -> None:
    assert world.tip is not None
    sha = world.propose(7)
    reader.opened(7, sha, world.tip)

    [line] = look(world)

    [release] = releases(world, world.drain())
    assert (release.sha, release.pull_request and release.pull_request.number) == (sha, 7)
    assert f"{REPOSITORY}#7 proposes {sha[:12]}" in line
    assert look(world) == ()


def test_the_real_event_of_a_proposed_change_asks_for_the_same_run(world: World, reader: FakeCodeReader) -> None:
    assert world.tip is not None
    sha = world.propose(7)
    reader.opened(7, sha, world.tip, updated_at=world.clock.now() + timedelta(seconds=30))
    look(world)
    assert len(world.drain()) == 1

    world.pull_request(sha)

    assert world.drain() == []


def test_a_fork_is_still_one_where_it_was_found_by_looking(world: World, reader: FakeCodeReader) -> None:
    assert world.tip is not None
    reader.opened(7, world.propose(7), world.tip, from_fork=True)

    look(world)

    [release] = releases(world, world.drain())
    assert release.pull_request is not None
    assert release.pull_request.from_fork


def test_the_end_of_a_proposed_change_is_made_up_for(world: World, reader: FakeCodeReader) -> None:
    release = world.proposed()
    world.drain()
    assert release.previous_sha is not None
    reader.opened(7, release.sha, release.previous_sha, is_open=False, updated_at=world.clock.now())

    [line] = look(world)

    assert "was closed" in line
    assert world.drain() == []
    assert look(world) == ()


def test_a_change_that_was_closed_before_anybody_heard_of_it_is_left(world: World, reader: FakeCodeReader) -> None:
    assert world.tip is not None
    sha = world.propose(7)
    reader.opened(7, sha, world.tip, is_open=False)

    assert look(world) == ()
    assert world.drain() == []
    world.pull_request(sha, updated_at=(world.clock.now() - timedelta(minutes=5)).isoformat())
    assert world.drain() == [], "the event of its beginning comes late"


def test_what_a_webhook_told_later_than_the_answer_stands(world: World, reader: FakeCodeReader) -> None:
    assert world.tip is not None
    first = world.propose(7)
    reader.opened(7, first, world.tip)
    world.pull_request(world.propose(7), "synchronize")
    world.drain()

    assert look(world) == ()


def test_only_what_was_updated_since_is_asked_for(world: World, reader: FakeCodeReader) -> None:
    start = world.clock.now()
    merged(world, reader, 7)
    updated = world.clock.now()

    look(world)
    world.clock.advance(300)
    look(world)

    asked = [question for question in reader.asked if question.startswith("changes")]
    assert asked == [
        f"changes main {(world.clock.now() - timedelta(days=7, seconds=300)).isoformat()}",
        f"changes main {updated.isoformat()}",
    ]
    assert start < updated


def test_where_the_code_host_is_silent_git_tells_the_head(
    world: World, reader: FakeCodeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged(world, reader, 7)
    last = merged(world, reader, 8)
    monkeypatch.setattr(world.scm, "head", lambda source: world.tip)
    reader.silent = "api.github.com asks for a rest."

    lines = look(world)

    assert "asks for a rest" in lines[0]
    assert [after for _, after in pushes(world)] == [last]
    reader.silent = None
    world.drain()
    look(world)
    assert len(pushes(world)) == 1, "the merge before is made up for as soon as somebody answers"


def test_nothing_is_forgotten_where_git_is_silent(
    world: World, reader: FakeCodeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = merged(world, reader, 7)

    def silent(source: object, sha: str, reference: str | None = None) -> None:
        raise ToolUnavailable("the remote is away", "")

    with monkeypatch.context() as patched:
        patched.setattr(world.scm, "fetch", silent)
        [line] = look(world)
        assert "the remote is away" in line

    look(world)
    assert [after for _, after in pushes(world)] == [sha]


STEPS = st.lists(
    st.sampled_from(["merge, told", "merge, lost", "merge, told later", "push, lost", "look", "act"]),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_whatever_is_lost_or_late_every_merge_becomes_one_run(steps: list[str]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy())
        world.code_reader = reader = FakeCodeReader(world.clock)
        first = world.merge()
        stand(world, reader)
        expected, requested, late = list[str](), list[str](), list[tuple[str, str]]()
        for number, step in enumerate(steps, 7):
            before = world.tip or ""
            match step:
                case "look":
                    look(world)
                case "act":
                    requested += [release.sha for release in releases(world, world.drain())]
                case "push, lost":
                    world.commit()
                    stand(world, reader)
                case _:
                    expected.append(merged(world, reader, number))
                    if step == "merge, told":
                        world.push(expected[-1], before)
                    if step == "merge, told later":
                        late.append((expected[-1], before))
        look(world)
        requested += [release.sha for release in releases(world, world.drain())]
        for sha, before in reversed(late):
            world.push(sha, before)
        requested += [release.sha for release in releases(world, world.drain())]

        assert len(requested) == len(set(requested))
        assert set(expected) <= set(requested)
        assert world.tip in (*requested, first.sha)
        assert look(world) == ()
