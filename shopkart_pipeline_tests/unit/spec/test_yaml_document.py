"""YAML that is wrong, or that a reader could take for something else."""

from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.yaml_document import parse_document
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, faults_of, one_fault_of


def _value(text: str) -> Any:
    faults = Faults("test.yaml")
    document = parse_document(f"key: {text}\n", faults)
    assert not faults
    return document.value["key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("80", 80),
        ("-5", -5),
        ("0.5", 0.5),
        ("1.5e3", 1500.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ('"80"', "80"),
        ("yes", "yes"),
        ("on", "on"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("2026-10-18", "2026-10-18"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_text_is_a_number_or_truth_value_only_where_nobody_could_doubt_it(text: str, value: object) -> None:
    assert _value(text) == value
    assert type(_value(text)) is type(value)


def test_keys_are_text_whatever_they_look_like() -> None:
    document = parse_document("on: 1\n1: 2\ntrue: 3\n", Faults("test.yaml"))
    assert document.value == {"on": 1, "1": 2, "true": 3}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [1\n", 1, "not valid YAML"),
        ("a:\n\tb: 1\n", 2, "indent with spaces instead of tabs"),
        ("a: b: c\n", 1, "column 5"),
        ("a: {home}/git\n", 1, "put a value that begins with { in quotes"),
        ("a: @x\n", 1, "in quotes"),
        ("a: 'x\nb: 1\n", 2, "in what begins on line 1"),
        ("a: 1\n b: 2\n", 2, "indentation"),
        ("a: 1\nb: \x07\n", 2, "U+0007"),
    ],
)
def test_bad_syntax_is_one_fault_with_its_line_and_advice(tmp_path: Path, text: str, line: int, words: str) -> None:
    fault = one_fault_of(tmp_path, text)
    assert fault.line == line
    assert words in fault.message


def test_a_key_that_is_written_twice_is_a_fault_that_names_both_lines(tmp_path: Path) -> None:
    fault = one_fault_of(tmp_path, SMALLEST + "    owners: [team:other]\n")
    assert (fault.line, fault.path) == (9, "services.catalog.owners")
    assert "first on line 4" in fault.message


def test_a_service_that_is_declared_twice_is_a_fault(tmp_path: Path) -> None:
    fault = one_fault_of(tmp_path, SMALLEST + "  catalog: {}\n")
    assert (fault.line, fault.path) == (9, "services.catalog")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("    depends_on: &a [catalog2]\n    gates: *a\n", "the alias *a is not allowed"),
        ("    <<: {owners: []}\n", "the merge key << is not allowed"),
        ("    depends_on: !!python/tuple []\n", "the tag"),
        ("    ? [a]\n    : b\n", "a key has to be text"),
        ("---\nversion: 1\n", "second document"),
    ],
)
def test_yaml_beyond_plain_values_is_refused(tmp_path: Path, text: str, words: str) -> None:
    assert any(words in fault.message for fault in faults_of(tmp_path, SMALLEST + text))


def test_a_yaml_bomb_is_refused_without_unfolding_it(tmp_path: Path) -> None:
    levels = "".join(f"l{n + 1}: &l{n + 1} [{', '.join([f'*l{n}'] * 9)}]\n" for n in range(9))
    faults = faults_of(tmp_path, "version: 1\nl0: &l0 [lol]\n" + levels)
    assert sum("alias" in fault.message for fault in faults) == 81


@pytest.mark.parametrize(
    "deep", ["[" * 500 + "]" * 500, "[" * 900_000, "{" * 900_000, "{a: " * 200_000, "? " * 400_000]
)
def test_nesting_beyond_reason_is_refused_at_once(tmp_path: Path, deep: str) -> None:
    fault = one_fault_of(tmp_path, f"version: 1\nservices: {deep}\n")
    assert "levels deep" in fault.message or "not valid YAML" in fault.message
