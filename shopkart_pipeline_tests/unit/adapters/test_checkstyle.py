"""Checkstyle XML, as recorded from several tools and as it comes broken."""

import pytest

from shopkart_pipeline.adapters import checkstyle
from shopkart_pipeline.adapters.checkstyle import parse
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.scan_requests import SAMPLES


def sample(name: str) -> bytes:
    return (SAMPLES / "checkstyle" / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("checkstyle.xml", {"LocalVariableNameCheck", "NeedBracesCheck"}),
        ("hadolint.xml", {"DL3006", "DL3003", "SC2164"}),
        ("shellcheck.xml", {"SC2086", "SC2034"}),
    ],
)
def test_recorded_reports_are_read(name: str, rules: set[str]) -> None:
    assert {one.rule.rpartition(".")[2] for one in parse(sample(name))} == rules


def test_a_finding_comes_with_place_severity_and_message() -> None:
    [info, warning] = parse(sample("shellcheck.xml"))

    assert (info.path, info.line, info.severity) == ("a.sh", 2, Severity.LOW)
    assert warning.severity is Severity.MEDIUM
    assert warning.message == "foo appears unused. Verify use (or export if used externally)."


def test_errors_are_severe_and_what_has_no_rule_is_still_a_finding() -> None:
    broken = [one for one in parse(sample("eslint.xml")) if one.path.endswith("broken.js")]

    assert [(one.rule, one.severity) for one in broken] == [("unnamed", Severity.HIGH)]
    assert broken[0].message == "Parsing error: Unexpected token ;"


def test_no_findings_are_no_findings() -> None:
    assert parse(b'<checkstyle version="4.3"><file name="a.sh"/></checkstyle>') == ()


def test_a_file_that_could_not_be_looked_at_makes_the_report_unusable() -> None:
    with pytest.raises(ValueError, match="could not look at a file: com"):
        parse(sample("exception.xml"))


def test_what_a_configuration_switched_off_is_no_finding() -> None:
    report = b'<checkstyle><file name="a"><error severity="ignore" message="x" source="r"/></file></checkstyle>'

    assert parse(report) == ()


@pytest.mark.parametrize("line", ["", "0", "-1", "x"])
def test_a_finding_may_mean_the_whole_file(line: str) -> None:
    report = f'<checkstyle><file name="./a"><error line="{line}" severity="error" source="r"/></file></checkstyle>'

    [one] = parse(report.encode())

    assert (one.path, one.line, one.message) == ("a", None, "r")


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"<testsuites/>",
        b'<checkstyle><file name="a"><error severity="terrible"/></file></checkstyle>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><checkstyle>&a;</checkstyle>',
    ],
)
def test_nonsense_and_entities_are_refused(report: bytes) -> None:
    with pytest.raises(ValueError, match=r"not readable|not checkstyle|unknown severity"):
        parse(report)


def test_a_report_that_was_cut_off_is_not_read() -> None:
    with pytest.raises(ValueError, match="not readable"):
        parse(sample("truncated.xml"))


def test_more_findings_than_can_be_told_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkstyle, "MAXIMUM_FINDINGS", 2)

    with pytest.raises(ValueError, match="more than 2 findings"):
        parse(sample("hadolint.xml"))
