"""Ruff as linter: real runs on small trees, and its recorded reports."""

from pathlib import Path

import pytest

from shopkart_pipeline.adapters._ruff_check import parse
from shopkart_pipeline.adapters.ruff import Ruff
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.scan_requests import SAMPLES, a_request, a_service, a_stage, evidence_of, reason_of

CONFIGURED = {"backend/ruff.toml": 'lint.select = ["F", "E"]\n'}


def test_violations_come_with_rule_place_and_link(tmp_path: Path) -> None:
    request = a_request(tmp_path, {**CONFIGURED, "backend/app/a.py": "import os\n", "servicekit/b.py": "x = 1\n"})

    run = Ruff().scan(request)

    evidence = evidence_of(run)
    assert evidence.measures == {"violations": 1, "new_violations": 1, "files": 2}
    [finding] = evidence.findings
    assert (finding.rule, finding.path, finding.line) == ("F401", "backend/app/a.py", 1)
    assert finding.link is not None
    assert evidence.tool.name == "ruff"
    assert evidence.tool.version[0].isdigit()


def test_what_the_base_had_is_not_new(tmp_path: Path) -> None:
    request = a_request(
        tmp_path,
        {**CONFIGURED, "backend/a.py": "x = 1\nimport os\nimport sys\n"},
        {**CONFIGURED, "backend/a.py": "import os\n"},
    )

    evidence = evidence_of(Ruff().scan(request))

    old = {finding.message.split("`")[1]: finding.is_new for finding in evidence.findings if finding.rule == "F401"}
    assert old == {"os": False, "sys": True}
    assert evidence.measures["new_violations"] < evidence.measures["violations"]


def test_a_tree_without_python_is_no_evidence(tmp_path: Path) -> None:
    run = Ruff().scan(a_request(tmp_path, {"backend/readme.md": "hello"}))

    assert "looked at no file" in reason_of(run)


def test_excluding_everything_is_no_evidence(tmp_path: Path) -> None:
    run = Ruff().scan(a_request(tmp_path, {"backend/ruff.toml": 'exclude = ["*"]\n', "backend/a.py": "import os\n"}))

    assert "looked at no file" in reason_of(run)


def test_a_broken_configuration_is_no_evidence(tmp_path: Path) -> None:
    run = Ruff().scan(a_request(tmp_path, {"backend/ruff.toml": "not toml", "backend/a.py": "import os\n"}))

    assert "exit code 2" in reason_of(run)


def test_a_configuration_around_the_exported_tree_has_no_say(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text('exclude = ["*"]\n')
    (tmp_path / ".gitignore").write_text("*.py\n")

    evidence = evidence_of(Ruff().scan(a_request(tmp_path, {"backend/a.py": "import os\n"})))

    assert evidence.measures["violations"] == 1


def test_the_tree_is_left_as_it_was(tmp_path: Path) -> None:
    code = "import os\n"
    request = a_request(tmp_path, {"backend/ruff.toml": "fix = true\n", "backend/a.py": code})

    Ruff().scan(request)

    assert (request.tree / "backend/a.py").read_text() == code
    assert sorted(file.name for file in request.tree.rglob("*") if file.is_file()) == ["a.py", "ruff.toml"]


def test_raw_reports_name_no_folder_of_the_machine(tmp_path: Path) -> None:
    run = Ruff().scan(a_request(tmp_path, {"backend/a.py": "import os\n"}))

    assert run.raw
    assert all(str(tmp_path).encode() not in report.content for report in run.raw)


def test_a_base_that_can_not_be_linted_makes_everything_new_and_says_so(tmp_path: Path) -> None:
    request = a_request(tmp_path, {"backend/a.py": "import os\n"}, {"backend/readme": "no code yet"})

    evidence = evidence_of(Ruff().scan(request))

    assert evidence.measures["new_violations"] == 1
    assert "could not be linted" in evidence.notes[0]


def test_a_run_out_of_time_is_no_evidence(tmp_path: Path) -> None:
    request = a_request(tmp_path, {"backend/a.py": "x = 1\n"}, stage=a_stage(timeout_seconds=0.0001))

    assert "ran out of time" in reason_of(Ruff().scan(request))


def test_a_file_that_does_not_parse_is_a_severe_violation(tmp_path: Path) -> None:
    evidence = evidence_of(Ruff().scan(a_request(tmp_path, {"backend/a.py": "def f(:\n"})))

    assert {finding.severity for finding in evidence.findings} == {Severity.HIGH}


def test_a_service_in_the_root_of_its_repository_is_linted_whole(tmp_path: Path) -> None:
    request = a_request(tmp_path, {"a.py": "import os\n", "x/b.py": "import os\n"}, service=a_service("."))

    assert evidence_of(Ruff().scan(request)).measures["files"] == 2


def test_the_recorded_report_is_read() -> None:
    said = parse((SAMPLES / "ruff/violations.json").read_bytes(), Path("/tree"))

    assert [one.rule for one in said] == ["F401", "F401", "B006", "S307", "E722", "S110", *["invalid-syntax"] * 2]
    assert {one.path for one in said} == {"app/bad.py", "app/syntax.py"}
    assert parse((SAMPLES / "ruff/clean.json").read_bytes(), Path("/tree")) == ()


@pytest.mark.parametrize("report", [b"", b"{}", b"null", b'[{"code": "F401"}]', b"[1]", b"\xff\xfe", b"warning: x"])
def test_nonsense_is_not_read_as_clean(report: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        parse(report, Path("/tree"))


def test_a_truncated_report_is_not_read() -> None:
    with pytest.raises(ValueError, match="EOF"):
        parse((SAMPLES / "ruff/truncated.json").read_bytes(), Path("/tree"))
