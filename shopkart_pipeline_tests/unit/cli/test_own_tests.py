"""What `shopkart test` does about tests that fail beside others: a second try, alone, that can't hide a failure."""

import argparse
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from shopkart_pipeline.cli import test as command
from shopkart_pipeline.cli.stack import ROOT

OK, FAILED, BROKEN = int(pytest.ExitCode.OK), int(pytest.ExitCode.TESTS_FAILED), int(pytest.ExitCode.INTERNAL_ERROR)


class Runs:
    """Stands for pytest: the exit code of each run in order, and what fails in the first."""

    def __init__(self, codes: Sequence[int], failing: Sequence[str] = ()) -> None:
        self.codes, self.failing, self.given = list(codes), failing, list[tuple[str, ...]]()

    def __call__(self, *arguments: str, plugins: Sequence[object] = ()) -> int:
        self.given.append(arguments)
        for plugin in plugins:
            assert isinstance(plugin, command.Failed)
            plugin.tests |= dict.fromkeys(self.failing)
        return self.codes.pop(0)


def _run(monkeypatch: pytest.MonkeyPatch, runs: Runs, first: command.First | None = None) -> int:
    monkeypatch.setattr(command, "_pytest", runs)
    monkeypatch.setattr(command, "_story_beside_calm", lambda: first or command.First(OK, OK))
    return command.run(argparse.Namespace(passed_on=()))


def test_what_passes_alone_is_named_as_flaky(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Runs([FAILED, OK], ["a.py::one", "b.py::two[x]"])

    assert _run(monkeypatch, runs) == OK

    assert [argument.rpartition("/")[2] for argument in runs.given[1]] == ["a.py::one", "b.py::two[x]"]
    told = capsys.readouterr().out
    assert "FLAKY: a.py::one failed" in told
    assert "FLAKY: b.py::two[x] failed" in told


def test_what_fails_again_has_failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(monkeypatch, Runs([FAILED, FAILED], ["a.py::one"])) == FAILED
    assert "FLAKY" not in capsys.readouterr().out


@pytest.mark.parametrize("failing", [[], [f"a.py::{number}" for number in range(6)]], ids=["none named", "many"])
def test_nothing_is_tried_again_where_it_was_not_the_machine(
    monkeypatch: pytest.MonkeyPatch, failing: list[str]
) -> None:
    runs = Runs([FAILED], failing)

    assert _run(monkeypatch, runs) == FAILED
    assert len(runs.given) == 1


def test_what_failed_beside_the_story_is_tried_again_with_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Runs([OK, OK])

    assert _run(monkeypatch, runs, command.First(OK, FAILED, ("a.py::one",))) == OK
    assert "FLAKY: a.py::one failed" in capsys.readouterr().out


def test_what_failed_beside_the_story_and_again_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(monkeypatch, Runs([OK, FAILED]), command.First(OK, FAILED, ("a.py::one",))) == FAILED
    assert _run(monkeypatch, Runs([OK]), command.First(OK, FAILED, ())) == FAILED
    assert _run(monkeypatch, Runs([]), command.First(OK, BROKEN)) == BROKEN


def test_a_run_that_broke_off_is_a_failure_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(monkeypatch, Runs([BROKEN], ["a.py::one"])) == BROKEN


def test_a_story_that_failed_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(monkeypatch, Runs([OK]), command.First(FAILED, OK)) == FAILED


def test_every_test_but_the_story_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs beside the story is what the others leave out, and both leave out the same markers."""
    runs = Runs([OK])
    _run(monkeypatch, runs)
    monkeypatch.setattr(command.os, "sched_setscheduler", lambda *given: None)
    calm = Runs([OK])
    monkeypatch.setattr(command, "_pytest", calm)
    command._run_calm()

    left_out = {argument.removeprefix("--ignore=") for argument in runs.given[0] if argument.startswith("--ignore=")}
    assert left_out == {argument for argument in calm.given[0] if argument.startswith(str(ROOT))}
    assert all(Path(folder).is_dir() for folder in left_out)
    assert runs.given[0][runs.given[0].index("-m") + 1] == calm.given[0][calm.given[0].index("-m") + 1]


def _is_killed() -> tuple[int, str]:
    signal.raise_signal(signal.SIGKILL)
    return OK, ""


def _goes_on() -> tuple[int, tuple[str, ...]]:
    time.sleep(60)
    return OK, ()


def test_a_killed_story_ends_the_tests_beside_it_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_play_story", _is_killed)
    monkeypatch.setattr(command, "_run_calm", _goes_on)
    began = time.monotonic()

    assert command.run(argparse.Namespace(passed_on=())) == BROKEN

    assert time.monotonic() - began < 50
    assert "were killed" in capsys.readouterr().out


def test_the_whole_story_is_where_it_is_looked_for() -> None:
    tests = ROOT / "shopkart_pipeline_tests"
    marked = [path for path in tests.rglob("test_*.py") if "mark.e2e" in path.read_text(encoding="utf-8")]

    assert {path.parent for path in marked if path != Path(__file__)} == {tests / "e2e"}


def test_a_file_that_can_not_be_imported_has_failed() -> None:
    failed = command.Failed()

    failed.pytest_collectreport(pytest.CollectReport("a.py", "failed", "ImportError", None))
    failed.pytest_collectreport(pytest.CollectReport("b.py", "passed", None, []))

    assert list(failed.tests) == ["a.py"]
