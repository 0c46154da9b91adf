"""Files that can't be declarations."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.errors import DeclarationError
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline_tests.unit.spec.declarations import HOME, SMALLEST, one_fault_of, pipeline_of


def test_a_missing_file_is_a_fault_and_exit_code_two(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as caught:
        load(tmp_path / "nowhere.yaml", home=HOME)
    assert caught.value.exit_code == 2
    assert (
        str(caught.value)
        == f"{tmp_path}/nowhere.yaml:1: (file): there is no such file; write one, or name the one that is meant"
    )


def test_a_folder_is_told_apart_from_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="this is a folder"):
        load(tmp_path, home=HOME)


def test_a_name_that_no_system_takes_is_a_fault() -> None:
    with pytest.raises(DeclarationError, match="can't be read"):
        load(Path("a\0b"), home=HOME)


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing yet\n", "---\n", "~\n"])
def test_an_empty_declaration_says_how_to_begin(tmp_path: Path, content: str) -> None:
    fault = one_fault_of(tmp_path, content)
    assert "empty" in fault.message
    assert "version: 1" in fault.message


@pytest.mark.parametrize("content", ["- a\n", "text\n", "5\n"])
def test_a_top_level_without_keys_is_a_fault(tmp_path: Path, content: str) -> None:
    assert "expected keys with values at the top" in one_fault_of(tmp_path, content).message


def test_a_file_over_one_mebibyte_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    fault = one_fault_of(tmp_path, "#" * (1024 * 1024 + 1))
    assert "larger than 1024 KiB" in fault.message


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    fault = one_fault_of(tmp_path, b"version: 1\n# caf\xe9\n")
    assert (fault.line, fault.message) == (2, "the byte 0xe9 is not UTF-8; save the file as UTF-8")


def test_utf16_is_not_utf8(tmp_path: Path) -> None:
    assert "not UTF-8" in one_fault_of(tmp_path, SMALLEST.encode("utf-16")).message


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    assert pipeline_of(tmp_path, "\ufeff" + SMALLEST).services


def test_windows_line_ends_change_nothing_but_the_digest(tmp_path: Path) -> None:
    unix = pipeline_of(tmp_path, SMALLEST)
    file = tmp_path / "shopkart.yaml"
    file.write_bytes(SMALLEST.replace("\n", "\r\n").encode())
    windows = load(file, home=HOME)
    assert windows.services == unix.services
    assert windows.digest != unix.digest


def test_lines_are_counted_right_with_windows_line_ends(tmp_path: Path) -> None:
    broken = (SMALLEST + "    onwers: []\n").replace("\n", "\r\n")
    assert one_fault_of(tmp_path, broken.encode()).line == 9
