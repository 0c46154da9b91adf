"""Waivers on their way through a release: from the repository to the gate, and to their end."""

import pytest

from shopkart_pipeline.domain.declaration import Phase, StageKind
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Severity, Tool
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.authorise_deploy import authorise_deploy
from shopkart_pipeline.services.waivers import END_WAIVER
from shopkart_pipeline_tests.fakes.world import World

BAD = Finding("CVE-1", Severity.HIGH, "bad", "f" * 24, package="jinja2", installed_version="3.1", fixed_in="3.2")


def waivers(expires: str = "2025-03-31", reason: str = "not reachable") -> dict[str, str]:
    entry = (
        f"{{stage: image_scan, rule: CVE-1, package: jinja2, reason: {reason}, owner: team:shop, expires: {expires}}}"
    )
    return {"backend/waivers.yaml": f"version: 1\nwaivers:\n  - {entry}\n"}


def find(world: World, *findings: Finding) -> None:
    world.scanners[StageKind.IMAGE_SCAN].result = Evidence(Tool("fake", "1"), "looked", {"packages": 31}, findings)


def ci(world: World, release: Release) -> bool:
    return all(outcome.passed for outcome in world.run(release, Phase.CI))


def ended(world: World) -> list[str]:
    return [entry.act.release_key for entry in world.ledger.entries("backend") if entry.act.verb == END_WAIVER]


def test_a_waiver_in_the_repository_lets_a_finding_pass_for_a_while(world: World) -> None:
    find(world, BAD)

    release = world.merge(waivers())

    assert ci(world, release)
    [line] = world.stage(release, "image_scan").gates
    assert "waived by team:shop until 2025-03-31: not reachable (backend/waivers.yaml:3)" in line.reason


def test_expiry_opens_the_gate_again_at_the_step_that_deploys(world: World) -> None:
    find(world, BAD)
    release = world.approved(files=waivers("2025-03-05"))
    authorise_deploy(world.platform, release)

    world.clock.advance(2 * 24 * 3600)

    with pytest.raises(Refused, match="its waiver has expired"):
        authorise_deploy(world.platform, release)


def test_a_waiver_of_another_commit_does_not_count(world: World) -> None:
    find(world, BAD)
    assert ci(world, world.merge(waivers()))

    world.commit({"backend/waivers.yaml": "version: 1\nwaivers: []\n"})
    release = world.merge({"backend/app.py": "new\n"})

    assert not ci(world, release)


def test_a_faulty_file_stops_the_release_with_all_its_faults(world: World) -> None:
    release = world.merge(waivers("2026-03-31"))

    world.stage(release, "source")

    result = world.record(release, "source").result
    assert isinstance(result, EvidenceMissing)
    assert "backend/waivers.yaml:3: waivers[0].expires: a waiver may last 90 days at most" in result.reason


def test_a_waiver_ends_with_its_finding_and_does_not_come_back(world: World) -> None:
    find(world, BAD)
    assert ci(world, world.merge(waivers()))
    find(world)
    clean = world.merge({"backend/app.py": "without jinja2\n"})
    assert ci(world, clean)
    assert ended(world) == [clean.key]

    find(world, BAD)
    again = world.merge({"backend/app.py": "with jinja2\n"})

    assert not ci(world, again)
    notes = world.record(again, "source").result
    assert isinstance(notes, Evidence)
    assert notes.notes == ("The waiver at backend/waivers.yaml:3 has ended: its finding was gone.",)


def test_a_new_waiver_counts_where_an_old_one_has_ended(world: World) -> None:
    assert ci(world, world.merge(waivers()))
    assert len(ended(world)) == 1
    find(world, BAD)

    assert ci(world, world.merge(waivers(reason="back again and looked at")))


def test_a_waiver_ends_once(world: World) -> None:
    release = world.merge(waivers())
    assert ci(world, release)
    world.stage(release, "image_scan")

    assert len(ended(world)) == 1


def test_missing_evidence_ends_no_waiver(world: World) -> None:
    world.scanners[StageKind.IMAGE_SCAN].result = EvidenceMissing("it crashed")

    assert not ci(world, world.merge(waivers()))

    assert ended(world) == []
