"""Deliveries that never came, and work that nobody needs any more."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.services.reconcile_sources import reconcile_sources
from shopkart_pipeline.services.sweep_workspace import BUILD_CACHE_BYTES, KEPT_RELEASES, sweep_workspace
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def missed(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which a commit was pushed and no webhook came."""
    world.merge()
    world.commit()
    monkeypatch.setattr(world.scm, "head", lambda source: world.tip)
    return world


def test_a_push_that_no_webhook_told_becomes_a_release(missed: World) -> None:
    (found,) = reconcile_sources(missed.platform)

    (request,) = missed.drain()
    release = missed.evidence.release(request.service, request.release_key)
    assert release.sha == missed.tip
    assert request.phase is Phase.CI
    assert str(missed.tip)[:12] in found


def test_looking_twice_and_the_real_delivery_make_one_run(missed: World) -> None:
    reconcile_sources(missed.platform)
    reconcile_sources(missed.platform)
    assert missed.tip is not None
    missed.push(missed.tip)

    assert len(missed.drain()) == 1


def test_the_head_of_a_pull_request_is_not_taken_for_the_branch(missed: World) -> None:
    """The same commit may be merged as it is, by a push that no webhook told."""
    before = missed.evidence.releases("backend")[0].sha
    proposed = missed.proposed()
    missed.tip = proposed.sha

    reconcile_sources(missed.platform)

    delivery = missed.inbox.pending()[-1]
    assert (delivery.event, json.loads(delivery.body)["after"]) == ("push", proposed.sha)
    assert json.loads(delivery.body)["before"] == before


def test_a_push_that_concerned_nobody_was_told_all_the_same(missed: World) -> None:
    before, sha = missed.tip, missed.commit({"README.md": "hello"})
    missed.push(sha, before)
    missed.drain()

    assert reconcile_sources(missed.platform) == ()


def test_a_branch_that_was_never_released_is_left_to_its_first_push(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = world.commit()
    monkeypatch.setattr(world.scm, "head", lambda source: sha)

    assert reconcile_sources(world.platform) == ()
    assert world.inbox.pending() == ()


def test_a_remote_that_does_not_answer_is_named(missed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(source: object) -> str:
        raise ToolUnavailable("the remote is away", "")

    monkeypatch.setattr(missed.scm, "head", silent)

    (said,) = reconcile_sources(missed.platform)
    assert "the remote is away" in said


def test_files_of_old_releases_go_and_those_of_production_stay(world: World) -> None:
    live = world.released()
    releases = [world.merge() for _ in range(KEPT_RELEASES + 2)]
    folders: dict[str, Path] = {}
    for release in (live, *releases):
        folders[release.key] = world.platform.workspace.tree(release.repository, release.sha)
        folders[release.key].mkdir(parents=True, exist_ok=True)
        os.utime(folders[release.key], (0, 0))
    at_work = releases[1]
    os.utime(folders[at_work.key], (world.clock.now().timestamp(),) * 2)

    sweep_workspace(world.platform)

    assert folders[live.key].exists()
    assert not folders[releases[0].key].exists()
    assert folders[at_work.key].exists()
    assert folders[releases[-1].key].exists()
    assert len(world.evidence.releases("backend")) == KEPT_RELEASES + 3


def test_build_caches_are_kept_to_their_size_where_the_builder_is_there(world: World) -> None:
    class Trimmed(FakeBuilder):
        reason: str | None = None
        limit_bytes: int | None = None

        def unavailable(self) -> str | None:
            return self.reason

        def trim_cache(self, limit_bytes: int) -> int:
            self.limit_bytes = limit_bytes
            return 0

    here, away = Trimmed(), Trimmed()
    away.reason = "no engine answers"

    sweep_workspace(replace(world.platform, image_builders=(here, away)))

    assert (here.limit_bytes, away.limit_bytes) == (BUILD_CACHE_BYTES, None)


def test_bodies_of_webhooks_are_kept_for_longer_than_github_delivers_again(world: World) -> None:
    delivery = world.push(world.commit())
    world.inbox.done(delivery.id, "released", world.clock.now())

    world.clock.advance(3 * 24 * 3600)
    sweep_workspace(world.platform)
    assert world.inbox.body_bytes == len(delivery.body)

    world.clock.advance(5 * 24 * 3600)
    sweep_workspace(world.platform)
    assert world.inbox.body_bytes == 0
