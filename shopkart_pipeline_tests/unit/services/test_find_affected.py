"""What is affected by an advisory or a package: across services, environments and releases."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shopkart_pipeline.domain.affected import AffectedReport, Effect
from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.domain.declaration import Phase, StageKind
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.evidence import Evidence, Finding, Severity
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.component_index import DescribedRelease
from shopkart_pipeline.services.describe_image import image_sbom
from shopkart_pipeline.services.find_affected import affected_by_advisory, affected_by_package
from shopkart_pipeline.services.production_history import PROMOTE, Placed, record_placement
from shopkart_pipeline.services.rebuild_components import rebuild_index
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.fakes.fake_scanner import FAKE_TOOL
from shopkart_pipeline_tests.fakes.world import PRODUCTION, STAGING, World, a_component

APP = {"backend/app.py": "1"}


@pytest.fixture
def release(world: World) -> Release:
    """What runs everywhere, and holds starlette 0.37.2."""
    release = placed(world)
    image_sbom(world.platform, release, world.digest(release))
    return release


def placed(world: World) -> Release:
    """A release that history says to be in staging and in production."""
    release = world.merge()
    world.run(release, Phase.CI)
    for environment in (STAGING, PRODUCTION):
        unit = Placed(world.clock.now(), release.key, world.digest(release), release.sha, PROMOTE)
        record_placement(world.platform, PROMOTE, "backend", environment, unit, "pipeline", "it passed")
    return release


def know(world: World, *advisories: dict[str, Any], **details: Any) -> None:
    """These advisories are at the tip of the branch."""
    world.commit({**APP, **snapshot_files(*advisories, **details)})


def effects(report: AffectedReport) -> dict[tuple[str, str], Effect]:
    return {(each.service, each.environment): each.effect for each in report.running}


def test_an_advisory_affects_what_runs_in_a_version_that_it_means(world: World, release: Release) -> None:
    know(world, an_advisory(aliases=["CVE-2025-1"], severity=[], database_specific={"severity": "HIGH"}))
    report = affected_by_advisory(world.platform, "cve-2025-1")
    assert effects(report) == {
        ("backend", STAGING): Effect.AFFECTED,
        ("backend", PRODUCTION): Effect.AFFECTED,
        ("frontend", STAGING): Effect.EMPTY,
        ("frontend", PRODUCTION): Effect.EMPTY,
    }
    [affected] = report.releases
    assert (affected.release_key, affected.digest) == (release.key, world.digest(release))
    [package] = report.packages
    assert package.package == PackageVersion("PyPI", "starlette", "0.37.2")
    assert package.reason == "GHSA-0000-0000-0001: Too much is read (high, fixed in 0.40.0)"
    assert report.sources == ("snapshot of 2025-03-01 (a test)",)
    assert not report.is_clear


def test_a_version_that_is_fixed_is_clear(world: World, release: Release) -> None:
    know(world, an_advisory(events=[{"introduced": "0"}, {"fixed": "0.30.0"}]))
    report = affected_by_advisory(world.platform, "GHSA-0000-0000-0001")
    assert effects(report)["backend", PRODUCTION] is Effect.CLEAR
    assert report.releases == ()
    assert report.is_clear


def test_an_advisory_that_nobody_knows_is_an_error_and_not_an_all_clear(world: World, release: Release) -> None:
    know(world, an_advisory())
    with pytest.raises(NotFound, match=r"Nobody here knows an advisory CVE-2099-1.*snapshot of 2025-03-01"):
        affected_by_advisory(world.platform, "CVE-2099-1")


def test_a_withdrawn_advisory_is_not_known(world: World, release: Release) -> None:
    know(world, an_advisory(withdrawn="2025-03-01T00:00:00Z"))
    with pytest.raises(NotFound):
        affected_by_advisory(world.platform, "GHSA-0000-0000-0001")


def test_a_part_of_a_name_is_not_the_name(world: World, release: Release) -> None:
    know(world, an_advisory(aliases=["CVE-2025-10"]))
    with pytest.raises(NotFound):
        affected_by_advisory(world.platform, "CVE-2025-1")


def test_what_a_live_service_told_before_counts(world: World, release: Release) -> None:
    kept = world.folder / "kept-advisories"
    kept.mkdir()
    (kept / "one.json").write_text(json.dumps(an_advisory()))
    (kept / "half.json").write_text('{"id": "GHSA-0000-0000-0001", ')
    report = affected_by_advisory(world.platform, "GHSA-0000-0000-0001")
    assert effects(report)["backend", PRODUCTION] is Effect.AFFECTED
    assert report.sources == ("what the live service told before",)
    assert any("no advisory snapshot" in note for note in report.notes)


def test_a_scanners_finding_means_its_versions_wherever_they_are(world: World) -> None:
    finding = Finding(
        "GHSA-9", Severity.HIGH, "bad (CVE-2025-9)", "f", package="starlette", installed_version="0.37.2", is_new=False
    )
    scanner = world.scanners[StageKind.IMAGE_SCAN]
    scanner.result = Evidence(FAKE_TOOL, "1 found", {"packages": 31}, (finding,))
    first = world.merge()
    world.run(first, Phase.CI)
    image_sbom(world.platform, first, world.digest(first))
    runs = placed(world)
    image_sbom(world.platform, runs, world.digest(runs))
    report = affected_by_advisory(world.platform, "CVE-2025-9")
    assert [each.release_key for each in report.releases] == [runs.key, first.key]
    assert "found by image_scan" in report.packages[0].reason


def test_an_advisory_about_what_is_not_compared_says_so(world: World, release: Release) -> None:
    know(world, an_advisory(package="openssl", ecosystem="Debian:12"), an_advisory("GHSA-2"))
    report = affected_by_advisory(world.platform, "GHSA-0000-0000-0001")
    assert "It is about packages of Debian too, whose versions are not compared here." in report.notes


@pytest.mark.parametrize(
    ("versions", "effect"),
    [
        (None, Effect.AFFECTED),
        ("<0.40", Effect.AFFECTED),
        (">=0.37,<0.38", Effect.AFFECTED),
        ("0.37.2", Effect.AFFECTED),
        ("==0.37.2", Effect.AFFECTED),
        ("<0.37.2", Effect.CLEAR),
        ("0.37.3", Effect.CLEAR),
    ],
)
def test_a_package_is_asked_for_in_a_range(
    world: World, release: Release, versions: str | None, effect: Effect
) -> None:
    report = affected_by_package(world.platform, "Starlette", versions)
    assert effects(report)["backend", PRODUCTION] is effect


def test_what_is_no_range_is_refused(world: World, release: Release) -> None:
    with pytest.raises(UntrustedInput, match="no range of versions"):
        affected_by_package(world.platform, "starlette", "<new")


def test_versions_of_npm_are_compared_as_npm_does(world: World, release: Release) -> None:
    lodash = PackageVersion("npm", "lodash", "4.17.20")
    world.components.add(DescribedRelease("backend", release.key, world.digest(release), "r"), [lodash])
    holding = [affected_by_package(world.platform, "lodash", text).releases for text in ("<4.17.21", ">=4.17.21")]
    assert [len(each) for each in holding] == [1, 0]
    with pytest.raises(UntrustedInput):
        affected_by_package(world.platform, "lodash", "~4")


def test_a_version_that_can_not_be_compared_counts(world: World, release: Release) -> None:
    libc = PackageVersion("Debian", "libc6", "2.36-9")
    world.components.add(DescribedRelease("backend", release.key, world.digest(release), "r"), [libc])
    report = affected_by_package(world.platform, "libc6", "<2.37")
    assert effects(report)["backend", PRODUCTION] is Effect.AFFECTED
    assert report.notes == ("libc6 2.36-9 of Debian can't be compared; it counts.",)


def test_a_package_that_nobody_holds_is_said_to_be_unknown(world: World, release: Release) -> None:
    report = affected_by_package(world.platform, "left-pad")
    assert report.notes == ("No release with a bill of materials holds a package left-pad.",)
    assert report.is_clear


def test_what_runs_without_a_bill_is_unknown_and_not_clear(world: World) -> None:
    release = placed(world)
    report = affected_by_package(world.platform, "starlette")
    assert effects(report)["backend", PRODUCTION] is Effect.UNKNOWN
    assert report.unknown == (release.name,)
    assert not report.is_clear


def test_a_pull_request_is_no_release_without_a_bill(world: World, release: Release) -> None:
    world.proposed()
    assert affected_by_package(world.platform, "starlette").unknown == ()


def test_without_an_index_nobody_answers(world: World) -> None:
    with pytest.raises(ToolUnavailable):
        affected_by_package(replace(world.platform, components=None), "starlette")


def test_the_index_is_made_anew_from_the_stored_bills(world: World, release: Release) -> None:
    world.image_files.components = {world.digest(release): (a_component("other"),)}
    image_sbom(world.platform, release, world.digest(release))
    before = world.components.described(), world.components.packages(world.digest(release))
    world.components.replace([])
    assert rebuild_index(world.platform) == (1, ())
    assert (world.components.described(), world.components.packages(world.digest(release))) == before


def test_a_bill_that_is_gone_is_said_and_the_rest_is_kept(world: World, release: Release) -> None:
    second = world.merge()
    world.run(second, Phase.CI)
    world.image_files.components = {world.digest(second): (a_component("other"),)}
    image_sbom(world.platform, second, world.digest(second))
    lost = {each.release_key: each.report for each in world.components.described()}[second.key]
    del world.evidence.reports[lost]
    count, problems = rebuild_index(world.platform)
    assert count == 1
    assert problems
    assert [each.release_key for each in world.components.described()] == [release.key]
