"""The search for secrets with the real gitleaks, whatever version is installed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters import sarif
from shopkart_pipeline.adapters._gitleaks_program import gitleaks_executable
from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.adapters.gitleaks import Gitleaks
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.scan_requests import a_release, a_request, a_stage, evidence_of, write_files

SECRET = "AKIA" + "Z7QX4M2N5P6R3T4W"
OTHER = "AKIA" + "Q2W3E4R5T6Y7U2I3"
LINE = 'AWS = "{}"\n'
BASELINE = "security/secrets.json"
Files = dict[str, str]


def search(folder: Path, base: Files, *commits: Files, **options: str) -> Evidence:
    """A release of these commits, one after the other, over `base`."""
    scm = FakeSourceControl()
    shas = [scm.add({path: text.encode() for path, text in files.items()}) for files in (base, *commits)]
    stage = a_stage(StageKind.SECRET_SCAN, options=options)
    request = a_request(folder, commits[-1], base, stage=stage, release=a_release(shas[-1], shas[0]))
    run = Gitleaks(scm, folder / "key").scan(replace(request, base_commit=shas[0]))
    told = repr(run).encode() + b"".join(report.content for report in run.raw) + request.log.read_bytes()
    assert not any(secret.encode() in told for secret in (SECRET, OTHER))
    return evidence_of(run)


def gitleaks_report(folder: Path, files: Files, kind: str, *options: str) -> bytes:
    """What gitleaks itself writes about a folder of these files."""
    executable, tree = gitleaks_executable(), write_files(folder, files)
    assert executable is not None
    words = ["detect", "--no-git", "--source", ".", "--report-format", kind, "--report-path", "../report", *options]
    assert run(Command([executable, *words], tree, 60.0)).exit_code == 1
    return (folder.parent / "report").read_bytes()


def test_a_secret_is_found_in_the_tree_and_one_that_was_taken_away_in_the_history(tmp_path: Path) -> None:
    clean = {"backend/a.py": "x = 1\n", "backend/b.py": "y = 1\n"}
    between = {**clean, "backend/b.py": "y = 1\n" + LINE.format(OTHER)}

    evidence = search(tmp_path, clean, between, {**clean, "backend/a.py": "x = 1\n" + LINE.format(SECRET)})

    assert [(one.rule, one.path, one.line, one.is_new) for one in evidence.findings] == [
        ("aws-access-token", "backend/a.py", 2, True),
        ("aws-access-token", "backend/b.py", 2, True),
    ]
    assert "a later commit took it away" in evidence.findings[1].message
    assert evidence.tool.version != "unknown"


def test_without_secrets_nothing_is_found(tmp_path: Path) -> None:
    evidence = search(tmp_path, {"backend/a.py": "x = 1\n"}, {"backend/a.py": "x = 2\n"})

    assert (evidence.findings, evidence.measures["files_scanned"]) == ((), 1)


def test_a_baseline_that_gitleaks_wrote_accepts_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    legacy = {"backend/a.py": LINE.format(SECRET)}
    listed = {BASELINE: gitleaks_report(tmp_path / "legacy", legacy, "json", "--redact").decode()}

    evidence = search(
        tmp_path, legacy, {**listed, "backend/a.py": LINE.format(OTHER) + LINE.format(SECRET)}, baseline=BASELINE
    )

    assert json.loads(listed[BASELINE])[0]["Secret"] == "REDACTED"
    assert [(one.line, one.is_new) for one in evidence.findings] == [(1, True), (2, False)]
    assert evidence.measures["secrets_in_baseline"] == 1


def test_a_line_that_is_marked_as_allowed_is_left_out_and_told(tmp_path: Path) -> None:
    marked = {"backend/a.py": LINE.format(SECRET).rstrip() + "  # gitleaks:allow\n"}

    evidence = search(tmp_path, {"backend/a.py": ""}, marked)

    assert (evidence.measures["secrets"], evidence.measures["allowed"]) == (0, 1)
    assert any("backend/a.py:1" in note for note in evidence.notes)


@pytest.mark.parametrize("name", ["../../x.py", "-x.py", "a b\u202e.py", ".gitleaksignore"])
def test_no_file_name_leads_the_search_astray(tmp_path: Path, name: str) -> None:
    evidence = search(tmp_path, {"backend/a.py": ""}, {f"backend/{Path(name).name}": LINE.format(SECRET)})

    assert [finding.rule for finding in evidence.findings] == ["aws-access-token"]


def test_its_sarif_is_read_by_the_import(tmp_path: Path) -> None:
    log = sarif.parse(gitleaks_report(tmp_path / "tree", {"a.py": LINE.format(SECRET)}, "sarif", "--redact"))

    assert [(one.rule, one.path, one.line) for one in log.said] == [("aws-access-token", "a.py", 1)]
