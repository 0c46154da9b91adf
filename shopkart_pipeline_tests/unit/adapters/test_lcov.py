"""LCOV, as recorded from c8, Node.js and coverage.py and as it comes broken."""

from pathlib import Path

import pytest

from shopkart_pipeline.adapters import _coverage_report
from shopkart_pipeline.adapters.lcov import parse, relocated
from shopkart_pipeline_tests.scan_requests import SAMPLES, write_files

NOT_RUN = {14, 15}
"""Lines of `cart.js` that no recorded test runs."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = ("web/cart.js", "web/test/cart.test.js", "web/shop/core.py", "web/shop/__init__.py")
    return write_files(tmp_path / "tree", dict.fromkeys(files, ""))


def sample(name: str) -> bytes:
    return (SAMPLES / "coverage" / name).read_bytes()


@pytest.mark.parametrize("name", ["c8.info", "node.info"])
def test_javascript_is_read_line_by_line(tree: Path, name: str) -> None:
    coverage = parse(sample(name), tree, "web")

    lines = coverage.lines["web/cart.js"]
    assert (len(lines), {line for line, hit in lines.items() if not hit}) == (19, NOT_RUN)
    assert coverage.strange == ()


def test_pythons_empty_files_have_no_lines(tree: Path) -> None:
    coverage = parse(sample("coverage_py.info"), tree, "web")

    assert coverage.lines == {"web/shop/__init__.py": {}, "web/shop/core.py": {4: True, 5: True, 6: True, 7: False}}


def test_absolute_names_and_those_from_the_root_are_found(tree: Path) -> None:
    for name in (f"{tree}/web/cart.js", "web/cart.js", "./web/cart.js"):
        assert parse(f"SF:{name}\nDA:1,1\nend_of_record\n".encode(), tree, "web").lines == {"web/cart.js": {1: True}}


def test_files_that_are_not_in_the_repository_are_given_apart(tree: Path) -> None:
    (tree.parent / "secret.js").write_text("")
    report = b"SF:../../secret.js\nDA:1,1\nend_of_record\nSF:gone.js\nDA:1,1\nend_of_record\n"

    assert parse(report, tree, "web").strange == ("../../secret.js", "gone.js")


def test_several_records_of_a_file_add_up(tree: Path) -> None:
    record = "TN:{}\nSF:cart.js\nDA:1,{}\nDA:2,0\nend_of_record\n"

    report = (record.format("a", 0) + record.format("b", 3)).encode()

    assert parse(report, tree, "web").lines == {"web/cart.js": {1: True, 2: False}}


@pytest.mark.parametrize(("hits", "run"), [("1", True), ("0", False), ("-3", False), ("1e+20", True), ("2,c3ab", True)])
def test_counts_come_in_several_forms(tree: Path, hits: str, run: bool) -> None:
    report = f"SF:cart.js\r\nDA:7,{hits}\r\nend_of_record\r\n".encode()

    assert parse(report, tree, "web").lines == {"web/cart.js": {7: run}}


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (b"", "neither Cobertura XML nor LCOV"),
        (b"TN:\n", "neither Cobertura XML nor LCOV"),
        (b"all fine\n", "neither Cobertura XML nor LCOV"),
        (b"SF:cart.js\nDA:1,1\n", "the record of cart.js is not ended"),
        (b"SF:cart.js\nDA:1,1\nSF:b.js\n", "begins a file in the middle of cart.js"),
        (b"SF:cart.js\nDA:1,1\nLF:9\nend_of_record\n", "9 lines of cart.js are announced, but only 1 reported"),
        (b"SF:cart.js\nDA:one,1\nend_of_record\n", "line 2 is not LCOV"),
        (b"DA:1,1\n", "line 1 is not LCOV"),
        (b"SF:cart.js\nLF:many\n", "line 2 is not LCOV"),
    ],
)
def test_what_was_cut_off_or_is_something_else_is_refused(tree: Path, report: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(report, tree, "web")


def test_a_recorded_report_that_was_cut_off_is_refused(tree: Path) -> None:
    with pytest.raises(ValueError, match="is not LCOV"):
        parse(sample("truncated.info"), tree, "web")


def test_a_report_is_recognised_by_what_is_in_it(tree: Path) -> None:
    xml = b'\xef\xbb\xbf <coverage><packages><class filename="cart.js"><lines/></class></packages></coverage>'

    assert _coverage_report.read(xml, tree, "web").lines == {"web/cart.js": {}}
    assert "web/cart.js" in _coverage_report.read(sample("c8.info"), tree, "web").lines


def test_a_huge_report_is_read(tree: Path) -> None:
    report = b"SF:cart.js\n" + b"".join(b"DA:%d,1\n" % line for line in range(1, 300_001)) + b"end_of_record\n"

    assert parse(report, tree, "web").covered == 300_000


@pytest.mark.parametrize("name", ["c8.info", "node.info", "coverage_py.info"])
def test_a_relocated_report_says_the_same_by_paths_of_the_repository(tree: Path, name: str) -> None:
    moved = relocated(sample(name), tree, "web")

    assert parse(moved, tree, "nowhere") == parse(sample(name), tree, "web")


def test_a_relocated_report_leaves_out_what_is_not_in_the_repository(tree: Path) -> None:
    known, strange = "SF:web/cart.js\nDA:1,1\nend_of_record\n", "SF:/gone.js\nDA:1,1\nend_of_record\n"

    assert relocated(f"TN:\n{strange}{known}{strange}".encode(), tree, ".") == known.encode()
