"""Whatever a report holds, reading it gives a value or `ValueError`, and scanning gives evidence or says why not."""

from collections.abc import Callable
from contextlib import suppress
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
    sarif,
)
from shopkart_pipeline.adapters._advisories import index_of, vulnerabilities
from shopkart_pipeline.adapters._osv_documents import ADVISORY_FILE
from shopkart_pipeline.adapters._package_lock import installed_versions, parse_package_lock
from shopkart_pipeline_tests.hostile_reports import DOCUMENTS, mutated_json, mutated_text
from shopkart_pipeline_tests.scan_requests import SAMPLES

NOWHERE = Path("/nonexistent")
Parser = Callable[[bytes], object]
LOCK = (SAMPLES / "npm_audit/package-lock.json").read_text()
PLACES, PACKAGES = installed_versions(LOCK), parse_package_lock(LOCK)


def _judge(advisory: bytes) -> object:
    read = ADVISORY_FILE.validate_json(advisory)
    return vulnerabilities(index_of(read if isinstance(read, list) else [read]), PACKAGES)


JSON: dict[str, tuple[Parser, str]] = {
    "ruff": (lambda report: _ruff_check.parse(report, NOWHERE), "ruff/violations.json"),
    "eslint": (lambda report: _eslint_report.parse(report, NOWHERE), "eslint/violations.json"),
    "hadolint": (hadolint.parse, "hadolint/violations.json"),
    "sarif": (sarif.parse, "sarif/ruff.sarif"),
    "gitleaks": (_gitleaks_program.parse, "gitleaks/leaks.json"),
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
