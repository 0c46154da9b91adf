"""Gitleaks: its recorded reports, and a stand-in program that writes them."""

import json
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.gitleaks import Gitleaks, parse
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.scan_requests import SAMPLES, a_release, a_request, evidence_of, reason_of

SECRET = "AKIA" + "Z7QX4M2N5P6R3T8W"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first in `PATH` for a program called gitleaks."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "gitleaks"


def install(program: Path, report: str, exit_code: int) -> None:
    """The program writes `report` to the path after `--report-path`."""
    (program.parent / "report.json").write_text(report)
    program.write_text(
        "#!/bin/sh\n"
        '[ "$1" = version ] && { echo v8.26.0; exit 0; }\n'
        "while [ $# -gt 0 ]; do\n"
        f'  [ "$1" = --report-path ] && cp "{program.parent}/report.json" "$2"\n'
        "  shift\n"
        f"done\nexit {exit_code}\n"
    )
    program.chmod(0o755)


def scan(folder: Path) -> tuple[Gitleaks, ScanRequest]:
    scm = FakeSourceControl()
    base = scm.add({"backend/b.py": b"x = 1\n"})
    sha = scm.add({"backend/a.py": f'\n\nAWS = "{SECRET}"\n'.encode()})
    files = {"backend/a.py": f'\n\nAWS = "{SECRET}"\n', "backend/b.py": "x = 1\n"}
    return Gitleaks(scm, folder / "key"), a_request(folder, files, release=a_release(sha, base))


def reported(file: str, line: int = 3) -> str:
    entry = {"RuleID": "aws-access-token", "Description": "AWS", "File": file, "StartLine": line, "Secret": "REDACTED"}
    return json.dumps([entry])


def test_leaks_become_findings_with_their_place_in_the_repository(tmp_path: Path, program: Path) -> None:
    install(program, reported("0/a.py"), 42)
    scanner, request = scan(tmp_path)

    run = scanner.scan(request)

    evidence = evidence_of(run)
    [finding] = evidence.findings
    assert (finding.rule, finding.path, finding.line) == ("aws-access-token", "backend/a.py", 3)
    assert (evidence.tool.version, evidence.measures["secrets"], evidence.measures["files_scanned"]) == ("8.26.0", 1, 2)
    assert SECRET not in repr(run) + run.raw[0].content.decode()


def test_a_clean_report_is_evidence(tmp_path: Path, program: Path) -> None:
    install(program, (SAMPLES / "gitleaks/clean.json").read_text(), 0)
    scanner, request = scan(tmp_path)

    assert evidence_of(scanner.scan(request)).measures["secrets"] == 0


@pytest.mark.parametrize(
    ("report", "exit_code", "reason"),
    [
        ("[]", 1, "exit code 1"),
        ("[]", 42, "exit code 42, but reported 0"),
        (reported("0/a.py"), 0, "exit code 0, but reported 1"),
        ("", 0, "no readable report"),
        ((SAMPLES / "gitleaks/truncated.json").read_text(), 42, "no readable report"),
        (reported("9/other.py"), 42, "names others"),
    ],
)
def test_a_run_that_does_not_add_up_is_no_evidence(
    tmp_path: Path, program: Path, report: str, exit_code: int, reason: str
) -> None:
    install(program, report, exit_code)
    scanner, request = scan(tmp_path)

    assert reason in reason_of(scanner.scan(request))


def test_an_absent_program_is_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    scanner, request = scan(tmp_path)

    assert scanner.unavailable() == "gitleaks is not installed"
    assert reason_of(scanner.scan(request)) == "gitleaks is not installed"


def test_the_recorded_report_is_read() -> None:
    leaks = parse((SAMPLES / "gitleaks/leaks.json").read_bytes())

    assert [(leak.rule, leak.file, leak.line) for leak in leaks] == [
        ("github-pat", "commits/c0ffee/backend/b.py", 1),
        ("aws-access-token", "tree/backend/a.py", 3),
    ]


@pytest.mark.parametrize("report", [b"", b"{}", b"null", b"[{}]", b"[1]"])
def test_nonsense_is_refused(report: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        parse(report)
