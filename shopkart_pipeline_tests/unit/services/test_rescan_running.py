"""What runs in production is scanned again: new findings are work, and nothing in production is touched."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Severity
from shopkart_pipeline.domain.policy import Comparison, Gate, MeasureRule
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.services.rescan_running import RescanReport, rescan_running
from shopkart_pipeline.services.scan_running import RESCAN
from shopkart_pipeline.services.work_items import WORK_ITEM, work_items
from shopkart_pipeline_tests.fakes.fake_scanner import FAKE_TOOL, FakeScanner
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

BAD = Finding(
    "CVE-2026-1",
    Severity.HIGH,
    "request smuggling",
    "f1",
    package="h11",
    installed_version="0.14.0",
    fixed_in="0.16.0",
    link="https://osv.example/CVE-2026-1",
)


@pytest.fixture
def release(world: World) -> Release:
    return world.released()


def scanner(world: World) -> FakeScanner:
    return world.scanners[StageKind.IMAGE_SCAN]


def find(world: World, *findings: Finding) -> None:
    """From now on the scanner finds this."""
    scanner(world).result = Evidence(FAKE_TOOL, f"{len(findings)} found", {"packages": 31.0}, findings)


def rescan(world: World) -> RescanReport:
    world.clock.advance(24 * 3600.0)
    return rescan_running(world.platform, world.pipeline.services["backend"])


def outcomes(report: RescanReport) -> dict[str, str]:
    return {line.gate: line.outcome.value for line in report.lines}


def reason(report: RescanReport, gate: str) -> str:
    return next(line.reason for line in report.lines if line.gate == gate)


def told(world: World) -> list[str]:
    return [each.subject for each in world.notifications.told("mail")]


def test_without_news_everything_is_green(world: World, release: Release) -> None:
    effects = list(world.cluster.effects)
    scans = len(scanner(world).requests)

    report = rescan(world)

    assert outcomes(report) == {"running": "pass", "vulnerabilities": "pass"}
    assert (report.release_key, report.digest) == (release.key, world.digest(release))
    assert len(scanner(world).requests) == scans + 1
    assert world.cluster.effects == effects, "production is not touched"
    assert work_items(world.platform) == ()
    [note] = world.evidence.notes("backend", release.key, RESCAN)
    assert note.data["image_scan.vulnerabilities"] == "pass"


def test_the_image_is_the_one_that_runs_pulled_by_its_digest(world: World, release: Release) -> None:
    rescan(world)

    request = scanner(world).requests[-1]
    assert request.image_digest == world.digest(release)
    assert request.image is not None
    assert request.image != world.platform.workspace.layout(release)
    assert request.base_commit is None


def test_advisories_are_those_at_the_head_of_the_branch_and_the_code_is_what_runs(
    world: World, release: Release
) -> None:
    head = world.commit({"advisories/new.json": "{}"})

    rescan(world)

    request = scanner(world).requests[-1]
    assert request.tree == world.platform.workspace.tree(release.repository, release.sha)
    assert request.advisories == world.platform.workspace.tree(release.repository, head)


def test_a_new_finding_is_red_and_becomes_work_that_is_told(world: World, release: Release) -> None:
    find(world, BAD)
    effects = list(world.cluster.effects)

    report = rescan(world)

    assert outcomes(report) == {"running": "pass", "vulnerabilities": "fail"}
    [state] = work_items(world.platform)
    assert state.is_open
    assert (state.item.digest, state.item.fixed_in) == (world.digest(release), "0.16.0")
    assert [item.id for item in report.opened] == [state.item.id]
    assert told(world) == ["backend: CVE-2026-1 h11 0.14.0, fixed in 0.16.0"]
    assert world.cluster.effects == effects
    assert world.record(release, "image_scan").result != scanner(world).result, "what was approved stays"


def test_the_same_finding_every_night_is_one_item_and_told_once(world: World, release: Release) -> None:
    find(world, BAD)
    for _ in range(3):
        report = rescan(world)

    assert report.opened == ()
    assert len(world.evidence.notes("backend", release.key, WORK_ITEM)) == 1
    assert len(told(world)) == 1


def test_the_same_finding_in_the_next_image_is_another_item(world: World, release: Release) -> None:
    find(world, BAD)
    rescan(world)
    find(world)
    second = world.released()
    find(world, BAD)

    report = rescan(world)

    [new], [old] = report.opened, report.closed
    assert new.digest == world.digest(second)
    assert old.digest == world.digest(release)
    assert [state.is_open for state in work_items(world.platform)].count(True) == 1


def test_an_item_is_closed_when_its_finding_is_gone_and_opened_again_when_it_returns(
    world: World, release: Release
) -> None:
    find(world, BAD)
    rescan(world)
    find(world)

    report = rescan(world)

    [state] = work_items(world.platform)
    assert [item.id for item in report.closed] == [state.item.id]
    assert (state.is_open, state.closed_because) == (False, "image_scan does not count it any more")
    assert told(world)[-1].endswith("is done")
    find(world, BAD)
    assert rescan(world).opened
    assert [each.is_open for each in work_items(world.platform)] == [True]
    assert len(told(world)) == 3


def test_a_scanner_that_did_not_run_is_missing_and_closes_nothing(world: World, release: Release) -> None:
    find(world, BAD)
    rescan(world)
    scanner(world).result = EvidenceMissing("the advisory service does not answer")

    report = rescan(world)

    assert outcomes(report) == {"running": "pass", "vulnerabilities": "missing"}
    assert not report.passed
    assert [state.is_open for state in work_items(world.platform)] == [True]


def test_a_scan_that_does_not_tell_a_measure_any_more_closes_nothing(world: World, release: Release) -> None:
    gate = Gate("old_packages", "image_scan", "few are old", MeasureRule("old", Comparison.AT_MOST, 1))
    backend = world.pipeline.services["backend"]
    gated = replace(backend, gates=(*backend.gates, gate))
    world.pipeline = replace(world.pipeline, services={**world.pipeline.services, "backend": gated})
    scanner(world).result = Evidence(FAKE_TOOL, "two are old", {"packages": 31.0, "old": 2.0})
    rescan(world)
    find(world)

    report = rescan(world)

    assert outcomes(report)["old_packages"] == "missing"
    assert [(state.item.gate, state.is_open) for state in work_items(world.platform)] == [("old_packages", True)]


def test_what_the_release_was_let_through_with_is_no_news(world: World) -> None:
    find(world, replace(BAD, is_new=False))
    world.released()
    find(world, BAD)

    report = rescan(world)

    assert outcomes(report)["vulnerabilities"] == "pass"
    assert "production has them already" in reason(report, "vulnerabilities")


def test_a_waiver_at_the_head_of_the_branch_is_an_answer(world: World, release: Release) -> None:
    find(world, BAD)
    rescan(world)
    until = (world.clock.now() + timedelta(days=30)).date().isoformat()
    waiver = f"rule: CVE-2026-1, package: h11, reason: not reachable, owner: team:shop, expires: {until}"
    world.commit({"backend/waivers.yaml": f"version: 1\nwaivers:\n  - {{stage: image_scan, {waiver}}}\n"})

    report = rescan(world)

    assert report.passed
    assert "waived" in reason(report, "vulnerabilities")
    assert [state.is_open for state in work_items(world.platform)] == [False]


def test_what_is_too_mild_for_the_policy_is_no_work(world: World, release: Release) -> None:
    find(world, replace(BAD, severity=Severity.MEDIUM))

    assert rescan(world).passed
    assert work_items(world.platform) == ()


def test_an_image_that_the_registry_lost_is_missing(world: World, release: Release) -> None:
    world.registry.images["backend"].clear()

    report = rescan(world)

    assert outcomes(report)["vulnerabilities"] == "missing"
    assert "The registry does not hold" in reason(report, "vulnerabilities")


def test_a_repository_that_does_not_answer_leaves_todays_advisories_unknown(world: World, release: Release) -> None:
    world.scm.unreachable = True

    report = rescan(world)

    assert outcomes(report)["vulnerabilities"] == "missing"


def test_what_runs_beside_history_is_scanned_and_red(world: World, release: Release) -> None:
    second = world.ready()
    other = replace(world.observe().stable.spec, digest=world.digest(second), release_key=second.key)  # type: ignore[union-attr]
    world.cluster.apply(PRODUCTION, "backend", Track.STABLE, other)

    report = rescan(world)

    assert outcomes(report) == {"running": "fail", "vulnerabilities": "pass"}
    assert report.digest == world.digest(second)
    assert scanner(world).requests[-1].image_digest == world.digest(second)


def test_a_cluster_that_does_not_answer_is_missing_and_what_history_names_is_scanned(
    world: World, release: Release
) -> None:
    find(world, BAD)
    rescan(world)
    world.cluster.unreachable = True

    report = rescan(world)

    assert outcomes(report) == {"running": "missing", "vulnerabilities": "fail"}
    assert report.digest == world.digest(release)


def test_a_service_that_was_never_in_production_is_left_out_and_says_so(world: World) -> None:
    report = rescan(world)

    assert outcomes(report) == {"running": "skipped", "vulnerabilities": "skipped"}
    assert report.passed
    assert report.words == "nothing of it is in production"
