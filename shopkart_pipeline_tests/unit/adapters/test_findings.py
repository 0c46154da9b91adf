"""Findings are known again when their lines have moved."""

import os
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._findings import Located, findings_of, fingerprints
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.scan_requests import write_files


def said(line: int | None, path: str = "a.py", rule: str = "F401") -> Located:
    return Located(rule, Severity.LOW, "unused", path, line)


def test_a_finding_whose_line_moved_is_not_new(tmp_path: Path) -> None:
    base = write_files(tmp_path / "base", {"a.py": "import os\n"})
    tree = write_files(tmp_path / "tree", {"a.py": "# more\n\n  import   os\n"})

    findings = findings_of([said(3)], tree, fingerprints(findings_of([said(1)], base)))

    assert [finding.is_new for finding in findings] == [False]


def test_one_more_of_the_same_in_a_file_is_new(tmp_path: Path) -> None:
    base = write_files(tmp_path / "base", {"a.py": "eval(x)\n"})
    tree = write_files(tmp_path / "tree", {"a.py": "eval(x)\n\neval(x)\n"})

    findings = findings_of([said(1), said(3)], tree, fingerprints(findings_of([said(1)], base)))

    assert [(finding.line, finding.is_new) for finding in findings] == [(1, False), (3, True)]


def test_rule_file_and_text_tell_findings_apart(tmp_path: Path) -> None:
    tree = write_files(tmp_path, {"a.py": "x\ny\n", "b.py": "x\n"})

    findings = findings_of([said(1), said(2), said(1, "b.py"), said(1, rule="F821")], tree)

    assert len(fingerprints(findings)) == 4


def test_a_finding_without_a_readable_line_is_kept(tmp_path: Path) -> None:
    findings = findings_of([said(None), said(99), said(1, "gone.py")], tmp_path)

    assert len(findings) == 3
    assert len(fingerprints(findings)) == 3


@pytest.mark.parametrize("path", ["../outside.py", "link.py", "{outside}", "pipe", "a\0b", "loop", "/dev/zero"])
def test_no_file_outside_of_the_tree_and_nothing_but_a_file_is_looked_into(tmp_path: Path, path: str) -> None:
    tree, outside = write_files(tmp_path / "tree", {}), tmp_path / "outside.py"
    (tree / "link.py").symlink_to(outside)
    (tree / "loop").symlink_to("loop")
    os.mkfifo(tree / "pipe")
    named = path.format(outside=outside)

    outside.write_text("one\n")
    one = findings_of([said(1, named)], tree)
    outside.write_text("two\n")
    two = findings_of([said(1, named)], tree)

    assert fingerprints(one) == fingerprints(two)


@pytest.mark.parametrize("line", [0, -1, 10**30])
def test_a_line_that_no_file_has_is_left_out(tmp_path: Path, line: int) -> None:
    [finding] = findings_of([said(line)], tmp_path)

    assert finding.line is None


def test_what_a_tool_says_about_lines_is_of_unknown_remedy(tmp_path: Path) -> None:
    [finding] = findings_of([said(1)], write_files(tmp_path, {"a.py": "import os\n"}))

    assert finding.fix_unknown
