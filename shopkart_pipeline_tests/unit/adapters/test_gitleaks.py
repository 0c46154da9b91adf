"""Gitleaks: its recorded reports, and a stand-in program that writes them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters import sarif
from shopkart_pipeline.adapters._gitleaks_program import parse
from shopkart_pipeline.adapters._report_limits import MAXIMUM_FINDINGS, MAXIMUM_REPORT_BYTES
from shopkart_pipeline.adapters.declared_command import DeclaredCommand
from shopkart_pipeline.adapters.gitleaks import Gitleaks
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Evidence, Severity
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.scan_requests import (
    SAMPLES,
    a_release,
    a_request,
    a_stage,
    evidence_of,
    reason_of,
    write_files,
)

SECRET = "AKIA" + "Z7QX4M2N5P6R3T4W"
LEAKING = f'import os\n\nAWS = "{SECRET}"\n'
BASELINE = ".gitleaks-baseline.json"
Files = dict[str, str]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first in `PATH` for a program called gitleaks."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "gitleaks"


def install(
    program: Path, report: str | bytes | None, exit_code: int, *, version: str = "v8.26.0", has_dir: bool = False
) -> None:
    """The program writes `report` to the path after `--report-path`, and its arguments to `arguments` beside it. In
    place of `?/a.py` it names the last file of that name that it was given."""
    folder, copy = program.parent, ""
    if report is not None:
        content = report.encode() if isinstance(report, str) else report
        (folder / "report.json").write_bytes(content)
        copy = f'[ "$1" = --report-path ] && cp "{folder}/report.json" "$2"'
        if named := re.search(rb"\?/([\w.]+)", content):
            place = f"$(ls -d */{named[1].decode()} | tail -n 1)"
            copy = copy.replace("cp ", f'sed "s#?/{named[1].decode()}#{place}#g" ').replace('" "$2"', '" > "$2"')
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = version ] && {{ echo {version}; exit 0; }}\n'
        f'[ "$1 $2" = "dir --help" ] && exit {0 if has_dir else 1}\n'
        f'echo "$@" > "{folder}/arguments"\n'
        f"while [ $# -gt 0 ]; do\n{copy}\nshift\ndone\nexit {exit_code}\n"
    )
    program.chmod(0o755)


def scan(
    folder: Path, files: Files | None = None, base: Files | None = None, **options: str
) -> tuple[Gitleaks, ScanRequest]:
    """A search in a release of `files`, which one commit brings over `base`."""
    files, scm = files or {"backend/a.py": LEAKING, "backend/b.py": "x = 1\n"}, FakeSourceControl()
    before = scm.add({path: text.encode() for path, text in (base or {"backend/b.py": "x = 1\n"}).items()})
    sha = scm.add({path: text.encode() for path, text in files.items()})
    stage = a_stage(StageKind.SECRET_SCAN, options=options)
    request = a_request(folder, files, base, release=a_release(sha, before), stage=stage)
    return Gitleaks(scm, folder / "key"), replace(request, base_commit=None if base is None else before)


def found(tmp_path: Path, program: Path, report: str, files: Files, base: Files | None, **options: str) -> Evidence:
    install(program, report, 42 if json.loads(report) else 0)
    scanner, request = scan(tmp_path, files, base, **options)
    return evidence_of(scanner.scan(request))


def reported(file: str, line: int = 3, last_line: int | None = None, rule: str = "aws-access-token") -> str:
    entry = {"RuleID": rule, "Description": "AWS", "File": file, "StartLine": line, "EndLine": last_line or line}
    return json.dumps([{**entry, "Secret": "REDACTED"}])


def baseline(file: str, rule: str = "aws-access-token") -> str:
    """A baseline as gitleaks writes it over a history, with one entry."""
    entry = json.loads((SAMPLES / "gitleaks/history-8.30.json").read_bytes())[1]
    return json.dumps([{**entry, "RuleID": rule, "File": file}])


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
        (reported("9/other.py"), 42, "names a file that it was not given"),
    ],
)
def test_a_run_that_does_not_add_up_is_no_evidence(
    tmp_path: Path, program: Path, report: str, exit_code: int, reason: str
) -> None:
    install(program, report, exit_code)
    scanner, request = scan(tmp_path)

    assert reason in reason_of(scanner.scan(request))


@pytest.mark.parametrize(
    ("version", "has_dir", "words"),
    [
        ("v8.19.0", False, "dir . --ignore-gitleaks-allow --redact"),
        ("8.18.4", True, "detect --no-git --source . --redact"),
        ("version is set by build process", True, "dir . --ignore-gitleaks-allow --redact"),
        ("version is set by build process", False, "detect --no-git --source . --redact"),
    ],
)
def test_old_and_new_programs_are_told_to_search_a_folder_and_to_mask(
    tmp_path: Path, program: Path, version: str, has_dir: bool, words: str
) -> None:
    install(program, "[]", 0, version=version, has_dir=has_dir)
    scanner, request = scan(tmp_path)

    evidence_of(scanner.scan(request))

    assert (program.parent / "arguments").read_text().startswith(words)


def test_a_build_that_does_not_tell_its_version_is_named_by_its_content(tmp_path: Path, program: Path) -> None:
    install(program, "[]", 0, version="version is set by build process")
    scanner, request = scan(tmp_path)

    assert evidence_of(scanner.scan(request)).tool.version.startswith("unknown (sha256:")


@pytest.mark.parametrize(("version", "report"), [("8.19.0", reported("0/a.py")), ("8.18.0", "[]")])
def test_a_line_that_is_marked_as_allowed_is_left_out_and_told(
    tmp_path: Path, program: Path, version: str, report: str
) -> None:
    install(program, report, 42 if json.loads(report) else 0, version=version)
    scanner, request = scan(tmp_path, {"backend/a.py": f'\n\nAWS = "{SECRET}"  # gitleaks:allow\n'})

    evidence = evidence_of(scanner.scan(request))

    assert (evidence.measures["secrets"], evidence.measures["allowed"]) == (0, 1)
    assert "1 lines marked gitleaks:allow were left out: backend/a.py:3" in evidence.notes[0]


def test_a_secret_of_the_baseline_is_found_but_not_new_also_after_its_line_moved(tmp_path: Path, program: Path) -> None:
    listed = baseline("backend/a.py")
    files = {BASELINE: listed, "backend/a.py": f"# more\n{LEAKING}"}
    base = {BASELINE: listed, "backend/a.py": LEAKING}

    evidence = found(tmp_path, program, reported("?/a.py", 4), files, base, baseline=BASELINE)

    [finding] = evidence.findings
    assert (finding.is_new, finding.path, finding.line) == (False, "backend/a.py", 4)
    assert (evidence.measures["secrets"], evidence.measures["secrets_in_baseline"]) == (1, 1)
    expected = f"1 secrets that the base had are named in {BASELINE}: backend/a.py:4 (aws-access-token)."
    assert evidence.notes == (expected,)


@pytest.mark.parametrize(
    ("files", "base", "report"),
    [
        pytest.param(
            {BASELINE: baseline("backend/a.py"), "backend/a.py": LEAKING},
            {"backend/a.py": "import os\n"},
            reported("?/a.py"),
            id="the entry and the secret come together",
        ),
        pytest.param(
            {BASELINE: baseline("backend/a.py"), "backend/a.py": LEAKING},
            {BASELINE: baseline("backend/a.py"), "backend/a.py": "import os\n"},
            reported("?/a.py"),
            id="the entry was put there beforehand",
        ),
        pytest.param(
            {BASELINE: baseline("backend/a.py"), "backend/a.py": LEAKING},
            {BASELINE: baseline("backend/a.py"), "backend/a.py": LEAKING.replace("4W", "4Q")},
            reported("?/a.py"),
            id="another secret takes the place",
        ),
        pytest.param(
            {BASELINE: baseline("backend/a.py"), "backend/c.py": LEAKING},
            {BASELINE: baseline("backend/a.py"), "backend/a.py": LEAKING},
            reported("?/c.py"),
            id="the secret is in another file",
        ),
        pytest.param(
            {BASELINE: baseline("backend/a.py", "github-pat"), "backend/a.py": f"{LEAKING}x = 1\n"},
            {BASELINE: baseline("backend/a.py", "github-pat"), "backend/a.py": LEAKING},
            reported("?/a.py"),
            id="the entry is about another rule",
        ),
        pytest.param(
            {BASELINE: baseline("backend/a.py"), "backend/a.py": LEAKING}, None, reported("?/a.py"), id="no base"
        ),
    ],
)
def test_a_baseline_hides_no_secret_that_a_release_brings(
    tmp_path: Path, program: Path, files: Files, base: Files | None, report: str
) -> None:
    evidence = found(tmp_path, program, report, files, base, baseline=BASELINE)

    assert [finding.is_new for finding in evidence.findings] == [True]
    assert evidence.measures["secrets_in_baseline"] == 0


def test_a_private_key_in_the_place_of_another_is_new(tmp_path: Path, program: Path) -> None:
    def key(middle: str) -> str:
        return f"-----BEGIN RSA PRIVATE KEY-----\n{middle}\n-----END RSA PRIVATE KEY-----\n"

    files = {BASELINE: baseline("backend/k.pem", "private-key"), "backend/k.pem": key("two") + key("one")}
    base = {BASELINE: files[BASELINE], "backend/k.pem": key("one")}
    leaks = [
        *json.loads(reported("?/k.pem", 1, 3, "private-key")),
        *json.loads(reported("?/k.pem", 4, 6, "private-key")),
    ]

    evidence = found(tmp_path, program, json.dumps(leaks), files, base, baseline=BASELINE)

    assert [(finding.line, finding.is_new) for finding in evidence.findings] == [(1, True), (4, False)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "can't be read: there is none"),
        ("{}", "no report of gitleaks"),
        ("[" * 100_000, "no report of gitleaks: Invalid JSON: recursion limit exceeded"),
    ],
)
def test_a_baseline_that_is_declared_has_to_be_there(
    tmp_path: Path, program: Path, content: str | None, reason: str
) -> None:
    install(program, "[]", 0)
    scanner, request = scan(
        tmp_path, {"backend/a.py": "", **({BASELINE: content} if content else {})}, baseline=BASELINE
    )

    assert reason in reason_of(scanner.scan(request))


def test_a_baseline_outside_of_the_repository_is_not_read(tmp_path: Path, program: Path) -> None:
    (tmp_path / "outside.json").write_text("[]")
    install(program, "[]", 0)
    scanner, request = scan(tmp_path, baseline="../outside.json")

    assert reason_of(scanner.scan(request)) == "../outside.json leads out of the repository"


def test_new_rules_of_the_search_and_a_file_that_is_not_read_are_told(tmp_path: Path, program: Path) -> None:
    files = {".gitleaks.toml": "title = 'new'\n", ".gitleaksignore": "a.py:x:1\n", "backend/a.py": "x = 1\n"}

    evidence = found(tmp_path, program, "[]", files, {".gitleaks.toml": "title = 'old'\n"})

    assert evidence.tool.rules == ".gitleaks.toml of the repository"
    assert evidence.notes == (
        "The release changes the rules of the search: .gitleaks.toml is not what it was.",
        ".gitleaksignore is not read: name a baseline instead.",
    )


def test_what_a_baseline_holds_is_an_input_of_the_result(tmp_path: Path, program: Path) -> None:
    install(program, "[]", 0)
    scanner, one = scan(tmp_path / "1", {"backend/a.py": "", BASELINE: "[]"}, baseline=BASELINE)
    _, other = scan(tmp_path / "2", {"backend/a.py": "", BASELINE: "[ ]"}, baseline=BASELINE)

    assert scanner.inputs(one) != scanner.inputs(other)


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


@pytest.mark.parametrize("version", ["8.16", "8.26", "8.30"])
def test_recorded_reports_of_every_version_say_the_same(version: str) -> None:
    leaks = parse((SAMPLES / f"gitleaks/folder-{version}.json").read_bytes())

    assert sorted((leak.file, leak.rule, leak.line, leak.last_line) for leak in leaks) == [
        ("0/a.py", "aws-access-token", 3, 3),
        ("1/b.py", "github-pat", 2, 2),
        ("1/key.py", "private-key", 1, 4),
    ]


def test_recorded_sarif_of_gitleaks_is_read_by_the_import() -> None:
    log = sarif.parse((SAMPLES / "gitleaks/history-8.30.sarif").read_bytes())

    assert log.tool.name == "gitleaks"
    assert sorted((one.rule, one.path, one.line) for one in log.said) == [
        ("aws-access-token", "backend/a.py", 3),
        ("github-pat", "backend/b.py", 2),
        ("private-key", "backend/key.py", 1),
    ]


def test_gitleaks_as_a_declared_command_finds_critical_secrets_and_stores_none(tmp_path: Path) -> None:
    masked = (SAMPLES / "gitleaks/history-8.30.sarif").read_bytes()
    write_files(tmp_path, {"results.sarif": masked.replace(b'"REDACTED"', f'"{SECRET}"'.encode())})
    command = ("sh", "-c", f"cp {tmp_path}/results.sarif results.sarif; exit 1")
    stage = a_stage(StageKind.SECRET_SCAN, command=command, sarif="results.sarif")

    run = DeclaredCommand(FakeSourceControl()).scan(a_request(tmp_path, {"backend/a.py": LEAKING}, stage=stage))

    evidence = evidence_of(run)
    assert {finding.severity for finding in evidence.findings} == {Severity.CRITICAL}
    assert [finding.path for finding in evidence.findings] == ["backend/a.py", "backend/b.py", "backend/key.py"]
    assert SECRET.encode() not in repr(run).encode() + run.raw[0].content


def test_recorded_sarif_without_secrets_is_clean_and_not_missing() -> None:
    assert sarif.parse((SAMPLES / "gitleaks/clean-8.30.sarif").read_bytes()).said == ()


@pytest.mark.parametrize("report", [b"", b"{}", b"null", b"[{}]", b"[1]"])
def test_nonsense_is_refused(report: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        parse(report)


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (b"[" + b'{"RuleID":"r","Description":"","File":"0/a.py","StartLine":1},' * MAXIMUM_FINDINGS, "EOF"),
        (
            b"["
            + b",".join([b'{"RuleID":"r","Description":"","File":"0/a.py","StartLine":1}'] * (MAXIMUM_FINDINGS + 1))
            + b"]",
            f"at most {MAXIMUM_FINDINGS} items",
        ),
        (b" " * (MAXIMUM_REPORT_BYTES + 1), "it wrote more than 64 MiB"),
    ],
    ids=["cut off", "too many", "too big"],
)
def test_a_huge_report_is_refused_with_its_reason(tmp_path: Path, program: Path, report: bytes, reason: str) -> None:
    install(program, report, 42)
    scanner, request = scan(tmp_path)

    assert reason in reason_of(scanner.scan(request))
