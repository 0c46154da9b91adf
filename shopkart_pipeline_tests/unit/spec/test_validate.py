"""`shopkart validate`."""

import io
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.cli.validate import validate
from shopkart_pipeline_tests.unit.spec.declarations import HOME, SMALLEST


def _validated(file: Path) -> tuple[int, list[str]]:
    output = io.StringIO()
    code = validate(file, HOME, Console(file=output, soft_wrap=True, width=40))
    return code, output.getvalue().splitlines()


def test_a_valid_declaration_is_one_line_and_exit_code_zero(tmp_path: Path) -> None:
    file = tmp_path / "shopkart.yaml"
    file.write_text(SMALLEST)
    counted = "1 service, 18 stages, 25 gates, 2 environments; 1 left out, see `shopkart plan`"
    assert _validated(file) == (0, [f"{file}: valid: {counted}"])


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "shopkart.yaml"
    file.write_text(SMALLEST + "    stages: {lint: {disabled: no code yet}}\n")
    assert "2 left out, see `shopkart plan`" in _validated(file)[1][0]


def test_faults_are_one_line_each_with_their_number_and_exit_code_two(tmp_path: Path) -> None:
    file = tmp_path / "shopkart.yaml"
    file.write_text(SMALLEST + "    depends_on: [nobody]\n    stages: {own: {command: '[x]'}}\n")
    code, lines = _validated(file)
    assert code == 2
    assert lines == [
        f"{file}:9: services.catalog.depends_on[0]: there is no service nobody; known: catalog",
        f'{file}:10: services.catalog.stages.own.command: expected a list, got "[x]"; write ["[x]"]',
        "2 faults",
    ]


def test_one_fault_is_one_fault(tmp_path: Path) -> None:
    code, lines = _validated(tmp_path / "nowhere.yaml")
    assert (code, lines[-1]) == (2, "1 fault")
