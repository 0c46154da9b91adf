"""Cobertura XML, as recorded from coverage.py and as it comes broken."""

from pathlib import Path

import pytest

from shopkart_pipeline.adapters.cobertura import parse, relocated
from shopkart_pipeline_tests.scan_requests import SAMPLES, write_files

CORE = {1: True, 2: True, 3: True, 4: False, 7: True, 8: False}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_files(tmp_path / "work-copy", {"backend/src/shop/core.py": "", "backend/src/shop/__init__.py": ""})


def sample(name: str, root: Path) -> bytes:
    return (SAMPLES / "coverage" / name).read_bytes().replace(b"/work-copy", str(root).encode())


@pytest.mark.parametrize("name", ["cobertura.xml", "cobertura_package.xml"])
def test_files_are_found_from_the_folders_that_were_watched(tree: Path, name: str) -> None:
    coverage = parse(sample(name, tree / "backend"), tree, "backend")

    assert coverage.lines == {"backend/src/shop/core.py": CORE, "backend/src/shop/__init__.py": {}}
    assert (coverage.coverable, coverage.covered, coverage.strange) == (6, 4, ())


@pytest.mark.parametrize("name", ["cobertura.xml", "cobertura_package.xml"])
def test_a_report_is_read_where_its_folders_are_named_relative_to_the_repository(tree: Path, name: str) -> None:
    moved = sample(name, Path("backend"))

    assert parse(moved, tree, ".").lines["backend/src/shop/core.py"] == CORE


def test_files_that_are_not_in_the_repository_are_given_apart(tree: Path) -> None:
    coverage = parse(sample("cobertura.xml", Path("/elsewhere")), tree, "frontend")

    assert coverage.coverable == 0
    assert coverage.strange == ("src/shop/__init__.py", "src/shop/core.py")


def test_a_file_outside_of_the_repository_is_strange(tree: Path) -> None:
    (tree.parent / "secret.py").write_text("")
    report = b'<coverage><sources/><packages><class filename="../secret.py"><lines/></class></packages></coverage>'

    assert parse(report, tree, ".").strange == ("../secret.py",)


def test_a_file_named_twice_is_covered_where_either_says_so(tree: Path) -> None:
    one = '<class filename="backend/src/shop/core.py"><lines><line number="1" hits="{}"/></lines></class>'
    report = f"<coverage><packages>{one.format(0)}{one.format(3)}</packages></coverage>"

    assert parse(report.encode(), tree, ".").lines["backend/src/shop/core.py"] == {1: True}


@pytest.mark.parametrize(
    "report",
    [b"", b"<coverage/>", b"<testsuites/>", b"<coverage><packages>", b'<!DOCTYPE x [<!ENTITY a "b">]><coverage/>'],
)
def test_nonsense_is_refused(tree: Path, report: bytes) -> None:
    with pytest.raises(ValueError, match="not"):
        parse(report, tree, ".")


def test_a_report_that_was_cut_off_is_refused(tree: Path) -> None:
    with pytest.raises(ValueError, match="not readable"):
        parse(sample("truncated.xml", tree), tree, ".")


@pytest.mark.parametrize("name", ["cobertura.xml", "cobertura_package.xml"])
def test_a_relocated_report_says_the_same_by_paths_of_the_repository(tree: Path, name: str) -> None:
    report = sample(name, tree / "backend")

    moved = relocated(report, tree, "backend")

    assert b"<source" not in moved
    assert str(tree).encode() not in moved
    assert parse(moved, tree, "nowhere").lines == parse(report, tree, "backend").lines


def test_a_relocated_report_leaves_out_what_is_not_in_the_repository(tree: Path) -> None:
    moved = relocated(sample("cobertura.xml", Path("/elsewhere")), tree, "frontend")

    assert parse(moved, tree, ".").strange == ()
    with pytest.raises(ValueError, match="not"):
        relocated(b"<testsuites/>", tree, ".")
