"""Past releases judged again, by another policy and by today's advisories."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.domain.declaration import Phase, Pipeline, Service, Stage, StageKind
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Severity, StageRecord
from shopkart_pipeline.domain.policy import Comparison, Gate, MeasureRule
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.replayed import Change, ReplayedRelease, ReplayReport
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.ports.advisory_book import AdvisorySet
from shopkart_pipeline.services.advisories_at_hand import ports, snapshot_of
from shopkart_pipeline.services.describe_image import image_sbom
from shopkart_pipeline.services.production_history import PROMOTE, Placed, record_placement
from shopkart_pipeline.services.replay_gates import Replay, replay_gates
from shopkart_pipeline.services.scan_again import scanned_again
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.fakes.fake_scanner import FAKE_TOOL
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

STRICT = Gate("few_packages", "image_scan", "small images", MeasureRule("packages", Comparison.AT_MOST, 10))
BAD = Finding("CVE-1", Severity.HIGH, "bad", "f" * 24, package="jinja2", installed_version="3.1", fixed_in="3.2")


def policy(world: World, *gates: Gate, without: str = "") -> Pipeline:
    """The declaration, with these gates more in the backend."""

    def changed(service: Service) -> Service:
        kept = tuple(gate for gate in service.gates if gate.stage != without)
        return replace(service, gates=(*kept, *gates))

    backend = changed(world.pipeline.services["backend"])
    return replace(world.pipeline, services={**world.pipeline.services, "backend": backend})


def through(world: World, files: Mapping[str, str] | None = None, *, described: bool = True) -> Release:
    """A release that passed all stages before production."""
    release = world.merge(files)
    for phase in (Phase.CI, Phase.STAGING):
        world.run(release, phase)
    if described:
        image_sbom(world.platform, release, world.digest(release))
    return release


def promoted(world: World, **details: Any) -> Release:
    """A release that went to production."""
    release = through(world, **details)
    unit = Placed(world.clock.now(), release.key, world.digest(release), release.sha, PROMOTE)
    record_placement(world.platform, PROMOTE, "backend", PRODUCTION, unit, "pipeline", "it passed")
    return release


def replayed(
    world: World, policy: Pipeline | None = None, *, advisories: bool = False, since: datetime | None = None
) -> list[ReplayedRelease]:
    platform = world.platform
    index, book = ports(platform)
    begin = since or platform.clock.now() - timedelta(days=3650)

    def today(service: Service, stage: Stage) -> AdvisorySet:
        return snapshot_of(platform, book, service, stage)

    replay = Replay(policy or world.pipeline, begin, today if advisories else None, index)
    return list(replay_gates(platform, replay, "backend"))


def blocking(one: ReplayedRelease) -> list[str]:
    return [line.line for line in one.verdict.blocking]


def test_by_the_policy_in_force_nothing_changes(world: World) -> None:
    release = promoted(world)
    [one] = replayed(world)
    assert (one.release_key, one.outcome, one.change) == (release.key, Outcome.PASS, Change.SAME)
    assert one.digest == world.digest(release)


def test_a_stricter_policy_names_the_gate_that_would_have_blocked(world: World) -> None:
    promoted(world)
    [one] = replayed(world, policy(world, STRICT))
    assert one.change is Change.WOULD_BE_BLOCKED
    assert blocking(one) == ["image_scan.few_packages: fail: packages 31 > 10"]


def test_a_laxer_policy_shows_what_would_have_passed(world: World) -> None:
    world.scanners[StageKind.IMAGE_SCAN].result = Evidence(FAKE_TOOL, "1", {"packages": 31}, (BAD,))
    through(world)
    [before] = replayed(world)
    world.pipeline = policy(world, without="image_scan")
    [after] = replayed(world)
    assert before.change is Change.SAME
    assert before.outcome is not Outcome.PASS
    assert all("image_scan" not in line for line in blocking(after))


def test_evidence_is_as_old_as_it_was_then(world: World) -> None:
    promoted(world)
    world.clock.advance(400 * 24 * 3600)
    [one] = replayed(world)
    assert one.outcome is Outcome.PASS


def test_a_stage_that_never_ran_is_missing_and_not_passed(world: World) -> None:
    world.merge()
    [one] = replayed(world)
    assert one.outcome is Outcome.MISSING
    assert "lint.new_violations: missing: the stage never ran" in blocking(one)


def test_a_stage_that_only_the_new_policy_has_is_missing(world: World) -> None:
    promoted(world)
    stage = world.pipeline.services["backend"].stage("lint")
    declared = world.pipeline.services["backend"]
    wider = replace(declared, stages=(*declared.stages, replace(stage, name="licences")))
    [one] = replayed(world, replace(world.pipeline, services={"backend": wider}))
    assert blocking(one) == ["licences.evidence: missing: the stage never ran"]
    assert one.change is Change.WOULD_BE_BLOCKED


def test_an_advisory_of_today_blocks_a_release_of_then(world: World) -> None:
    world.commit({"backend/app.py": "0", **snapshot_files(an_advisory(database_specific={"severity": "HIGH"}))})
    promoted(world)
    [one] = replayed(world, advisories=True)
    [line] = blocking(one)
    assert line.startswith("image_scan.vulnerabilities: fail: 1 new findings of high or worse > 0 (GHSA-0000-0000-0001")
    [then] = replayed(world)
    assert then.outcome is Outcome.PASS


def test_what_production_had_already_is_not_new_today(world: World) -> None:
    world.commit({"backend/app.py": "0", **snapshot_files(an_advisory(database_specific={"severity": "HIGH"}))})
    first = promoted(world)
    second = promoted(world)
    newest, oldest = replayed(world, advisories=True)
    assert (newest.release_key, newest.outcome) == (second.key, Outcome.PASS)
    assert (oldest.release_key, oldest.outcome) == (first.key, Outcome.FAIL)


def test_a_release_without_a_bill_can_not_be_scanned_again(world: World) -> None:
    world.commit({"backend/app.py": "0", **snapshot_files(an_advisory())})
    promoted(world, described=False)
    [one] = replayed(world, advisories=True)
    assert one.outcome is Outcome.MISSING
    assert any("has no bill of materials" in line for line in blocking(one))


def test_advisories_that_are_too_old_are_missing(world: World) -> None:
    world.commit({"backend/app.py": "0", **snapshot_files(an_advisory())})
    promoted(world)
    world.clock.advance(60 * 24 * 3600)
    [one] = replayed(world, advisories=True)
    assert any("at most 30: renew the snapshot" in line for line in blocking(one))


def test_a_waiver_counts_as_it_stood_then(world: World) -> None:
    world.scanners[StageKind.IMAGE_SCAN].result = Evidence(FAKE_TOOL, "1", {"packages": 31}, (BAD,))
    waived = "stage: image_scan, rule: CVE-1, package: jinja2, reason: no, owner: team:shop, expires: 2025-03-31"
    promoted(world, files={"backend/waivers.yaml": f"version: 1\nwaivers:\n  - {{{waived}}}\n"})
    world.clock.advance(300 * 24 * 3600)
    [one] = replayed(world)
    assert one.outcome is Outcome.PASS


def test_only_releases_since_then_are_judged(world: World) -> None:
    promoted(world)
    world.clock.advance(3600)
    moment = world.clock.now()
    newer = promoted(world)
    assert [each.release_key for each in replayed(world, since=moment)] == [newer.key]


def test_pull_requests_are_no_releases(world: World) -> None:
    promoted(world)
    world.proposed()
    assert len(replayed(world)) == 1


def test_a_service_that_the_policy_does_not_have_is_an_error(world: World) -> None:
    index, _ = ports(world.platform)
    with pytest.raises(NotFound, match="declares no service 'shop'"):
        list(replay_gates(world.platform, Replay(world.pipeline, world.clock.now(), None, index), "shop"))


def test_the_report_counts_by_gate(world: World) -> None:
    promoted(world)
    promoted(world)
    report = ReplayReport("sha256:x", world.clock.now(), "then", tuple(replayed(world, policy(world, STRICT))))
    assert report.blocked_by == {("image_scan", "few_packages", Outcome.FAIL): 2}
    assert report.count(Change.WOULD_BE_BLOCKED) == 2


SCAN = Stage("image_scan", StageKind.IMAGE_SCAN, Phase.CI, (), 60.0)
MOMENT = datetime.fromisoformat("2025-03-04T12:00:00+00:00")


def scan(result: Evidence | EvidenceMissing) -> StageRecord:
    return StageRecord("backend", "k", "image_scan", "r", MOMENT, MOMENT, "c", None, result)


def test_what_a_scanner_found_then_stays_found_under_any_name() -> None:
    today = replace(BAD, rule="GHSA-1", message="bad (CVE-1)", fingerprint="g", severity=Severity.CRITICAL, is_new=True)
    system = replace(BAD, rule="CVE-2", package="libc6", fingerprint="h", is_new=False)
    then = scan(Evidence(FAKE_TOOL, "2", {"packages": 31}, (replace(BAD, is_new=False), system)))
    again = scanned_again(then, SCAN, Evidence(FAKE_TOOL, "1", {"packages": 4}, (today,))).result
    assert isinstance(again, Evidence)
    assert again.findings == (replace(today, rule="CVE-1", fingerprint=BAD.fingerprint, is_new=False), system)
    assert again.measures["new_vulnerabilities"] == 0


def test_a_scan_that_left_nothing_then_leaves_nothing_today() -> None:
    then = scan(EvidenceMissing("it crashed"))
    assert scanned_again(then, SCAN, Evidence(FAKE_TOOL, "fine")) == then


FINDINGS = st.lists(
    st.builds(
        Finding,
        st.sampled_from(["CVE-1", "CVE-2", "GHSA-1"]),
        st.sampled_from(list(Severity)),
        st.sampled_from(["bad", "bad (CVE-1)"]),
        st.sampled_from(["a", "b"]),
        package=st.sampled_from([None, "jinja2", "flask"]),
        is_new=st.booleans(),
    ),
    max_size=5,
)


@settings(max_examples=50)
@given(FINDINGS, FINDINGS)
def test_todays_advisories_never_take_a_finding_away(then: list[Finding], today: list[Finding]) -> None:
    again = scanned_again(
        scan(Evidence(FAKE_TOOL, "then", findings=tuple(then))),
        SCAN,
        Evidence(FAKE_TOOL, "today", findings=tuple(today)),
    ).result
    assert isinstance(again, Evidence)
    kept = [(each.rule, each.package, each.fingerprint, each.is_new) for each in again.findings]
    assert kept[: len(then)] == [(each.rule, each.package, each.fingerprint, each.is_new) for each in then]
