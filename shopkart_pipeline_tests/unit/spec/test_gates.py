"""Gates: shipped limits, overrides and gates of one's own."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline.domain.policy import Comparison, FindingsRule, Gate, MeasureRule
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline.spec.words import rule_in_words
from shopkart_pipeline_tests.unit.spec.declarations import HOME, SMALLEST, service_fault_of, service_of


def _gate(service: Service, stage: str, name: str) -> Gate:
    [gate] = [gate for gate in service.gates if (gate.stage, gate.name) == (stage, name)]
    return gate


def test_the_shipped_gates_are_these(tmp_path: Path) -> None:
    gates = service_of(tmp_path).gates
    assert {f"{gate.stage}.{gate.name}": rule_in_words(gate.rule) for gate in gates} == {
        "lint.new_violations": "new_violations <= 0",
        "unit_tests.failed": "failed <= 0",
        "unit_tests.tests": "tests >= 1",
        "unit_tests.flaky": "flaky <= 3",
        "unit_tests.vanished": "findings of high or worse by vanished-test <= 0",
        "quality.new_violations": "new_violations <= 0",
        "quality.new_coverage_percent": "new_coverage_percent >= 80 (exempt while new_lines < 20)",
        "quality.new_duplicated_lines_percent": "new_duplicated_lines_percent <= 3 (exempt while new_lines < 20)",
        "quality.new_security_hotspots_reviewed_percent": "new_security_hotspots_reviewed_percent >= 100",
        "secret_scan.secrets": "findings of high or worse <= 0",
        "dependency_scan.vulnerabilities": "new fixable findings of high or worse <= 0",
        "dependency_scan.malicious_packages": "findings of info or worse by MAL-* <= 0",
        "application.licences": (
            "findings of info or worse by licence:AGPL-*, licence:BUSL-*, licence:Elastic-*, licence:GPL-*, "
            "licence:LicenseRef-Proprietary, licence:SSPL-*, licence:unknown <= 0"
        ),
        "image_scan.vulnerabilities": "new fixable findings of high or worse <= 0",
        "published_image.vulnerabilities": (
            "new fixable findings of high or worse <= 0 (exempt while registry_scans < 1)"
        ),
        "image_scan.credentials": "findings of high or worse by image-variable <= 0",
        "code_review.unreviewed": "findings of high or worse <= 0 (exempt while code_host < 1)",
        "staging.released": "released >= 1",
        "integration_tests.failed": "failed <= 0",
        "integration_tests.tests": "tests >= 1",
        "integration_tests.flaky": "flaky <= 3",
        "acceptance_tests.failed": "failed <= 0",
        "acceptance_tests.tests": "tests >= 1",
        "acceptance_tests.flaky": "flaky <= 3",
        "production.released": "released >= 1",
    }
    assert all(gate.description for gate in gates)


def test_an_override_keeps_what_it_does_not_say(tmp_path: Path) -> None:
    service = service_of(tmp_path, "    gates: {quality: {new_coverage_percent: {at_least: 70}}}\n")
    gate = _gate(service, "quality", "new_coverage_percent")
    assert gate.rule == MeasureRule("new_coverage_percent", Comparison.AT_LEAST, 70.0, "new_lines", 20.0)


def test_a_gate_limits_the_measure_of_its_own_name(tmp_path: Path) -> None:
    gate = _gate(service_of(tmp_path, "    gates: {image: {size_bytes: {at_most: 1000000}}}\n"), "image", "size_bytes")
    assert gate.rule == MeasureRule("size_bytes", Comparison.AT_MOST, 1_000_000.0)
    assert gate.description == "size_bytes <= 1e+06"


def test_a_gate_may_limit_another_measure(tmp_path: Path) -> None:
    more = "    gates: {unit_tests: {enough: {measure: tests, at_least: 50, description: Enough tests}}}\n"
    gate = _gate(service_of(tmp_path, more), "unit_tests", "enough")
    assert gate == Gate("enough", "unit_tests", "Enough tests", MeasureRule("tests", Comparison.AT_LEAST, 50.0))


def test_a_gate_of_ones_own_may_count_findings(tmp_path: Path) -> None:
    gate = _gate(service_of(tmp_path, "    gates: {lint: {low: {findings: low, at_most: 3}}}\n"), "lint", "low")
    assert gate.rule == FindingsRule(Severity.LOW, only_new=True, only_fixable=False, limit=3)


def test_a_gate_that_counts_findings_may_have_an_exemption(tmp_path: Path) -> None:
    more = "    gates: {lint: {low: {findings: low, at_most: 3, unless: {measure: files, below: 1}}}}\n"
    gate = _gate(service_of(tmp_path, more), "lint", "low")
    assert gate.rule == FindingsRule(Severity.LOW, limit=3, exempt_measure="files", exempt_below=1.0)


def test_gates_of_stages_of_ones_own_are_accepted(tmp_path: Path) -> None:
    more = "    stages: {own: {command: [x]}}\n    gates: {own: {failed: {at_most: 0}}}\n"
    assert _gate(service_of(tmp_path, more), "own", "failed")


def test_a_gate_is_left_out_only_with_a_reason_and_that_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "shopkart.yaml"
    file.write_text(SMALLEST + "    gates: {lint: {new_violations: {disabled: see SHOP-1}}}\n")
    service = load(file, home=HOME).services["catalog"]
    assert not [gate for gate in service.gates if gate.stage == "lint"]
    [left_out] = (each for each in service.left_out if each.gate)
    assert (left_out.service, left_out.stage, left_out.gate, left_out.reason) == (
        "catalog",
        "lint",
        "new_violations",
        "see SHOP-1",
    )


FAULTS = [
    ("qualtiy: {x: {at_most: 1}}", "gates.qualtiy", "there is no stage qualtiy; did you mean quality?"),
    ("lint: {x: {}}", "gates.lint.x", "the gate has no limit"),
    ("lint: {x: }", "gates.lint.x", "the gate has no limit"),
    (
        "lint: {new_violations: {at_least: 1}}",
        "gates.lint.new_violations.at_least",
        "has both at_least 1 and at_most 0",
    ),
    (
        "lint: {x_percent: {at_most: 100.5}}",
        "gates.lint.x_percent.at_most",
        "x_percent can't be more than 100 %, got 100.5",
    ),
    (
        "quality: {new_coverage_percent: {at_least: 8000}}",
        "gates.quality.new_coverage_percent.at_least",
        "can't be more than 100 %, got 8000",
    ),
    (
        "lint: {x: {at_most: 1, unless: {measure: y_percent, below: 101}}}",
        "gates.lint.x.unless.below",
        "y_percent can't be more than 100 %",
    ),
    ("lint: {x: {at_most: 1, only_new: true}}", "gates.lint.x.only_new", "only a gate with `findings`"),
    ("secret_scan: {secrets: {at_least: 1}}", "gates.secret_scan.secrets.at_least", "has no such key"),
    ("secret_scan: {secrets: {at_most: 0.5}}", "gates.secret_scan.secrets.at_most", "a whole number instead of 0.5"),
]


@pytest.mark.parametrize(("declared", "path", "words"), FAULTS)
def test_a_fault_of_a_gate_names_its_place(tmp_path: Path, declared: str, path: str, words: str) -> None:
    fault = service_fault_of(tmp_path, f"    gates: {{{declared}}}\n")
    assert (fault.line, fault.path) == (9, path)
    assert words in fault.message
