"""Tests that an earlier release executed and that are gone: removed, renamed, skipped, or vanished."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters import _test_list
from shopkart_pipeline.adapters.declared_command import DeclaredCommand
from shopkart_pipeline.ports.scanner import EARLIER_TESTS, ScanRequest
from shopkart_pipeline_tests.declared_commands import HERE, writing
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.scan_requests import a_release, a_request, evidence_of, reason_of


def compared(
    folder: Path, before: str, now: str, files: Mapping[str, bytes | None]
) -> tuple[DeclaredCommand, ScanRequest]:
    """A run that reports `now`, after a release that reported `before`, and a change of `files`."""
    scm = FakeSourceControl()
    base = scm.add({"backend/tests/test_a.py": b"1", "backend/tests/test_b.py": b"1"})
    earlier = a_request(
        folder / "before",
        {"backend/tests/test_a.py": "1", "backend/tests/test_b.py": "1", "backend/cart/cart_test.go": "1"},
        stage=writing("junit.xml", before, junit="junit.xml"),
        release=a_release(base),
        environment=HERE,
    )
    kept = DeclaredCommand(scm).scan(earlier).raw[-1]
    (folder / "kept.json").write_bytes(kept.content)
    asked = a_request(
        folder / "now",
        {"backend/tests/test_a.py": "1"},
        stage=writing("junit.xml", now, junit="junit.xml"),
        release=a_release(scm.add({**files})),
        environment=HERE,
        reports={EARLIER_TESTS: folder / "kept.json"},
    )
    return DeclaredCommand(scm), asked


def suite(*names: str, skipped: tuple[str, ...] = ()) -> str:
    """A report of tests, each `class:name`."""
    cases = [(*name.split(":"), "") for name in names] + [(*name.split(":"), "<skipped/>") for name in skipped]
    written = (f'<testcase classname="{group}" name="{name}">{how}</testcase>' for group, name, how in cases)
    return f"<testsuite>{''.join(written)}</testsuite>"


ALL = ("tests.test_a:one", "tests.test_a:two", "tests.test_b:three")


def test_a_test_that_vanished_from_an_untouched_file_is_a_finding(tmp_path: Path) -> None:
    command, asked = compared(
        tmp_path, suite(*ALL), suite(*ALL[:2]), {"backend/setup.cfg": b"testpaths = tests/test_a.py"}
    )

    evidence = evidence_of(command.scan(asked))

    assert (evidence.measures["vanished"], evidence.measures["removed_tests"]) == (1, 0)
    assert evidence.summary == "2 of 2 tests passed, 0 failed, 1 vanished"
    [finding] = evidence.findings
    assert (finding.rule, finding.path) == ("vanished-test", "backend/tests/test_b.py")
    assert finding.message.startswith("tests.test_b::three ran before")


@pytest.mark.parametrize("content", [None, b"2"], ids=["deleted", "changed"])
def test_a_test_whose_file_was_touched_was_removed(tmp_path: Path, content: bytes | None) -> None:
    command, asked = compared(tmp_path, suite(*ALL), suite(*ALL[:2]), {"backend/tests/test_b.py": content})

    evidence = evidence_of(command.scan(asked))

    assert (evidence.measures["vanished"], evidence.measures["removed_tests"]) == (0, 1)
    assert "1 test of" in evidence.notes[0]
    assert "the change touches where they were: tests.test_b::three." in evidence.notes[0]


def test_a_test_that_is_skipped_now_is_told(tmp_path: Path) -> None:
    now = suite(*ALL[:2], skipped=ALL[2:])
    command, asked = compared(tmp_path, suite(*ALL), now, {"backend/readme.md": b"more"})

    evidence = evidence_of(command.scan(asked))

    assert evidence.measures["vanished"] == 0
    assert "are skipped now: tests.test_b::three." in evidence.notes[0]


def test_without_an_earlier_list_nothing_can_be_missed_and_that_is_told(tmp_path: Path) -> None:
    command, asked = compared(tmp_path, suite(*ALL), suite(*ALL), {"backend/readme.md": b"more"})

    evidence = evidence_of(command.scan(replace(asked, reports={})))

    assert evidence.measures["vanished"] == 0
    assert evidence.notes == ("There is no earlier list of tests: whether some vanished can't be told.",)


def test_an_earlier_list_that_can_not_be_read_is_no_evidence(tmp_path: Path) -> None:
    command, asked = compared(tmp_path, suite(*ALL), suite(*ALL), {"backend/readme.md": b"more"})
    asked.reports[EARLIER_TESTS].write_bytes(b"[]")

    assert "the earlier list of tests can't be read" in reason_of(command.scan(asked))


def test_where_the_change_can_not_be_told_it_explains_nothing(tmp_path: Path) -> None:
    _, asked = compared(tmp_path, suite(*ALL), suite(*ALL[:2]), {"backend/tests/test_b.py": None})
    other = DeclaredCommand(FakeSourceControl())

    evidence = evidence_of(other.scan(asked))

    assert evidence.measures["vanished"] == 1
    assert "can't be told, so it explains nothing" in evidence.notes[0]


@pytest.mark.parametrize(
    ("now", "vanished"),
    [
        (("tests.test_a:one[x]", "tests.test_a:one[z]"), 0),
        (("tests.test_a:one[x]",), 1),
        (("tests.test_a:one[x]", "tests.test_a:two[y]"), 1),
        (("tests.test_a:one[x]", "tests.test_b:one[y]"), 1),
    ],
    ids=["renamed", "fewer", "another function", "another file"],
)
def test_a_parametrised_test_may_be_renamed_by_its_data(tmp_path: Path, now: tuple[str, ...], vanished: int) -> None:
    before = suite("tests.test_a:one[x]", "tests.test_a:one[y]")
    command, asked = compared(tmp_path, before, suite(*now), {"backend/data.json": b"{}"})

    assert evidence_of(command.scan(asked)).measures["vanished"] == vanished


@pytest.mark.parametrize(("changed", "vanished"), [("backend/app.py", 1), ("backend/tests/other.py", 0)])
def test_a_test_of_an_unknown_file_is_explained_by_any_change_to_tests(
    tmp_path: Path, changed: str, vanished: int
) -> None:
    command, asked = compared(tmp_path, suite("cart adds:a", *ALL), suite(*ALL), {changed: b"x"})

    assert evidence_of(command.scan(asked)).measures["vanished"] == vanished


@pytest.mark.parametrize(("changed", "vanished"), [("backend/cart/cart.go", 1), ("backend/cart/cart_test.go", 0)])
def test_a_test_in_go_is_explained_by_the_tests_of_its_folder(tmp_path: Path, changed: str, vanished: int) -> None:
    command, asked = compared(tmp_path, suite("shop/cart:TestTotal", *ALL), suite(*ALL), {changed: b"x"})

    assert evidence_of(command.scan(asked)).measures["vanished"] == vanished


def test_tests_that_were_skipped_before_are_not_missed(tmp_path: Path) -> None:
    before = suite(*ALL[:2], skipped=ALL[2:])
    command, asked = compared(tmp_path, before, suite(*ALL[:2]), {"backend/readme.md": b"more"})

    evidence = evidence_of(command.scan(asked))

    assert (evidence.measures["vanished"], evidence.notes) == (0, ())


def test_a_list_that_was_cut_short_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_test_list, "MAXIMUM_TESTS", 2)
    command, asked = compared(tmp_path, suite(*ALL), suite(*ALL[:1]), {"backend/readme.md": b"more"})

    evidence = evidence_of(command.scan(asked))

    assert evidence.measures["vanished"] == 1
    assert "1 tests of" in evidence.notes[-1]
    assert "are not on its list" in evidence.notes[-1]
