"""Whatever a report holds, reading it gives a value or `ValueError`, and scanning gives evidence or says why not."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopkart_pipeline.adapters import (
    _eslint_report,
    _gitleaks_program,
    _npm_report,
    _ruff_check,
    _test_list,
    checkstyle,
    cobertura,
    hadolint,
    junit,
    lcov,
    pip_audit,
    sarif,
)
from shopkart_pipeline.adapters._advisories import index_of, vulnerabilities
from shopkart_pipeline.adapters._osv_documents import ADVISORY_FILE
from shopkart_pipeline.adapters._package_lock import installed_versions, parse_package_lock
from shopkart_pipeline.adapters._trivy_report import TrivyReport, stored_report
from shopkart_pipeline.adapters.gitleaks import Gitleaks
from shopkart_pipeline.adapters.hadolint import Hadolint
from shopkart_pipeline.adapters.ruff import Ruff
from shopkart_pipeline.adapters.trivy_fs import TrivyFs
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline.ports.scanner import Scanner
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.hostile_reports import DOCUMENTS, mutated_json, mutated_text
from shopkart_pipeline_tests.scan_requests import NOON, SAMPLES, a_release, a_request, a_stage, write_files
from shopkart_pipeline_tests.trivy_database import write_metadata

NOWHERE = Path("/nonexistent")
Parser = Callable[[bytes], object]
LOCK = (SAMPLES / "npm_audit/package-lock.json").read_text()
PLACES, PACKAGES = installed_versions(LOCK), parse_package_lock(LOCK)


def _judge(advisory: bytes) -> object:
    read = ADVISORY_FILE.validate_json(advisory)
    return vulnerabilities(index_of(read if isinstance(read, list) else [read]), PACKAGES)


def _read_trivy(report: bytes) -> object:
    read = TrivyReport(report)
    told = read.findings(read.fingerprints(), "backend"), read.suppressed({}), read.system_notes()
    return *told, stored_report(report, "image", {})


JSON: dict[str, tuple[Parser, str]] = {
    "ruff": (lambda report: _ruff_check.parse(report, NOWHERE), "ruff/violations.json"),
    "eslint": (lambda report: _eslint_report.parse(report, NOWHERE), "eslint/violations.json"),
    "hadolint": (hadolint.parse, "hadolint/violations.json"),
    "sarif": (sarif.parse, "sarif/ruff.sarif"),
    "gitleaks": (_gitleaks_program.parse, "gitleaks/leaks.json"),
    "gitleaks history": (_gitleaks_program.parse, "gitleaks/history-8.30.json"),
    "trivy": (_read_trivy, "trivy/vulnerabilities.json"),
    "trivy suppressed": (_read_trivy, "trivy/folder_vex.json"),
    "sarif of gitleaks": (sarif.parse, "gitleaks/history-8.30.sarif"),
    "pip-audit": (lambda report: pip_audit.parse(report, PACKAGES), "pip_audit/vulnerable.json"),
    "list of tests": (_test_list.read, "junit/tests.json"),
    "npm audit": (lambda report: _npm_report.parse(report, PLACES, PACKAGES), "npm_audit/vulnerable.json"),
    "npm audit 6": (lambda report: _npm_report.parse(report, PLACES, PACKAGES), "npm_audit/version_1.json"),
    "package-lock": (lambda lock: parse_package_lock(lock.decode(errors="replace")), "npm_audit/package-lock.json"),
    "advisory": (_judge, "osv/advisory.json"),
}
TEXT: dict[str, tuple[Parser, str]] = {
    "junit": (junit.parse, "pytest/failures.xml"),
    "surefire": (junit.parse, "junit/surefire.xml"),
    "checkstyle": (checkstyle.parse, "checkstyle/eslint.xml"),
    "lcov": (lambda report: lcov.parse(report, NOWHERE, "backend"), "coverage/coverage_py.info"),
    "cobertura": (lambda report: cobertura.parse(report, NOWHERE, "backend"), "coverage/cobertura.xml"),
}
PARSERS = JSON | TEXT


def read_or_refuse(parse: Parser, report: bytes) -> None:
    """Anything but a value or `ValueError` fails the test."""
    with suppress(ValueError):
        parse(report)


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("name", PARSERS)
def test_a_strange_document_is_read_or_refused(name: str, document: str) -> None:
    read_or_refuse(PARSERS[name][0], DOCUMENTS[document])


@pytest.mark.parametrize("name", JSON)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_real_report_with_other_values_is_read_or_refused(name: str, data: st.DataObject) -> None:
    parse, sample = JSON[name]

    read_or_refuse(parse, mutated_json((SAMPLES / sample).read_bytes(), data.draw))


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_report_is_read_or_refused(name: str, data: st.DataObject) -> None:
    parse, sample = PARSERS[name]

    read_or_refuse(parse, mutated_text((SAMPLES / sample).read_bytes(), data.draw))


class StandIns:
    """Programs that write one document wherever a report is expected from them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        # Adapters look beside the running interpreter first.
        monkeypatch.setattr(sys, "executable", str(folder / "python"))
        for name in ("ruff", "hadolint", "pip-audit", "gitleaks", "trivy"):
            program = folder / name
            program.write_text(
                "#!/bin/sh\n"
                f'[ "$1" = version ] && {{ echo 8.26.0; exit 0; }}\n'
                'for word in "$@"; do [ "$word" = --show-files ] && { echo backend/a.py; exit 0; }; done\n'
                "while [ $# -gt 0 ]; do\n"
                f'case "$1" in --output|--report-path) cp "{folder}/document" "$2"; exit 0;; esac\n'
                "shift\ndone\n"
                f'cat "{folder}/document"\n'
            )
            program.chmod(0o755)


SCANNERS: dict[str, Callable[[Path], Scanner]] = {
    "ruff": lambda folder: Ruff(),
    "hadolint": lambda folder: Hadolint(),
    "pip-audit": lambda folder: pip_audit.PipAudit("http://127.0.0.1:9"),
    "gitleaks": lambda folder: Gitleaks(FakeSourceControl(), folder / "key"),
    "trivy-fs": lambda folder: TrivyFs(write_metadata(folder / "cache", NOON), FixedClock(NOON)),
}
FILES = {"backend/a.py": "x = 1\n", "backend/Dockerfile": "FROM x\n", "backend/requirements.lock": "h11==0.14.0\n"}
CLEAN = {"ruff": {"empty list"}, "hadolint": {"empty list"}, "gitleaks": {"empty list"}}
"""Which of the documents say that nothing was found."""


@pytest.mark.parametrize("name", SCANNERS)
def test_a_scan_that_gets_a_strange_document_says_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = write_files(tmp_path / "programs", {})
    StandIns(programs, monkeypatch)

    for number, (kind, document) in enumerate(DOCUMENTS.items()):
        (programs / "document").write_bytes(document)
        folder = tmp_path / str(number)
        scanner = SCANNERS[name](folder)
        request = a_request(folder, FILES, stage=a_stage(timeout_seconds=60.0))
        if isinstance(scanner, Gitleaks):
            scm = FakeSourceControl()
            base, sha = scm.add({}), scm.add({path: text.encode() for path, text in FILES.items()})
            scanner = Gitleaks(scm, folder / "key")
            request = replace(request, release=a_release(sha, base))

        result = scanner.scan(request).result

        assert isinstance(result, Evidence if kind in CLEAN.get(name, ()) else EvidenceMissing), (kind, result)
        assert isinstance(result, Evidence) or result.reason
