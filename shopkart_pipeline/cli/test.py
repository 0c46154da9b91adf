"""`shopkart test`: the project's tests, with pytest's own arguments.

With `--cluster` those of a real Kubernetes run, on the one that SHOPKART_TEST_KUBECONFIG names: the cluster port's
contract and every scenario under load; the end says how many requests failed. It needs one namespace, that of the
kubeconfig's context or `--namespace`, and a way for images: `--registry HOST` or `--load-command 'COMMAND {archive}'`
(docs/cluster-tests.md). It takes most of an hour, so each test is named as it goes.

Without arguments all of them run but the storms with kills (`-m load`), those of the bench (`-m bench`), and further
cases of what others show already (`-m thorough`), which take long. First the demo's story, which watches how fast
things happen: beside it run only tests of pure decisions, at the priority at which Linux runs what nobody waits for, so
that they take the processor when the story leaves it idle (decision 63). Then all others side by side.

A few tests that failed beside the others are run once more, alone: the machine may have been too busy for what they
wait for. One that fails again has failed. One that passes then is flaky, which the last lines name; it is to be mended
and not to be lived with, so more than a handful is a failure whatever they do when they are alone (decision 11).
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.cli.stack import ROOT

_MOST_AT_ONCE = 4
"""Processes that test, one more than there are cores: many tests wait for servers and clocks."""
_MOST_AGAIN = 5
"""Tests that may be run once more; where more failed it was not the machine."""
_CLUSTER = "--cluster"
_ON_CLUSTER = ("shopkart_pipeline_tests/contract/test_cluster.py", "shopkart_pipeline_tests/cluster")
_ORDINARY = "not e2e and not load and not bench and not thorough"
_STORY = "shopkart_pipeline_tests/e2e"
"""Where every test of the story is: to look for them elsewhere, too, means to import all tests once more."""
_CALM = tuple(f"shopkart_pipeline_tests/unit/{room}" for room in ("domain", "services", "spec", "verifier"))
"""Tests that wait for nothing and watch no clock, so that it does not matter how long they are kept waiting."""
_GO_ON = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(passed_on=())
    parser.epilog = (
        "Everything that follows is passed on to pytest, such as `-k rollout` or a path. `--cluster --registry HOST` "
        "runs the tests of Kubernetes on the cluster that SHOPKART_TEST_KUBECONFIG names."
    )
    parser.usage = "shopkart test [PYTEST ARGUMENT ...]"


def run(options: argparse.Namespace) -> int:
    passed_on: Sequence[str] = options.passed_on
    if _CLUSTER in passed_on:
        shown = ("-p", "no:cacheprovider", "-v", "--tb=short")
        return _pytest(*(str(ROOT / path) for path in _ON_CLUSTER), *shown, *passed_on)
    if passed_on:
        return _pytest(*_default_path(passed_on), *passed_on)
    try:
        first = _story_beside_calm()
    except BrokenProcessPool:
        print("The demo's story or the tests beside it were killed, as by a machine without memory: nothing is known.")
        return pytest.ExitCode.INTERNAL_ERROR
    if first.calm not in _GO_ON:
        return first.calm
    failed = Failed()
    rest = _pytest(
        str(ROOT / "shopkart_pipeline_tests"),
        *(f"--ignore={ROOT / folder}" for folder in _CALM),
        *_side_by_side(1),
        plugins=[failed],
    )
    if rest not in _GO_ON:
        return rest
    names, side_by_side = (*first.failed, *failed.tests), first.calm or rest
    flaky: tuple[str, ...] = ()
    if side_by_side == pytest.ExitCode.TESTS_FAILED and 0 < len(names) <= _MOST_AGAIN:
        print(f"Once more, alone: {', '.join(names)}")
        side_by_side = _pytest(*(f"{ROOT}/{test}" for test in names))
        flaky = names if side_by_side == pytest.ExitCode.OK else ()
    if first.story != pytest.ExitCode.OK:
        print(f"The demo's story FAILED, see above: exit code {first.story}.")
    for test in flaky:
        print(f"FLAKY: {test} failed beside others and passed alone.")
    return first.story or side_by_side


@dataclass(frozen=True)
class First:
    """What became of what runs first: exit codes of pytest."""

    story: int
    calm: int
    failed: tuple[str, ...] = ()
    """Of the calm ones, by node id."""


def _story_beside_calm() -> First:
    # Two interpreters of their own, as pytest can't run twice at a time in one; an error ends both. Each an executor's,
    # which tells when it was killed: a pool would wait for its answer for ever.
    alone = partial(ProcessPoolExecutor, 1, multiprocessing.get_context("spawn"), _interrupted_once)
    with alone() as one, alone() as other:
        try:
            story, calm = one.submit(_play_story), other.submit(_run_calm)
            both: list[Future[Any]] = [story, calm]
            for ended in wait(both, return_when=FIRST_EXCEPTION).done:
                ended.result()
            (code, failed), (story_code, told) = calm.result(), story.result()
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    print(told)
    return First(story_code, code, failed)


def _interrupted_once() -> None:
    """A terminal tells all of its processes, and then we do, too: what is being stopped has to get to its end."""
    told = list[int]()

    def interrupt(number: int, _: object) -> None:
        told.append(number)
        if len(told) == 1:
            raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)


def _play_story() -> tuple[int, str]:
    """Its exit code and what it writes, which would otherwise stand between the lines of the others."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        return _pytest(str(ROOT / _STORY), "-m", "e2e and not thorough"), written.getvalue()


def _run_calm() -> tuple[int, tuple[str, ...]]:
    """Their exit code and those that failed."""
    with contextlib.suppress(AttributeError, OSError):  # Where it can't be had, they disturb the story a little.
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    failed = Failed()
    return _pytest(*(str(ROOT / folder) for folder in _CALM), *_side_by_side(0), plugins=[failed]), tuple(failed.tests)


def _side_by_side(more_than_cores: int) -> tuple[str, ...]:
    at_once = min((os.cpu_count() or 1) + more_than_cores, _MOST_AT_ONCE)
    # Neighbours stay together for as long as all are busy, so what a module starts is seldom started twice.
    return ("-m", _ORDINARY, "--numprocesses", str(at_once), "--dist", "worksteal")


class Failed:
    """Plugin of pytest that remembers what failed, in setup and teardown too, by node id and in order; also files that
    can't be imported, whose tests would otherwise be missed by nobody."""

    def __init__(self) -> None:
        self.tests: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tests[report.nodeid] = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.tests[report.nodeid] = None


def _pytest(*arguments: str, plugins: Sequence[object] = ()) -> int:
    given = ["--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), *arguments]
    return int(pytest.main(given, plugins=list(plugins)))


def _default_path(arguments: Sequence[str]) -> list[str]:
    """All tests, unless the arguments name some."""
    paths = [argument.partition("::")[0] for argument in arguments if not argument.startswith("-")]
    return [] if any(Path(path).exists() for path in paths) else [str(ROOT / "shopkart_pipeline_tests")]
