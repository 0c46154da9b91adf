"""Pull requests in Dagster: which runs there are, which end, what is shown of the rest, and what a crash leaves."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, DagsterRun

from shopkart_pipeline.defs import dispatch
from shopkart_pipeline.services.affected_services import NOT_AFFECTED
from shopkart_pipeline.services.pull_requests import CANCELLED
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.standing_runs import StandingRuns, instance_of_standing_runs, launch_standing
from shopkart_pipeline_tests.fakes.world import REPOSITORY, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return a_world(tmp_path)


@pytest.fixture(autouse=True)
def standing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "launch_once", launch_standing)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with instance_of_standing_runs() as instance:
        yield instance


def a_world(folder: Path) -> World:
    world = World(folder)
    world.commit({"backend/app.py": "x = 1\n", "frontend/app.py": "x = 1\n"})
    return world


def merge(world: World) -> None:
    """Somebody merges a change of the backend."""
    before = world.tip
    world.push(world.commit(), before)


def runs(instance: DagsterInstance) -> dict[str, str]:
    """Every run by what it is for: its status."""
    return {run.tags["dagster/run_key"]: run.status.value for run in instance.get_runs()}


def only_run(instance: DagsterInstance) -> DagsterRun:
    [run] = instance.get_runs()
    return run


def observed(instance: DagsterInstance, service: str) -> list[str]:
    """Releases that a service did not get, as the interface shows it."""
    records = instance.fetch_observations(AssetRecordsFilter(AssetKey([service, "source"])), limit=100).records
    return [str(record.partition_key) for record in records]


def test_a_run_says_what_it_is_for_where_it_waits_and_what_it_counts_as(
    world: World, instance: DagsterInstance
) -> None:
    sha = world.propose()
    world.pull_request(sha)

    dispatch.drain(instance, world.platform)

    run = only_run(instance)
    shown = {name: value for name, value in run.tags.items() if name.startswith("shopkart/")}
    assert shown == {
        "shopkart/service": "backend",
        "shopkart/release": f"backend@pr-000007-{sha[:12]}",
        "shopkart/reason": f"pull request {REPOSITORY}#7",
        "shopkart/pull_request": f"{REPOSITORY}#7",
        "shopkart/queue": "backend:pr-7",
        "shopkart/limit": "pull_requests",
    }
    assert instance.has_dynamic_partition("backend_releases", f"pr-000007-{sha[:12]}")


def test_a_merge_waits_for_the_merges_before_it(world: World, instance: DagsterInstance) -> None:
    merge(world)

    dispatch.drain(instance, world.platform)

    run = only_run(instance)
    assert run.tags["shopkart/queue"] == "backend:ci"
    assert "shopkart/limit" not in run.tags


def test_a_newer_head_ends_the_older_run_and_says_so(world: World, instance: DagsterInstance) -> None:
    first, second = world.propose(), world.propose()
    world.pull_request(first)
    dispatch.drain(instance, world.platform)
    older = only_run(instance)
    world.pull_request(second, "synchronize")

    dispatch.drain(instance, world.platform)

    assert sorted(runs(instance).values()) == ["CANCELED", "STARTED"]
    assert instance.get_run_by_id(older.run_id).status.value == "CANCELED"  # pyright: ignore[reportOptionalMemberAccess]
    [note] = world.evidence.notes("backend", f"pr-000007-{first[:12]}", CANCELLED)
    assert note.message == f"run {older.run_id}: superseded by {second[:12]}"


def test_a_closed_pull_request_ends_its_runs_and_nobody_elses(world: World, instance: DagsterInstance) -> None:
    sha = world.propose()
    world.pull_request(sha)
    world.pull_request(world.propose(8), number=8)
    merge(world)
    dispatch.drain(instance, world.platform)

    world.pull_request(sha, "closed", merged=True)
    dispatch.drain(instance, world.platform)

    ended = [key for key, status in runs(instance).items() if status == "CANCELED"]
    assert ended == [f"backend@pr-000007-{sha[:12]}:ci:0"]
    assert len(runs(instance)) == 3


def test_a_run_of_a_service_that_the_newer_head_does_not_concern_ends_too(
    world: World, instance: DagsterInstance
) -> None:
    world.pull_request(world.propose(files={"backend/a.py": "1", "frontend/a.py": "1"}))
    dispatch.drain(instance, world.platform)
    base = world.scm.add({"frontend/a.py": b"2"}, branch="rewritten", committed_at=world.clock.now())

    world.pull_request(base, "synchronize")
    dispatch.drain(instance, world.platform)

    by_service = {key.partition("@")[0]: status for key, status in runs(instance).items() if base[:12] not in key}
    assert by_service == {"backend": "CANCELED", "frontend": "CANCELED"}
    assert [status for key, status in runs(instance).items() if base[:12] in key] == ["STARTED"]


def test_a_slow_reader_that_launches_an_overtaken_head_ends_it_itself(
    world: World, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has decided before the newer event came, and launches after the newer one was dealt with."""
    first, second = world.propose(), world.propose()
    slow = world.pull_request(first)
    launch = dispatch.launch

    def overtaken(instance: DagsterInstance, request: object) -> None:
        monkeypatch.setattr(dispatch, "launch", launch)
        world.inbox.done(slow.id, "somebody else was quicker", world.clock.now())
        world.pull_request(second, "synchronize")
        dispatch.drain(instance, world.platform)
        launch(instance, request)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(dispatch, "launch", overtaken)

    dispatch.drain(instance, world.platform)

    assert runs(instance) == {
        f"backend@pr-000007-{first[:12]}:ci:0": "CANCELED",
        f"backend@pr-000007-{second[:12]}:ci:1": "STARTED",
    }


def test_a_service_that_is_not_affected_shows_it_once(world: World, instance: DagsterInstance) -> None:
    before, sha = world.tip, world.commit({"backend/app.py": "x = 2\n"})
    for number in range(2):
        world.push(sha, before)
        world.clock.advance(number + 1)
        dispatch.drain(instance, world.platform)

    [release] = world.evidence.releases()
    assert observed(instance, "frontend") == [release.key]
    assert observed(instance, "backend") == []


# Crashes.


def tell(world: World) -> None:
    """A busy morning, all in the inbox before anybody looks."""
    first, second = world.propose(), world.propose()
    before, merged = world.tip, world.commit({"backend/app.py": "x = 3\n"})
    world.pull_request(first)
    world.push(merged, before)
    world.pull_request(second, "synchronize")
    world.push(merged, before)
    world.pull_request(world.propose(8, {"docs/a.md": "a"}), number=8)


def outcome(world: World, instance: DagsterInstance) -> object:
    notes = [
        (note.service, note.release_key, note.kind)
        for service in ("backend", "frontend", REPOSITORY)
        for kind in (NOT_AFFECTED, CANCELLED, "pull_request")
        for note in world.evidence.newest_notes(kind, service)
    ]
    shown = [(service, key) for service in ("backend", "frontend") for key in observed(instance, service)]
    return runs(instance), sorted(notes), sorted(shown), len(world.evidence.releases())


def drained(folder: Path, instance: DagsterInstance, fuse: Fuse) -> object:
    """What comes of a morning that a process with this fuse begins to deal with, and another one ends."""
    folder.mkdir()
    instance.wipe()
    world = a_world(folder)
    tell(world)
    assert isinstance(instance.run_launcher, StandingRuns)
    instance.run_launcher.through = fuse.through
    with suppress(Killed):
        dispatch.drain(instance, fuse.fused(world.platform))
    instance.run_launcher.through = lambda call: call()
    dispatch.drain(instance, world.platform)
    assert world.inbox.pending() == ()
    return outcome(world, instance)


@pytest.mark.thorough
def test_a_process_that_is_killed_anywhere_leaves_what_the_next_one_completes(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    fuse = Fuse()
    expected = drained(tmp_path / "whole", instance, fuse)
    assert fuse.calls > 30

    for call in range(1, fuse.calls + 1):
        for after in (False, True):
            left = drained(tmp_path / f"{call}-{after}", instance, Fuse(call, after=after))
            assert left == expected, f"killed at call {call}, after its effect: {after}"
