"""Whatever changes what may run is an entry of the ledger, and is said once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shopkart_pipeline.domain.declaration import LeftOut, Phase, StageKind
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import Evidence, Finding, Severity, Tool
from shopkart_pipeline.domain.freeze import FreezeWindow
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.trusted_key import TrustedKeys
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.record_policy import CHANGE_KEYS, CHANGE_POLICY, record_policy
from shopkart_pipeline.services.record_skips import REUSE, SKIP, record_reuse
from shopkart_pipeline.services.waivers import WAIVE
from shopkart_pipeline.services.weigh_freeze import FREEZE
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

SAME = {"backend/app.py": "version = 1\n", "backend/requirements.lock": "flask==3\n"}
WAIVER = (
    "{stage: image_scan, rule: CVE-1, package: jinja2, reason: not reachable, owner: team:shop, expires: 2025-03-31}"
)
WAIVED = {"backend/waivers.yaml": f"version: 1\nwaivers:\n  - {WAIVER}\n"}


def acts(world: World, verb: str) -> list[Act]:
    return [entry.act for entry in world.ledger.entries(verbs=[verb])]


def test_a_policy_is_recorded_once_and_a_change_names_the_one_before(world: World) -> None:
    record_policy(world.platform)
    record_policy(world.platform)
    world.pipeline = replace(world.pipeline, digest="sha256:stricter")
    record_policy(world.platform)
    record_policy(world.platform)

    told = [(act.body["digest"], act.body["previous"]) for act in acts(world, CHANGE_POLICY)]
    assert told == [("sha256:policy", "none"), ("sha256:stricter", "sha256:policy")]
    assert acts(world, CHANGE_POLICY)[0].body["file"] == "shopkart.yaml"


def test_a_policy_that_comes_back_is_a_change_again(world: World) -> None:
    for digest in ("sha256:a", "sha256:b", "sha256:a"):
        record_policy(replace(world.platform, pipeline=replace(world.pipeline, digest=digest)))

    assert [act.body["digest"] for act in acts(world, CHANGE_POLICY)] == ["sha256:a", "sha256:b", "sha256:a"]


def test_keys_that_are_trusted_are_recorded_and_so_is_one_that_somebody_adds(world: World) -> None:
    attestor, stranger = FakeAttestor(), FakeAttestor()
    platform = replace(world.platform, attestor=attestor, envelopes=attestor)
    record_policy(platform)
    attestor.keys = TrustedKeys((*attestor.keys.keys, stranger.key))
    record_policy(platform)
    record_policy(platform)

    first, second = acts(world, CHANGE_KEYS)
    assert stranger.key.key_id not in first.body["keys"]
    assert stranger.key.key_id in second.body["keys"]
    assert second.body["previous"] == first.body["digest"]


def test_what_goes_to_production_goes_under_a_policy_that_is_recorded_before(world: World) -> None:
    release = world.approved()
    world.stage(release, "production")

    [policy] = world.ledger.entries(verbs=[CHANGE_POLICY])
    placed = [entry for entry in world.ledger.entries("backend", verbs=["promote"]) if entry.act.digest]
    assert policy.sequence < placed[-1].sequence


def test_what_the_declaration_leaves_out_is_recorded_with_the_release_that_goes_without(world: World) -> None:
    left_out = (LeftOut("backend", "lint", None, "no linter yet"), LeftOut("backend", "quality", "smells", "legacy"))
    world.declare("backend", lambda it: replace(it, left_out=left_out))
    release = world.approved()
    world.stage(release, "production")
    world.stage(release, "production")

    [act] = [entry.act for entry in world.ledger.entries("backend", release.key, [SKIP])]
    assert act.body["left_out"] == "lint: no linter yet; quality.smells: legacy"
    assert act.digest == world.digest(release)


def test_services_that_a_merge_leaves_alone_are_recorded_once(world: World) -> None:
    delivery = world.delivery(world.commit(SAME), None)
    accept(world.platform, delivery)
    accept(world.platform, delivery)

    [act] = acts(world, SKIP)
    assert act.body["services"] == "frontend"
    assert act.body["commit"] == world.tip


def test_results_that_are_taken_over_are_recorded_once_the_phase_is_through(world: World) -> None:
    world.let_inputs_be_known()
    first = world.merge(SAME)
    assert all(outcome.passed for outcome in world.run(first, Phase.CI))
    assert acts(world, REUSE) == []
    world.clock.advance(60)
    release = _same_content(world)

    assert all(outcome.passed for outcome in world.run(release, Phase.CI))

    taken = acts(world, REUSE)
    assert {act.release_key for act in taken} == {release.key}
    records = world.evidence.latest("backend", release.key)
    reused = sorted(name for name, record in records.items() if record.reused)
    assert sorted(act.body["stage"] for act in taken) == reused
    assert {act.body["from_release"] for act in taken} == {first.key}
    record_reuse(world.platform, release, records)
    assert acts(world, REUSE) == taken


def _same_content(world: World) -> Release:
    sha = world.commit(SAME, message="nothing new")
    known = world.evidence.releases("backend")[0]
    commit = world.scm.commit(world.pipeline.services["backend"].source, sha)
    key = f"{commit.committed_at:%Y%m%d-%H%M%S}-{sha[:12]}"
    release = replace(known, key=key, sha=sha, previous_sha=known.sha, delivery_id=f"d-{sha[:8]}")
    world.evidence.add_release(release)
    return release


def test_a_waiver_that_a_merge_brings_is_recorded_once_for_all_releases(world: World) -> None:
    bad = Finding("CVE-1", Severity.HIGH, "bad", "f" * 24, package="jinja2", installed_version="3.1", fixed_in="3.2")
    world.scanners[StageKind.IMAGE_SCAN].result = Evidence(Tool("fake", "1"), "looked", {"packages": 31}, (bad,))
    first = world.merge(WAIVED)
    assert all(outcome.passed for outcome in world.run(first, Phase.CI))
    assert all(outcome.passed for outcome in world.run(world.merge({**WAIVED, "backend/app.py": "2\n"}), Phase.CI))

    [act] = acts(world, WAIVE)
    assert act.release_key == first.key
    assert act.body["commit"] == first.sha
    assert (act.body["owner"], act.body["reason"], act.body["finding"]) == (
        "team:shop",
        "not reachable",
        "CVE-1 jinja2",
    )


def test_a_freeze_that_holds_a_release_back_is_recorded_once(world: World) -> None:
    release = world.approved()
    now = world.clock.now()
    window = FreezeWindow("sale day", "UTC", now, now + timedelta(hours=1))
    production = replace(world.pipeline.services["backend"].deployments[PRODUCTION], freeze=(window,))
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, PRODUCTION: production}))

    for _ in range(2):
        with pytest.raises(Refused):
            world.stage(release, "production")

    [act] = acts(world, FREEZE)
    assert (act.release_key, act.body["window"]) == (release.key, "sale day until 2025-03-04T13:00+00:00")
