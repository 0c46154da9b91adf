"""npm's reports, as npm wrote them and as nobody should trust them."""

import json
from typing import Any

import pytest

from shopkart_pipeline.adapters._npm_range import first_after, holds
from shopkart_pipeline.adapters._npm_report import parse
from shopkart_pipeline.adapters._package_lock import installed_versions, parse_package_lock
from shopkart_pipeline.adapters._semver import parse_semver
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.scan_requests import SAMPLES

FOLDER = SAMPLES / "npm_audit"
LOCK = (FOLDER / "package-lock.json").read_text()
PLACES, PACKAGES = installed_versions(LOCK), parse_package_lock(LOCK)


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def changed(**changes: Any) -> bytes:
    """The vulnerable report with other parts."""
    return json.dumps({**json.loads(read("vulnerable.json")), **changes}).encode()


def with_advice(**changes: Any) -> bytes:
    """The vulnerable report, its first advice changed."""
    report = json.loads(read("vulnerable.json"))
    report["vulnerabilities"]["lodash"]["via"][0] |= changes
    return json.dumps(report).encode()


def test_each_advisory_about_each_version_is_read() -> None:
    found = parse(read("vulnerable.json"), PLACES, PACKAGES)

    assert [(one.id, one.package.name, one.package.version, one.severity, one.fixed_in) for one in found] == [
        ("GHSA-p6mc-m468-83gw", "lodash", "4.17.15", Severity.HIGH, "4.17.19"),
        ("GHSA-29mw-wpgm-hmr9", "lodash", "4.17.15", Severity.MEDIUM, "4.17.21"),
        ("GHSA-xvch-5gv4-984h", "minimist", "0.0.8", Severity.CRITICAL, "0.2.4"),
        ("GHSA-xvch-5gv4-984h", "minimist", "1.2.0", Severity.CRITICAL, "1.2.6"),
    ]
    assert all(one.package in PACKAGES for one in found)
    assert found[0].link == "https://github.com/advisories/GHSA-p6mc-m468-83gw"


def test_a_clean_report_is_clean() -> None:
    assert parse(read("clean.json"), PLACES, PACKAGES) == []


def test_the_report_of_npm_6_is_read() -> None:
    found = parse(read("version_1.json"), PLACES, PACKAGES)

    assert [(one.id, one.package.name, one.package.version, one.severity, one.fixed_in) for one in found] == [
        ("GHSA-p6mc-m468-83gw", "lodash", "4.17.15", Severity.HIGH, "4.17.19"),
        ("npm-1179", "minimist", "0.0.8", Severity.LOW, "0.2.1"),
        ("npm-1179", "minimist", "1.2.0", Severity.LOW, "1.2.3"),
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("not_allowed.json", "405 Method Not Allowed"),
        ("connection_refused.json", "connect ECONNREFUSED"),
        ("no_lock.json", "requires an existing lockfile"),
        ("version_1_refused.json", "may not support audit requests"),
    ],
)
def test_a_refusal_is_not_clean(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(read(name), PLACES, PACKAGES)


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        b"\xff\xfe",
        b"npm is not happy",
        b'{"error": {}}',
        b'{"error": "no"}',
        b'{"message": null}',
        read("vulnerable.json")[:900],
        read("version_1.json")[:900],
        changed(auditReportVersion=3),
        changed(vulnerabilities={}),
        changed(vulnerabilities=None),
        changed(metadata={}),
        changed(metadata={"vulnerabilities": {"total": 3}, "dependencies": {"total": 4}}),
        with_advice(severity="catastrophic"),
        with_advice(range=">=9.0.0"),
        with_advice(range=None),
    ],
)
def test_what_is_no_whole_report_is_not_clean(report: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(report, PLACES, PACKAGES)


@pytest.mark.parametrize(
    ("path", "value"),
    [("vulnerabilities", {"low": 0}), ("totalDependencies", 0)],
)
def test_a_report_of_npm_6_that_counts_otherwise_is_not_clean(path: str, value: Any) -> None:
    report = json.loads(read("version_1.json"))
    report["metadata"][path] = value

    with pytest.raises(ValueError, match=r"counts otherwise|looked at 0"):
        parse(json.dumps(report).encode(), PLACES, PACKAGES)


def test_a_package_that_is_vulnerable_through_nothing_that_is_told_is_not_passed_over() -> None:
    report = json.loads(read("vulnerable.json"))
    report["vulnerabilities"]["mkdirp"]["via"] = ["somebody"]

    with pytest.raises(ValueError, match="does not tell of somebody"):
        parse(json.dumps(report).encode(), PLACES, PACKAGES)


def test_an_address_that_is_none_leads_nowhere() -> None:
    [first, *_] = parse(with_advice(url="javascript:alert(1)"), PLACES, PACKAGES)

    assert (first.id, first.link) == ("npm-2000000", "https://osv.dev/vulnerability/npm-2000000")


def test_a_fix_that_npm_knows_of_and_does_not_name_is_one() -> None:
    report = json.loads(with_advice(range="*"))
    named = parse(json.dumps(report).encode(), PLACES, PACKAGES)[0]
    report["vulnerabilities"]["lodash"]["fixAvailable"] = True
    unnamed = parse(json.dumps(report).encode(), PLACES, PACKAGES)[0]
    report["vulnerabilities"]["lodash"]["fixAvailable"] = False
    none = parse(json.dumps(report).encode(), PLACES, PACKAGES)[0]

    assert (named.fixed_in, named.fix_unknown) == ("4.17.21 of lodash", False)
    assert (unnamed.fixed_in, unnamed.fix_unknown) == (None, True)
    assert (none.fixed_in, none.fix_unknown) == (None, False)


def test_a_huge_report_is_read() -> None:
    advice = {"source": 1, "name": "lodash", "url": "", "severity": "low", "range": "*"}
    entry = {"via": [{**advice, "source": number} for number in range(20_000)], "nodes": ["node_modules/lodash"]}
    total = {"vulnerabilities": {"total": 1}, "dependencies": {"total": 5}}

    assert len(parse(changed(vulnerabilities={"lodash": entry}, metadata=total), PLACES, PACKAGES)) == 20_000


@pytest.mark.parametrize(
    ("text", "version", "inside", "after"),
    [
        ("<1.2.6", "1.2.0", True, "1.2.6"),
        ("<1.2.6", "1.2.6", False, None),
        (">=1.0.0 <1.2.6", "0.9.0", False, None),
        (">= 1.0.0 < 1.2.6", "1.2.5", True, "1.2.6"),
        ("<0.2.1 || >=1.0.0 <1.2.3", "1.2.0", True, "1.2.3"),
        ("<0.2.1 || >=1.0.0 <1.2.3", "0.0.8", True, "0.2.1"),
        ("<=2.0.0", "2.0.0", True, "after 2.0.0"),
        ("=2.0.0", "2.0.0", True, "after 2.0.0"),
        ("2.0.0", "2.0.0", True, "after 2.0.0"),
        (">2.0.0", "2.0.0", False, None),
        (">2.0.0", "2.0.1", True, None),
        ("*", "2.0.1", True, None),
        ("", "2.0.1", True, None),
        ("^1.0.0", "2.0.1", True, None),
        ("1.0.0 - 2.0.0", "9.0.0", True, None),
    ],
)
def test_a_range_holds_what_its_comparators_hold(text: str, version: str, inside: bool, after: str | None) -> None:
    assert holds(text, parse_semver(version)) is inside
    assert first_after(text, parse_semver(version)) == after
