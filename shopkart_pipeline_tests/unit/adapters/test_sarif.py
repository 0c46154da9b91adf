"""SARIF 2.1.0, as recorded from ruff and as it comes broken."""

import json
from typing import Any

import pytest

from shopkart_pipeline.adapters.sarif import parse, without_snippets
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.scan_requests import SAMPLES


def log(*results: dict[str, Any], rules: tuple[dict[str, Any], ...] = (), **run: Any) -> bytes:
    driver = {"name": "scan", "version": "1.2", "rules": list(rules)}
    return json.dumps({"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results, **run}]}).encode()


def result(**details: Any) -> dict[str, Any]:
    return {"ruleId": "R1", "message": {"text": "bad"}, **details}


@pytest.mark.parametrize("document", [b"", b"[", b"[" * 100_000])
def test_nothing_is_kept_of_what_can_not_be_cleaned(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"EOF|recursion"):
        without_snippets(document)


def test_the_recorded_log_is_read() -> None:
    recorded = parse((SAMPLES / "sarif/ruff.sarif").read_bytes())

    assert recorded.tool.name == "ruff"
    assert [one.rule for one in recorded.said][:3] == ["F401", "F401", "B006"]
    assert (recorded.said[0].path, recorded.said[0].line) == ("/tree/app/bad.py", 1)
    assert recorded.said[0].link is not None


def test_a_security_score_wins_over_the_level() -> None:
    rules = ({"id": "R1", "properties": {"security-severity": "9.8"}, "defaultConfiguration": {"level": "note"}},)

    said = parse(log(result(level="note"), result(properties={"security-severity": "4.0"}), rules=rules)).said

    assert [one.severity for one in said] == [Severity.CRITICAL, Severity.MEDIUM]


def test_the_level_comes_from_the_rule_where_the_result_has_none() -> None:
    rules = ({"id": "R1", "defaultConfiguration": {"level": "error"}}, {"id": "R2"})

    said = parse(log(result(), result(ruleId=None, ruleIndex=1), rules=rules)).said

    assert [(one.rule, one.severity) for one in said] == [("R1", Severity.HIGH), ("R2", Severity.MEDIUM)]


def test_suppressed_results_are_counted_apart() -> None:
    parsed = parse(
        log(result(suppressions=[{"kind": "inSource"}]), result(suppressions=[{"status": "rejected"}]), result())
    )

    assert (len(parsed.said), parsed.suppressed) == (2, 1)


def test_a_clean_log_has_no_findings() -> None:
    assert parse(log()).said == ()


def test_a_run_without_results_is_not_clean() -> None:
    with pytest.raises(ValueError, match="gives no results"):
        parse(log(results=None))


def test_a_run_that_failed_is_not_clean() -> None:
    with pytest.raises(ValueError, match="says that it failed"):
        parse(log(invocations=[{"executionSuccessful": False}]))


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b'{"version": "2.1.0"}', b'{"version": "2.1.0", "runs": []}', b'{"version": "2.0.0"}'],
)
def test_nonsense_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        parse(content)


def test_a_log_that_was_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        parse((SAMPLES / "sarif/ruff.sarif").read_bytes()[:5000])


def test_paths_are_decoded() -> None:
    place = {"physicalLocation": {"artifactLocation": {"uri": "./src/a%20b.py"}, "region": {"startLine": 3}}}

    [one] = parse(log(result(locations=[place]))).said

    assert (one.path, one.line) == ("src/a b.py", 3)
