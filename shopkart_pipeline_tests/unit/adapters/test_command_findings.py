"""Linters that a stage declares: what they found, and what of it the base had already."""

from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.domain.declaration import Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline_tests.declared_commands import HERE, scanner, stage
from shopkart_pipeline_tests.scan_requests import SAMPLES, a_request, evidence_of, reason_of

LINTER = """
import pathlib, sys
from xml.sax.saxutils import quoteattr
said = []
for file in sorted(pathlib.Path.cwd().glob("*.txt")):
    for number, text in enumerate(file.read_text().splitlines(), start=1):
        if text == "crash":
            sys.exit("the linter broke down")
        if text.startswith("bad"):
            error = f'<error line="{number}" severity="error" source="no-bad"/>'
            said.append(f"<file name={quoteattr(str(file))}>{error}</file>")
pathlib.Path("lint.xml").write_text(f"<checkstyle>{''.join(said)}</checkstyle>")
sys.exit(1 if said else 0)
"""


def lint(kind: StageKind = StageKind.LINT) -> Stage:
    """A linter that does not like lines which begin with "bad", and crashes where one says so."""
    return stage(LINTER, kind=kind, checkstyle="lint.xml")


def linted(folder: Path, now: str, before: str | None, declared: Stage | None = None, **details: Any) -> Evidence:
    base = None if before is None else {"backend/a.txt": before}
    asked = a_request(folder, {"backend/a.txt": now}, base, stage=declared or lint(), environment=HERE, **details)
    return evidence_of(scanner().scan(asked))


def test_what_the_base_had_is_not_new_though_it_moved(tmp_path: Path) -> None:
    evidence = linted(tmp_path, "good\nbad old\nbad new\n", "bad old\n")

    assert evidence.measures == {"findings": 2, "violations": 2, "new_violations": 1, "suppressed": 0}
    assert [(each.path, each.line, each.is_new) for each in evidence.findings] == [
        ("backend/a.txt", 2, False),
        ("backend/a.txt", 3, True),
    ]
    assert evidence.summary == "checkstyle report: 2 findings (1 new)"
    assert evidence.notes == ()


def test_without_findings_the_base_is_not_looked_at(tmp_path: Path) -> None:
    evidence = linted(tmp_path, "good\n", "crash\n")

    assert evidence.measures["new_violations"] == 0
    assert not (tmp_path / "scratch/base").exists()


def test_without_a_base_everything_is_new(tmp_path: Path) -> None:
    assert linted(tmp_path, "bad\n", None).measures["new_violations"] == 1


def test_a_base_that_can_not_be_looked_at_makes_everything_new_and_says_so(tmp_path: Path) -> None:
    evidence = linted(tmp_path, "bad\n", "bad\ncrash\n")

    assert evidence.measures["new_violations"] == 1
    assert "the base could not be looked at (the command wrote no lint.xml" in evidence.notes[0]


def test_a_program_that_the_base_did_not_have_makes_everything_new(tmp_path: Path) -> None:
    script = f"#!{HERE}/bin/python\n{LINTER}"
    declared = Stage("lint", StageKind.LINT, lint().phase, (), 30.0, command=("./lint.sh",), checkstyle="lint.xml")
    asked = a_request(
        tmp_path, {"backend/a.txt": "bad\n", "backend/lint.sh": script}, {"backend/a.txt": "bad\n"}, stage=declared
    )
    (asked.tree / "backend/lint.sh").chmod(0o755)

    evidence = evidence_of(scanner().scan(asked))

    assert evidence.measures["new_violations"] == 1
    assert "Everything counts as new" in evidence.notes[0]


@pytest.mark.parametrize("kind", [StageKind.IMAGE_SCAN, StageKind.DEPENDENCY_SCAN, StageKind.COMMAND])
def test_a_command_that_may_look_at_more_than_the_source_finds_only_new_things(tmp_path: Path, kind: StageKind) -> None:
    evidence = linted(tmp_path, "bad\n", "bad\n", lint(kind))

    assert evidence.measures["new_violations"] == 1
    assert evidence.notes == ("Everything counts as new: the command may look at more than the source.",)


def test_a_linter_that_broke_down_is_no_evidence(tmp_path: Path) -> None:
    asked = a_request(tmp_path, {"backend/a.txt": "crash"}, stage=lint(), environment=HERE)

    reason = reason_of(scanner().scan(asked))

    assert reason == "the command wrote no lint.xml; the command ended with exit code 1: the linter broke down"


def test_findings_of_two_reports_are_counted_together(tmp_path: Path) -> None:
    sarif = (SAMPLES / "sarif/ruff.sarif").read_text()
    code = f"open('out.sarif', 'w').write({sarif!r})\n{LINTER}"
    declared = stage(code, kind=StageKind.LINT, checkstyle="lint.xml", sarif="out.sarif")

    evidence = linted(tmp_path, "bad\n", None, declared)

    assert evidence.measures["findings"] == 9
    assert evidence.summary.endswith("checkstyle report: 9 findings (9 new)")


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "lint.xml can't be read: not readable as XML"), ("<a/>", "lint.xml can't be read: not checkstyle XML")],
)
def test_a_report_that_can_not_be_read_is_no_evidence(tmp_path: Path, content: str, reason: str) -> None:
    declared = stage(f"open('lint.xml', 'w').write({content!r})", kind=StageKind.LINT, checkstyle="lint.xml")

    run = scanner().scan(a_request(tmp_path, {"backend/a.txt": ""}, stage=declared, environment=HERE))

    assert reason in reason_of(run)
    assert [report.name for report in run.raw] == ["checkstyle.xml"]


def test_a_report_in_the_repository_does_not_count(tmp_path: Path) -> None:
    declared = stage("pass", kind=StageKind.LINT, checkstyle="lint.xml")
    asked = a_request(tmp_path, {"backend/lint.xml": "<checkstyle/>"}, stage=declared, environment=HERE)

    assert reason_of(scanner().scan(asked)) == "the command wrote no lint.xml"


def test_a_report_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    declared = stage("import os; os.symlink('/etc/hostname', 'lint.xml')", kind=StageKind.LINT, checkstyle="lint.xml")

    run = scanner().scan(a_request(tmp_path, {"backend/a.txt": ""}, stage=declared, environment=HERE))

    assert "lint.xml can't be read" in reason_of(run)
    assert run.raw == ()
