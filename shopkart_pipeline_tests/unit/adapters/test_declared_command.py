"""Declared commands: what they get, what they may not touch, and when they leave evidence."""

from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.declared_command import DeclaredCommand
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Severity, ToolRun
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.declared_commands import HERE, request, scanner, stage, writing
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.scan_requests import (
    SAMPLES,
    a_release,
    a_request,
    a_service,
    a_stage,
    evidence_of,
    reason_of,
)

PASSED = (SAMPLES / "pytest/passed.xml").read_text()
FAILED = (SAMPLES / "pytest/failures.xml").read_text()


def test_passed_tests_are_measured(tmp_path: Path) -> None:
    run = scanner().scan(request(tmp_path, writing("junit.xml", PASSED, junit="junit.xml")))

    evidence = evidence_of(run)
    assert evidence.measures["tests"] == evidence.measures["passed"] == 1
    assert evidence.measures["failed"] == evidence.measures["errors"] == 0
    assert evidence.measures["flaky"] == evidence.measures["vanished"] == 0
    assert [report.name for report in run.raw] == ["junit.xml", "tests.json"]


def test_what_a_report_says_about_the_browser_is_a_note_of_the_evidence(tmp_path: Path) -> None:
    said = "none: over HTTP, because none of chromium, chromium-browser is installed"
    report = (SAMPLES / "pytest/browser.xml").read_text().replace("chromium 156.0.8078.108", said)

    evidence = evidence_of(scanner().scan(request(tmp_path, writing("junit.xml", report, junit="junit.xml"))))

    assert evidence.notes[0] == f"browser: {said}"


def test_failed_tests_are_findings_with_their_place(tmp_path: Path) -> None:
    files = {"backend/tests/test_a.py": "\n" * 20}

    evidence = evidence_of(
        scanner().scan(request(tmp_path, writing("junit.xml", FAILED, exit_code=1, junit="junit.xml"), files))
    )

    assert (evidence.measures["failed"], evidence.measures["errors"]) == (6, 2)
    first = evidence.findings[0]
    assert (first.rule, first.path, first.line) == ("failed-test", "backend/tests/test_a.py", 5)
    assert first.severity is Severity.HIGH
    assert "test_bad: AssertionError: numbers differ" in first.message


def test_a_failed_test_behind_exit_code_zero_is_no_evidence(tmp_path: Path) -> None:
    run = scanner().scan(request(tmp_path, writing("junit.xml", FAILED, junit="junit.xml")))

    assert "exit code 0, but its report has 6 failed tests" in reason_of(run)


def test_a_failing_command_whose_tests_passed_is_no_evidence(tmp_path: Path) -> None:
    run = scanner().scan(request(tmp_path, writing("junit.xml", PASSED, exit_code=1, junit="junit.xml")))

    assert "exit code 1" in reason_of(run)
    assert "no test failed" in reason_of(run)
    assert [report.name for report in run.raw] == ["junit.xml"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ((SAMPLES / "pytest/no_tests.xml").read_text(), "no test was executed"),
        ('<testsuite tests="1"><testcase name="a"><skipped/></testcase></testsuite>', "(1 skipped)"),
        ("", "junit.xml can't be read"),
        ((SAMPLES / "pytest/truncated.xml").read_text(), "junit.xml can't be read"),
    ],
)
def test_no_executed_test_or_no_readable_report_is_no_evidence(tmp_path: Path, content: str, reason: str) -> None:
    run = scanner().scan(request(tmp_path, writing("junit.xml", content, junit="junit.xml")))

    assert reason in reason_of(run)


def test_a_report_that_lies_in_the_repository_does_not_count(tmp_path: Path) -> None:
    run = scanner().scan(request(tmp_path, stage("pass", junit="junit.xml"), {"backend/junit.xml": PASSED}))

    assert reason_of(run) == "the command wrote no junit.xml"


def test_a_command_out_of_time_is_no_evidence(tmp_path: Path) -> None:
    run = scanner().scan(request(tmp_path, stage("import time; time.sleep(60)", 0.5, junit="junit.xml")))

    assert reason_of(run) == "the command ran out of time"


def test_a_command_that_can_not_be_started_is_no_evidence(tmp_path: Path) -> None:
    absent = a_stage(StageKind.COMMAND, command=("no-such-program",))

    assert "can't be started" in reason_of(scanner().scan(request(tmp_path, absent)))


def test_a_command_that_needs_an_environment_says_so(tmp_path: Path) -> None:
    bare = a_request(tmp_path, {"backend/a.py": ""}, stage=stage("pass"))

    assert "no environment was installed" in reason_of(scanner().scan(bare))


def test_a_stage_without_command_is_no_evidence(tmp_path: Path) -> None:
    assert "declares no command" in reason_of(scanner().scan(request(tmp_path, a_stage(StageKind.COMMAND))))


def test_a_plain_command_is_judged_by_its_exit_code(tmp_path: Path) -> None:
    good = scanner().scan(request(tmp_path / "good", stage("print('fine')")))
    bad = scanner().scan(request(tmp_path / "bad", stage("import sys; sys.exit('the reason')")))

    assert evidence_of(good).summary == "the command succeeded"
    assert reason_of(bad) == "the command ended with exit code 1: the reason"
    assert "fine" in (tmp_path / "good/logs/stage.log").read_text()


def test_the_command_gets_what_the_request_says_and_nothing_of_the_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "not-for-tests")
    code = (
        "import os, pathlib\n"
        "assert 'GITHUB_TOKEN' not in os.environ\n"
        "assert os.environ['SHOPKART_URL'] == 'http://127.0.0.1:8080'\n"
        "assert os.environ['SHOPKART_SERVICE'] == 'backend'\n"
        "assert len(os.environ['SHOPKART_COMMIT']) == 40\n"
        "assert os.environ['REDIS_URL'] == 'redis://x'\n"
        "assert pathlib.Path.cwd().name == 'backend'\n"
        "assert pathlib.Path('../servicekit/b.py').exists()\n"
        "assert pathlib.Path('../conftest.py').exists()\n"
        "assert not pathlib.Path('../frontend').exists()\n"
    )
    files = {"backend/a.py": "", "servicekit/b.py": "", "conftest.py": "", "frontend/c.py": ""}
    details = {"url": "http://127.0.0.1:8080", "variables": {"REDIS_URL": "redis://x"}}

    evidence_of(scanner().scan(request(tmp_path, stage(code), files, **details)))


def test_what_the_command_writes_stays_out_of_the_tree(tmp_path: Path) -> None:
    code = "import pathlib; pathlib.Path('a.py').write_text('changed'); pathlib.Path('new').write_text('')"
    asked = request(tmp_path, stage(code))

    evidence_of(scanner().scan(asked))

    assert (asked.tree / "backend/a.py").read_text() == "x = 1\n"
    assert not (asked.tree / "backend/new").exists()


def test_reports_name_neither_the_copy_nor_a_secret(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "said = os.getcwd() + ' ' + os.environ['DB_PASSWORD'] + ' ' + os.environ['MODE']\n"
        "open('junit.xml', 'w').write('<testsuite><testcase name=\"a\"><system-out>' + said + "
        "'</system-out></testcase></testsuite>')"
    )
    variables = {"DB_PASSWORD": "hunter2hunter2", "MODE": "quick"}

    run = scanner().scan(request(tmp_path, stage(code, junit="junit.xml"), variables=variables))

    assert b"backend *** quick" in run.raw[0].content
    assert str(tmp_path).encode() not in run.raw[0].content


CODE = "def f(x):\n    if x:\n        return 1\n    return 2\n"
COVERED = (
    '<coverage><sources><source>{folder}</source></sources><packages><class filename="shop.py"><lines>'
    '<line number="1" hits="1"/><line number="2" hits="1"/><line number="3" hits="1"/><line number="4" hits="0"/>'
    "</lines></class></packages></coverage>"
)


def covered(
    folder: Path, base: dict[str, bytes], files: dict[str, bytes], junit: str = PASSED, exit_code: int = 0
) -> tuple[DeclaredCommand, ScanRequest]:
    """A run over real changed lines whose report says that lines 1 to 3 of `backend/shop.py` were run."""
    scm = FakeSourceControl()
    base_sha = scm.add(base) if base else None
    sha = scm.add(files)
    code = (
        "import os, sys\n"
        f"open('junit.xml', 'w').write({junit!r})\n"
        f"open('coverage.xml', 'w').write({COVERED!r}.format(folder=os.getcwd()))\n"
        f"sys.exit({exit_code})"
    )
    declared = stage(code, junit="junit.xml", coverage="coverage.xml")
    tree = {path: content.decode() for path, content in {**base, **files}.items()}
    asked = a_request(
        folder,
        tree,
        stage=declared,
        environment=HERE,
        release=a_release(sha),
        service=a_service("backend", ("servicekit",), declared),
    )
    return DeclaredCommand(scm), replace(asked, base_commit=base_sha)


def test_coverage_of_all_and_of_new_lines_is_measured(tmp_path: Path) -> None:
    base = b"def f(x):\n    if x:\n        return 1\n"

    command, asked = covered(tmp_path, {"backend/shop.py": base}, {"backend/shop.py": CODE.encode()})
    evidence = evidence_of(command.scan(asked))

    assert evidence.measures["line_coverage_percent"] == 75
    assert (evidence.measures["new_coverage_percent"], evidence.measures["new_lines"]) == (0, 1)


def test_without_a_base_everything_is_new(tmp_path: Path) -> None:
    command, asked = covered(tmp_path, {}, {"backend/shop.py": CODE.encode()})

    measures = evidence_of(command.scan(asked)).measures

    assert (measures["new_coverage_percent"], measures["new_lines"]) == (75, 4)


def test_no_new_line_is_covered_and_noted(tmp_path: Path) -> None:
    base = {"backend/shop.py": CODE.encode()}
    command, asked = covered(tmp_path, base, {"backend/readme.md": b"more\n", "backend/tests/test_a.py": b"x = 1\n"})

    evidence = evidence_of(command.scan(asked))

    assert (evidence.measures["new_coverage_percent"], evidence.measures["new_lines"]) == (100, 0)
    assert "nothing new to cover" in " ".join(evidence.notes)


def test_new_code_that_no_test_imports_is_not_covered(tmp_path: Path) -> None:
    base = {"backend/shop.py": CODE.encode()}
    fresh = {"backend/forgotten.py": b'"""Says why."""\nimport os\n\n\ndef g():\n    return os\n'}
    command, asked = covered(tmp_path, base, fresh)

    evidence = evidence_of(command.scan(asked))

    assert (evidence.measures["new_coverage_percent"], evidence.measures["new_lines"]) == (0, 3)
    assert "backend/forgotten.py" in " ".join(evidence.notes)


def test_shared_code_that_the_report_does_not_know_is_left_to_its_own_tests(tmp_path: Path) -> None:
    base = {"backend/shop.py": CODE.encode()}
    command, asked = covered(tmp_path, base, {"servicekit/shell.py": b"import os\n"})

    assert evidence_of(command.scan(asked)).measures["new_lines"] == 0


def test_failed_tests_are_shown_even_without_coverage(tmp_path: Path) -> None:
    declared = writing("junit.xml", FAILED, exit_code=1, junit="junit.xml", coverage="coverage.xml")

    evidence = evidence_of(scanner().scan(request(tmp_path, declared)))

    assert evidence.measures["failed"] == 6
    assert "line_coverage_percent" not in evidence.measures
    assert "Coverage is unknown" in " ".join(evidence.notes)


def test_passed_tests_without_the_declared_coverage_are_no_evidence(tmp_path: Path) -> None:
    declared = writing("junit.xml", PASSED, junit="junit.xml", coverage="coverage.xml")

    assert reason_of(scanner().scan(request(tmp_path, declared))) == "the command wrote no coverage.xml"


CART = (SAMPLES / "coverage/cart.js").read_text()


def measured(folder: Path, files: dict[str, str], report: str, base: dict[str, str] | None = None) -> ToolRun:
    """A run whose coverage report is `report`, over a change that adds `files` to `base`."""
    scm = FakeSourceControl()
    base_sha = scm.add({path: text.encode() for path, text in base.items()}) if base else None
    sha = scm.add({path: text.encode() for path, text in files.items()})
    code = f"open('junit.xml', 'w').write({PASSED!r}); open('lcov.info', 'w').write({report!r})"
    declared = stage(code, junit="junit.xml", coverage="lcov.info")
    asked = request(folder, declared, {**(base or {}), **files}, release=a_release(sha))
    return DeclaredCommand(scm).scan(replace(asked, base_commit=base_sha))


def test_coverage_may_be_lcov_and_of_javascript(tmp_path: Path) -> None:
    report = (SAMPLES / "coverage/c8.info").read_text()

    run = measured(tmp_path, {"backend/cart.js": CART, "backend/eslint.config.mjs": "export default [];\n"}, report)

    evidence = evidence_of(run)
    assert (evidence.measures["new_lines"], round(evidence.measures["new_coverage_percent"], 1)) == (19, 89.5)
    assert [each.name for each in run.raw] == ["junit.xml", "coverage.info", "tests.json"]


def test_javascript_that_no_test_loads_is_not_covered(tmp_path: Path) -> None:
    report = (SAMPLES / "coverage/c8.info").read_text()
    forgotten = "// Says why.\nexport function f() {\n  return 1;\n}\n"
    files = {"backend/web/forgotten.ts": forgotten, "backend/web/types.d.ts": "export type A = 1;\n"}

    evidence = evidence_of(measured(tmp_path, files, report, {"backend/cart.js": CART}))

    assert (evidence.measures["new_lines"], evidence.measures["new_coverage_percent"]) == (2, 0)
    assert "counts as not covered: backend/web/forgotten.ts." in " ".join(evidence.notes)


def test_javascript_is_named_where_only_another_language_is_measured(tmp_path: Path) -> None:
    report = "SF:shop.py\nDA:1,1\nend_of_record\n"
    files = {"backend/shop.py": "import os\n", "backend/static/cart.js": CART}

    evidence = evidence_of(measured(tmp_path, files, report))

    assert (evidence.measures["new_lines"], evidence.measures["new_coverage_percent"]) == (1, 100)
    assert "measures no JavaScript, so this is left out: backend/static/cart.js." in " ".join(evidence.notes)


def test_coverage_that_is_neither_xml_nor_lcov_is_no_evidence(tmp_path: Path) -> None:
    run = measured(tmp_path, {"backend/cart.js": CART}, "100 % of everything")

    assert "neither Cobertura XML nor LCOV" in reason_of(run)


def test_findings_in_sarif_come_with_their_place(tmp_path: Path) -> None:
    log = (SAMPLES / "sarif/ruff.sarif").read_text().replace("file:///tree/app/bad.py", "a.py")
    declared = writing("out.sarif", log, exit_code=1, sarif="out.sarif")

    evidence = evidence_of(scanner().scan(request(tmp_path, declared)))

    assert evidence.measures["findings"] == len(evidence.findings) == 8
    assert evidence.findings[0].path == "/tree/app/syntax.py"
    assert "backend/a.py" in {finding.path for finding in evidence.findings}


def test_pytest_itself_is_run_and_named_with_its_version(tmp_path: Path) -> None:
    declared = a_stage(
        StageKind.UNIT_TESTS,
        command=("{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=junit.xml"),
        junit="junit.xml",
    )
    files = {"backend/tests/test_a.py": "def test_one(): pass\ndef test_two(): assert 1 == 2\n"}

    evidence = evidence_of(scanner().scan(request(tmp_path, declared, files)))

    assert (evidence.tool.name, evidence.tool.version) == ("pytest", pytest.__version__)
    assert (evidence.measures["passed"], evidence.measures["failed"]) == (1, 1)
    assert [(finding.path, finding.line) for finding in evidence.findings] == [("backend/tests/test_a.py", 2)]
