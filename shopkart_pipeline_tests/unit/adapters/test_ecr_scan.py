"""Every state that ECR's scan can be in, both shapes of its findings, and answers that can't be right."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shopkart_pipeline.adapters._ecr_api import EcrApi
from shopkart_pipeline.adapters.ecr import EcrRegistry
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.evidence import Finding, Severity, fingerprint_of
from shopkart_pipeline.ports.registry import NotScanned, RegistryScan
from shopkart_pipeline_tests.fakes.fake_clock import NOON, FakeClock

_SAMPLES = Path(__file__).parents[2] / "samples" / "ecr"
_DIGEST = "sha256:74b2c688c700ec95a93e478cdb959737c148df3fbf5ea706abe0318726e885e6"
_DONE = {"imageScanCompletedAt": datetime(2025, 3, 4, 11, tzinfo=UTC)}


class FakeEcr:
    """Answers `describe_image_scan_findings` from a script whose last line is repeated."""

    def __init__(self, *answers: Mapping[str, Any] | str) -> None:
        self.answers = list(answers)
        self.queries: list[dict[str, Any]] = []
        self.started: list[dict[str, Any]] = []
        self.refuses_to_start: str | None = None

    def describe_image_scan_findings(self, **query: Any) -> Mapping[str, Any]:
        self.queries.append(query)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, str):
            raise ClientError({"Error": {"Code": answer, "Message": "as AWS says"}}, "DescribeImageScanFindings")
        return answer

    def start_image_scan(self, **query: Any) -> Mapping[str, Any]:
        self.started.append(query)
        if self.refuses_to_start:
            raise ClientError({"Error": {"Code": self.refuses_to_start, "Message": "no"}}, "StartImageScan")
        return {}


def page(status: str, description: str = "", **findings: Any) -> dict[str, Any]:
    """An answer; with findings or without any."""
    document: dict[str, Any] = {"imageScanStatus": {"status": status, "description": description}}
    return document | ({"imageScanFindings": findings} if findings else {})


def sample(name: str) -> dict[str, Any]:
    document = json.loads((_SAMPLES / f"{name}.json").read_text())
    held = document["imageScanFindings"]
    # As boto3 gives them.
    for key in ("imageScanCompletedAt", "vulnerabilitySourceUpdatedAt"):
        held[key] = datetime.fromisoformat(held[key])
    return document


def read(api: FakeEcr, clock: FakeClock | None = None, seconds: float = 60.0) -> RegistryScan | NotScanned:
    clock = clock or FakeClock()
    registry = EcrRegistry(EcrApi(lambda: api), clock)  # pyright: ignore[reportArgumentType]
    return registry.scan_findings("sample-repo", _DIGEST, clock.now() + timedelta(seconds=seconds))


def scan_of(*answers: Mapping[str, Any] | str) -> RegistryScan:
    result = read(FakeEcr(*answers))
    assert isinstance(result, RegistryScan), result
    return result


def reason_of(*answers: Mapping[str, Any] | str) -> str:
    result = read(FakeEcr(*answers))
    assert isinstance(result, NotScanned), result
    return result.reason


# States.


@pytest.mark.parametrize("status", ["COMPLETE", "ACTIVE"])
def test_a_scan_that_is_through_without_findings_is_a_result(status: str) -> None:
    scan = scan_of(page(status, **_DONE))

    assert (scan.findings, scan.scanned_at) == ((), _DONE["imageScanCompletedAt"])


@pytest.mark.parametrize("status", ["IN_PROGRESS", "PENDING"])
def test_a_scan_under_way_is_waited_for(status: str) -> None:
    clock = FakeClock()

    result = read(FakeEcr(page(status), page(status), page("COMPLETE", **_DONE)), clock)

    assert isinstance(result, RegistryScan)
    assert clock.slept_seconds == 2.0 + 3.0


def test_an_image_that_is_watched_from_now_on_has_a_result_only_after_the_first_look() -> None:
    clock = FakeClock()

    result = read(FakeEcr(page("ACTIVE", "Continuous scan is selected for image."), page("ACTIVE", **_DONE)), clock)

    assert isinstance(result, RegistryScan)
    assert result.tool.name == "Amazon Inspector"
    assert clock.slept_seconds == 2.0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (page("PENDING"), "it is PENDING"),
        (page("IN_PROGRESS"), "it is IN_PROGRESS"),
        (page("ACTIVE"), "it is ACTIVE, but ECR names no time at which it was through"),
        (page("COMPLETE"), "it is COMPLETE, but ECR names no time at which it was through"),
        ("ScanNotFoundException", "no scan of the image has begun; one was asked for"),
    ],
)
def test_a_scan_that_is_not_through_in_time_is_no_result(answer: Mapping[str, Any] | str, words: str) -> None:
    clock = FakeClock()

    result = read(FakeEcr(answer), clock, seconds=30.0)

    assert result == NotScanned(f"ECR's scan was not through in time: {words}")
    assert clock.slept_seconds <= 30.0


@pytest.mark.parametrize(
    "status",
    [
        *("FAILED", "UNSUPPORTED_IMAGE", "FINDINGS_UNAVAILABLE", "SCAN_ELIGIBILITY_EXPIRED"),
        *("LIMIT_EXCEEDED", "IMAGE_ARCHIVED", "IMAGE_SIZE_EXCEEDED", "SOMETHING_NEW"),
    ],
)
def test_a_scan_that_ended_otherwise_is_no_result_and_not_waited_for(status: str) -> None:
    clock = FakeClock()

    result = read(FakeEcr(page(status, "as AWS says", **_DONE)), clock)

    assert result == NotScanned(f"ECR's scan ended without a result ({status}: as AWS says)")
    assert clock.slept_seconds == 0


def test_an_answer_without_a_state_is_no_result() -> None:
    assert reason_of({}) == "ECR's scan ended without a result (nothing)"


def test_where_no_scan_begins_one_is_asked_for_once() -> None:
    missing = "ScanNotFoundException"
    api = FakeEcr(missing, missing, missing, page("IN_PROGRESS"), page("COMPLETE", **_DONE))

    assert isinstance(read(api), RegistryScan)
    assert api.started == [{"repositoryName": "sample-repo", "imageId": {"imageDigest": _DIGEST}}]


def test_a_scan_that_begins_a_moment_after_the_push_is_not_asked_for() -> None:
    api = FakeEcr("ScanNotFoundException", page("IN_PROGRESS"), page("COMPLETE", **_DONE))

    assert isinstance(read(api), RegistryScan)
    assert api.started == []


@pytest.mark.parametrize("code", ["LimitExceededException", "ValidationException", "AccessDeniedException"])
def test_a_scan_that_may_not_be_asked_for_may_still_come(code: str) -> None:
    api = FakeEcr("ScanNotFoundException", "ScanNotFoundException", page("COMPLETE", **_DONE))
    api.refuses_to_start = code
    never = FakeEcr("ScanNotFoundException")
    never.refuses_to_start = code

    assert isinstance(read(api), RegistryScan)
    result = read(never, seconds=10.0)
    assert isinstance(result, NotScanned)
    assert result.reason.endswith(f"no scan of the image has begun; ECR does not start one ({code})")


def test_a_deadline_that_is_past_asks_once_and_starts_nothing() -> None:
    api, clock = FakeEcr("ScanNotFoundException"), FakeClock()

    result = read(api, clock, seconds=0.0)

    assert isinstance(result, NotScanned)
    assert (len(api.queries), api.started, clock.slept_seconds) == (1, [], 0)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ImageNotFoundException", "ServerException"])
def test_a_question_that_aws_does_not_answer_is_an_error(code: str) -> None:
    with pytest.raises(ToolUnavailable, match=f"{code}.*DescribeImageScanFindings"):
        read(FakeEcr(code))


# Findings.


def test_basic_scanning_names_packages_and_knows_no_remedy() -> None:
    scan = scan_of(sample("basic"))

    assert (scan.tool.name, scan.tool.rules) == ("ECR basic scanning", "advisories of 2025-03-03")
    assert scan.findings[0] == Finding(
        rule="CVE-2019-5188",
        severity=Severity.HIGH,
        message="A code execution vulnerability exists in the directory rehashing functionality of E2fsprogs.",
        fingerprint=fingerprint_of("CVE-2019-5188", None, "e2fsprogs"),
        package="e2fsprogs",
        installed_version="1.44.1-1ubuntu1.1",
        fix_unknown=True,
        link="http://people.ubuntu.com/~ubuntu-security/cve/CVE-2019-5188",
    )
    assert [(each.rule, each.severity) for each in scan.findings[1:]] == [
        ("CVE-2024-0001", Severity.UNKNOWN),
        ("CVE-2024-0002", Severity.INFO),
    ]


def test_enhanced_scanning_names_each_package_and_what_fixes_it() -> None:
    scan = scan_of(sample("enhanced"))

    assert (scan.tool.name, scan.tool.rules) == ("Amazon Inspector", "advisories of 2025-03-04")
    seen = [
        (each.rule, each.severity.name, each.package, each.installed_version, each.fixed_in, each.fix_unknown)
        for each in scan.findings
    ]
    assert seen == [
        ("CVE-2024-6345", "CRITICAL", "setuptools", "65.5.1", "70.0.0", False),
        ("CVE-2025-0001", "UNKNOWN", "jinja2", "3.1.0", None, True),
        ("CVE-2022-49043", "HIGH", "libxml2", "2.9.14+dfsg-1.3~deb12u1", None, False),
        ("CVE-2022-49043", "HIGH", "libxml2-utils", "2.9.14+dfsg-1.3~deb12u1", None, False),
    ]
    assert scan.findings[0].path == "app/deps/setuptools-65.5.1.dist-info/METADATA"
    assert scan.findings[0].message.endswith("(suppressed in Inspector)")
    assert scan.findings[2].link == "https://security-tracker.debian.org/tracker/CVE-2022-49043"


def test_what_inspector_has_closed_is_over() -> None:
    closed = {"status": "CLOSED", "severity": "HIGH", "title": "CVE-1 - zlib"}

    assert scan_of(page("ACTIVE", enhancedFindings=[closed], **_DONE)).findings == ()


def test_a_vulnerability_is_recognised_by_every_scanner_of_ours() -> None:
    [first, *_] = scan_of(sample("basic")).findings

    # As `_vulnerability_evidence.fingerprint`, which Trivy and the advisory snapshots use.
    assert first.fingerprint == fingerprint_of(first.rule, None, first.package or "")


def test_what_ecr_said_is_kept_as_it_was() -> None:
    answer = sample("basic") | {"ResponseMetadata": {"RequestId": "not for keeping"}}

    [kept] = json.loads(scan_of(answer).raw.content)

    assert kept["imageScanFindings"]["findings"] == answer["imageScanFindings"]["findings"]
    assert "ResponseMetadata" not in kept


def test_links_that_are_none_and_endless_words_are_cut() -> None:
    odd = {"name": "CVE-1", "uri": "javascript:alert(1)", "description": "word " * 1000, "severity": "HIGH"}

    [finding] = scan_of(page("COMPLETE", findings=[odd], **_DONE)).findings

    assert finding.link is None
    assert len(finding.message) == 500


# Many pages, and answers that can't be right.


def a_finding(number: int) -> dict[str, Any]:
    return {"name": f"CVE-{number}", "severity": "LOW", "attributes": [{"key": "package_name", "value": "zlib"}]}


def test_all_pages_are_read() -> None:
    count = 2500
    starts = range(0, count, 1000)
    pages = [
        page("COMPLETE", findings=[a_finding(n) for n in range(start, min(start + 1000, count))], **_DONE)
        for start in starts
    ]
    pages[0]["imageScanFindings"]["findingSeverityCounts"] = {"LOW": count}
    for number, each in enumerate(pages[:-1]):
        each["nextToken"] = f"token-{number}"
    api = FakeEcr(*pages)

    result = read(api)

    assert isinstance(result, RegistryScan)
    assert len(result.findings) == count
    assert [query.get("nextToken") for query in api.queries] == [None, "token-0", "token-1"]
    assert {query["maxResults"] for query in api.queries} == {1000}


def test_an_answer_that_never_ends_is_no_result() -> None:
    endless = page("COMPLETE", findings=[a_finding(1)], **_DONE) | {"nextToken": "again"}
    api = FakeEcr(endless)

    assert read(api) == NotScanned("ECR's answer about the scan does not end after 200 pages")
    assert len(api.queries) == 200


@pytest.mark.parametrize("held", [[], [a_finding(1)]])
def test_fewer_findings_than_ecr_counts_are_no_result(held: list[dict[str, Any]]) -> None:
    answer = page("COMPLETE", findings=held, findingSeverityCounts={"HIGH": 1, "LOW": 1}, **_DONE)

    assert reason_of(answer) == f"ECR counts 2 findings of the scan and tells of {len(held)}"


def test_the_scan_of_another_image_is_no_result() -> None:
    other = f"sha256:{'1' * 64}"

    assert reason_of(page("COMPLETE", **_DONE) | {"imageId": {"imageDigest": other}}) == (
        f"ECR told of the scan of {other} instead"
    )


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ({"imageScanStatus": "COMPLETE"}, "imageScanStatus"),
        (page("COMPLETE", findings="none", **_DONE), "imageScanFindings.findings"),
        (page("COMPLETE", findings=[{"severity": "HIGH"}], **_DONE), "imageScanFindings.findings.0.name"),
    ],
)
def test_an_answer_that_cannot_be_read_is_no_result(answer: Mapping[str, Any], place: str) -> None:
    assert reason_of(answer) == f"ECR's answer about the scan can't be read at {place}"


def test_nobody_waits_longer_than_asked(subtests: pytest.Subtests) -> None:
    for seconds in (0.0, 1.0, 2.0, 17.0, 600.0):
        with subtests.test(seconds=seconds):
            clock = FakeClock()
            read(FakeEcr(page("PENDING")), clock, seconds)
            assert clock.now() <= NOON + timedelta(seconds=seconds)
