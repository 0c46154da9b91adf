"""Hadolint: real runs on small trees, and its recorded reports."""

from pathlib import Path

import pytest

from shopkart_pipeline.adapters.hadolint import Hadolint, parse
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.scan_requests import SAMPLES, a_request, evidence_of, reason_of

BAD = "FROM debian\nRUN apt-get install -y --no-install-recommends curl=1\n"
GOOD = "FROM debian:12\nUSER 1000\n"


def test_a_clean_dockerfile_leaves_evidence_without_findings(tmp_path: Path) -> None:
    evidence = evidence_of(Hadolint().scan(a_request(tmp_path, {"backend/Dockerfile": GOOD})))

    assert evidence.measures == {"violations": 0, "new_violations": 0, "dockerfiles": 1}


def test_violations_come_with_their_place(tmp_path: Path) -> None:
    request = a_request(tmp_path, {"backend/Dockerfile": GOOD, "backend/docker/dev.Dockerfile": BAD})

    [finding] = [one for one in evidence_of(Hadolint().scan(request)).findings if one.rule == "DL3006"]

    assert (finding.path, finding.line, finding.severity) == ("backend/docker/dev.Dockerfile", 1, Severity.MEDIUM)


def test_what_the_base_had_is_not_new(tmp_path: Path) -> None:
    request = a_request(tmp_path, {"backend/Dockerfile": f"# moved\n{BAD}"}, {"backend/Dockerfile": BAD})

    evidence = evidence_of(Hadolint().scan(request))

    assert evidence.measures["violations"] >= 1
    assert evidence.measures["new_violations"] == 0


def test_the_repositorys_configuration_is_used(tmp_path: Path) -> None:
    files = {"backend/Dockerfile": "FROM debian\n", ".hadolint.yaml": "ignored: [DL3006]\n"}

    assert evidence_of(Hadolint().scan(a_request(tmp_path, files))).measures["violations"] == 0


def test_a_service_without_dockerfile_says_so(tmp_path: Path) -> None:
    evidence = evidence_of(Hadolint().scan(a_request(tmp_path, {"backend/a.py": "x = 1\n"})))

    assert evidence.measures["dockerfiles"] == 0
    assert evidence.notes == ("The service has no Dockerfile.",)


def test_a_broken_configuration_is_no_evidence(tmp_path: Path) -> None:
    files = {"backend/Dockerfile": BAD, "backend/.hadolint.yaml": "ignored: {{{\n"}

    assert "configuration" in reason_of(Hadolint().scan(a_request(tmp_path, files)))


def test_a_file_that_is_no_dockerfile_is_a_severe_violation(tmp_path: Path) -> None:
    evidence = evidence_of(Hadolint().scan(a_request(tmp_path, {"backend/Dockerfile": "hello\n"})))

    assert [(finding.rule, finding.severity) for finding in evidence.findings] == [("DL1000", Severity.HIGH)]


def test_the_recorded_report_is_read() -> None:
    said = parse((SAMPLES / "hadolint/violations.json").read_bytes())

    assert [(one.path, one.rule) for one in said][:2] == [("D3", "DL1000"), ("Dockerfile", "DL3006")]
    assert {one.severity for one in said} == {Severity.HIGH, Severity.MEDIUM, Severity.LOW}


@pytest.mark.parametrize("report", [b"", b"{}", b'[{"level": "loud"}]', b"hadolint: crash"])
def test_nonsense_is_not_read_as_clean(report: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        parse(report)


def test_a_truncated_report_is_not_read() -> None:
    with pytest.raises(ValueError, match="EOF"):
        parse((SAMPLES / "hadolint/truncated.json").read_bytes())
