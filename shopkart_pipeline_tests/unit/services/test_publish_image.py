"""Pushed once and confirmed; scanned by the registry as declared, and what it found measured like anything else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shopkart_pipeline.domain.declaration import Phase, StageKind
from shopkart_pipeline.domain.errors import Conflict, Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, RawReport, Severity, Tool
from shopkart_pipeline.domain.policy import FindingsRule, Gate
from shopkart_pipeline.domain.registry import Registry, RegistryScanning
from shopkart_pipeline.domain.release import PullRequest, Release
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.ports.registry import NotScanned, RegistryScan
from shopkart_pipeline.services.publish_image import publish_image
from shopkart_pipeline_tests.fakes.fake_registry import FakeRegistry
from shopkart_pipeline_tests.fakes.world import World

_FOUND = Finding("CVE-1", Severity.HIGH, "bad", "cve-1-zlib", package="zlib", fix_unknown=True)
_GATE = Gate(
    "vulnerabilities",
    "published_image",
    "nothing bad",
    FindingsRule(Severity.HIGH, only_fixable=True, exempt_measure="registry_scans", exempt_below=1.0),
)


def a_scan(*findings: Finding) -> RegistryScan:
    raw = RawReport("registry-scan.json", "application/json", b"[]")
    tool = Tool("the registry's scanner", "1", "advisories of 2025-03-01")
    return RegistryScan(tool, datetime(2025, 3, 4, 11, 0, tzinfo=UTC), findings, raw)


@pytest.fixture
def declared(world: World) -> World:
    """A world whose registry scans, as is required, and whose service has the shipped gate on it."""
    scanning(world, RegistryScanning.REQUIRED)
    world.declare("backend", lambda service: replace(service, gates=(*service.gates, _GATE)))
    return world


def scanning(world: World, mode: RegistryScanning) -> None:
    world.pipeline = replace(world.pipeline, registry=Registry(scanning=mode, scanning_reason="see SHOP-7"))


def built(world: World) -> Release:
    """A release whose image is on disk."""
    release = world.merge()
    for stage in world.pipeline.services["backend"].stages_of(Phase.CI):
        if stage.name != "published_image":
            world.stage(release, stage.name)
    return release


def published(world: World, release: Release) -> Evidence:
    result = world.stage(release, "published_image").record.result
    assert isinstance(result, Evidence), result
    return result


def publish(world: World, release: Release) -> None:
    """Only what is tested here, without what would refuse to let it run."""
    stage = world.pipeline.services["backend"].stage("published_image")
    publish_image(world.platform, release, stage, world.digest(release))


def test_an_image_under_a_used_tag_is_a_conflict(world: World) -> None:
    release = built(world)
    world.registry.tags["backend", release.key] = "sha256:somebody-else"

    with pytest.raises(Conflict):
        publish(world, release)


def test_a_registry_that_does_not_confirm_the_image_is_a_conflict(world: World) -> None:
    class Forgetful(FakeRegistry):
        def has(self, repository: str, digest: str) -> bool:
            return False

    world.registry = Forgetful()
    release = built(world)

    with pytest.raises(Conflict, match="The registry holds"):
        publish(world, release)


def test_nothing_of_a_pull_request_is_pushed(world: World) -> None:
    release = replace(built(world), pull_request=PullRequest(7, "b" * 40, from_fork=False))

    with pytest.raises(Refused, match="pull request 7: its image is not pushed"):
        publish(world, release)

    assert world.registry.pushes == []


def test_the_evidence_names_the_image_as_others_pull_it(world: World) -> None:
    release = built(world)

    evidence = published(world, release)

    assert evidence.facts["reference"] == evidence.summary == f"backend@{world.digest(release)}"
    assert evidence.facts["tag"] == release.key


# The registry's own scan.


def test_a_scan_that_is_not_asked_for_is_no_scan_and_its_gate_says_so(declared: World) -> None:
    scanning(declared, RegistryScanning.OFF)
    release = built(declared)

    outcome = declared.stage(release, "published_image")

    assert isinstance(outcome.record.result, Evidence)
    assert outcome.record.result.measures == {"registry_scans": 0.0}
    assert outcome.record.result.notes == ("The registry's own scan is not asked for: see SHOP-7.",)
    assert declared.registry.scans_asked_for == []
    [line] = outcome.gates
    assert (line.outcome, line.exempted, line.reason) == (
        Outcome.PASS,
        True,
        "exempt: registry_scans 0 < 1 (findings 0, limit 0)",
    )


@pytest.mark.parametrize("answer", [NotScanned("it failed"), None])
def test_a_required_scan_without_a_result_is_missing_evidence(declared: World, answer: NotScanned | None) -> None:
    release = built(declared)
    if answer:
        declared.registry.scans[declared.digest(release)] = answer

    outcome = declared.stage(release, "published_image")

    reason = answer.reason if answer else "a registry of kind fake does not scan"
    assert outcome.record.result == EvidenceMissing(
        f"the image is in the registry, but there is no result of its scan: {reason}"
    )
    assert not outcome.passed
    assert declared.registry.has("backend", declared.digest(release))


def test_running_the_stage_again_when_the_scan_is_through_pushes_nothing_new(declared: World) -> None:
    release = built(declared)
    declared.stage(release, "published_image")
    declared.registry.scans[declared.digest(release)] = a_scan()

    assert declared.stage(release, "published_image").passed
    assert declared.registry.resolve("backend", release.key) == declared.digest(release)


def test_a_shown_scan_without_a_result_passes_with_a_note(declared: World) -> None:
    scanning(declared, RegistryScanning.SHOWN)
    release = built(declared)
    declared.registry.scans[declared.digest(release)] = NotScanned("it failed")

    outcome = declared.stage(release, "published_image")

    assert isinstance(outcome.record.result, Evidence)
    assert outcome.record.result.notes == ("There is no result of the registry's own scan: it failed.",)
    assert [line.exempted for line in outcome.gates] == [True]


def test_the_scan_is_waited_for_as_long_as_the_stage_may_take(declared: World) -> None:
    release = built(declared)
    began = declared.clock.now()

    declared.stage(release, "published_image")

    [(repository, digest, deadline)] = declared.registry.scans_asked_for
    assert (repository, digest) == ("backend", declared.digest(release))
    assert timedelta(seconds=59) < deadline - began < timedelta(seconds=61)


def test_findings_are_evidence_with_who_scanned_by_which_data(declared: World) -> None:
    release = built(declared)
    declared.registry.scans[declared.digest(release)] = a_scan(_FOUND)

    outcome = declared.stage(release, "published_image")

    assert isinstance(outcome.record.result, Evidence)
    assert outcome.record.result.findings == (_FOUND,)
    assert outcome.record.result.measures == {"registry_scans": 1.0, "registry_vulnerabilities": 1.0}
    assert outcome.record.result.notes == (
        "Scanned by the registry's scanner (advisories of 2025-03-01) on 2025-03-04 11:00 UTC.",
        "Everything counts as new: nothing is in production.",
        "Whether a version fixes 1 of the findings is unknown; they count.",
    )
    assert [report.name for report in outcome.record.result.reports] == ["registry-scan.json"]


def test_a_severe_finding_of_unknown_remedy_stops_the_release(declared: World) -> None:
    release = built(declared)
    declared.registry.scans[declared.digest(release)] = a_scan(_FOUND)

    [line] = declared.stage(release, "published_image").gates

    assert line.outcome is Outcome.FAIL
    assert "1 new fixable findings of high or worse > 0 (CVE-1 zlib, fix unknown)" in line.reason


@pytest.mark.parametrize(("fixed_in", "outcome"), [(None, Outcome.PASS), ("2.0", Outcome.FAIL)])
def test_the_releases_own_image_scan_may_know_the_remedy(
    declared: World, fixed_in: str | None, outcome: Outcome
) -> None:
    same = replace(_FOUND, severity=Severity.LOW, fix_unknown=False, fixed_in=fixed_in)
    declared.scanners[StageKind.IMAGE_SCAN].result = Evidence(Tool("trivy", "1"), "one", {"packages": 31}, (same,))
    release = built(declared)
    declared.registry.scans[declared.digest(release)] = a_scan(_FOUND)

    result = declared.stage(release, "published_image")

    assert isinstance(result.record.result, Evidence)
    [finding] = result.record.result.findings
    assert (finding.fixed_in, finding.fix_unknown, finding.severity) == (fixed_in, False, Severity.HIGH)
    assert result.gates[0].outcome is outcome


def in_production(world: World, *findings: Finding) -> None:
    """A release with these findings takes production."""
    release = world.released()
    world.registry.scans[world.digest(release)] = a_scan(*findings)


def test_what_the_registry_found_in_production_is_not_new(declared: World) -> None:
    scanning(declared, RegistryScanning.OFF)
    in_production(declared, _FOUND)
    scanning(declared, RegistryScanning.REQUIRED)
    release = built(declared)
    other = replace(_FOUND, fingerprint="another", rule="CVE-2")
    declared.registry.scans[declared.digest(release)] = a_scan(_FOUND, other)

    evidence = published(declared, release)

    assert [(finding.rule, finding.is_new) for finding in evidence.findings] == [("CVE-1", False), ("CVE-2", True)]


def test_without_a_scan_of_what_is_in_production_everything_is_new(declared: World) -> None:
    scanning(declared, RegistryScanning.OFF)
    in_production(declared)
    declared.registry.scans.clear()
    scanning(declared, RegistryScanning.REQUIRED)
    release = built(declared)
    declared.registry.scans[declared.digest(release)] = a_scan(_FOUND)

    evidence = published(declared, release)

    assert [finding.is_new for finding in evidence.findings] == [True]
    assert (
        "Everything counts as new: of the image in production there is no scan: a registry of kind fake does not scan."
    ) in evidence.notes
    asked = declared.registry.scans_asked_for[-1]
    assert asked[2] <= declared.clock.now()
