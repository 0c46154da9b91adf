"""`shopkart test`: the project's tests, with pytest's own arguments.

With `--cluster` those of a real Kubernetes run, on the one that SHOPKART_TEST_KUBECONFIG names: the cluster port's
contract and every scenario under load; the end says how many requests failed. It needs one namespace, that of the
kubeconfig's context or `--namespace`, and a way for images: `--registry HOST` or `--load-command 'COMMAND {archive}'`
(docs/cluster-tests.md). It takes most of an hour, so each test is named as it goes.

Without arguments all of them run but the storms with kills (`-m load`), those of the bench (`-m bench`), and further
cases of what others show already (`-m thorough`), which take long: first what can run side by side, then the demo's
story with the machine to itself, because it watches how fast things happen.

A few tests that failed beside the others are run once more, alone: the machine may have been too busy for what they
wait for. One that fails again has failed. One that passes then is flaky, which the last lines name; it is to be mended
and not to be lived with, so more than a handful is a failure whatever they do when they are alone (decision 11).
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from shopkart_pipeline.cli.stack import ROOT

_MOST_AT_ONCE = 4
"""Processes that test, one more than there are cores: many tests wait for servers and clocks."""
_MOST_AGAIN = 5
"""Tests that may be run once more; where more failed it was not the machine."""
_CLUSTER = "--cluster"
_ON_CLUSTER = ("shopkart_pipeline_tests/contract/test_cluster.py", "shopkart_pipeline_tests/cluster")
_STORY = "shopkart_pipeline_tests/e2e"
"""Where every test of the story is: to look for them elsewhere, too, means to import all tests once more."""
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
    everything = str(ROOT / "shopkart_pipeline_tests")
    at_once = min((os.cpu_count() or 1) + 1, _MOST_AT_ONCE)
    # Neighbours stay together for as long as all are busy, so what a module starts is seldom started twice.
    spread = ("--numprocesses", str(at_once), "--dist", "worksteal")
    failed = Failed()
    side_by_side = _pytest(
        everything, "-m", "not e2e and not load and not bench and not thorough", *spread, plugins=[failed]
    )
    if side_by_side not in _GO_ON:
        return side_by_side
    flaky: tuple[str, ...] = ()
    if side_by_side == pytest.ExitCode.TESTS_FAILED and 0 < len(failed.tests) <= _MOST_AGAIN:
        print(f"Once more, alone: {', '.join(failed.tests)}")
        side_by_side = _pytest(*(f"{ROOT}/{test}" for test in failed.tests))
        flaky = tuple(failed.tests) if side_by_side == pytest.ExitCode.OK else ()
    story = _pytest(str(ROOT / _STORY), "-m", "e2e")
    for test in flaky:
        print(f"FLAKY: {test} failed beside others and passed alone.")
    return story or side_by_side


class Failed:
    """Plugin of pytest that remembers what failed, in setup and teardown too, by node id and in order."""

    def __init__(self) -> None:
        self.tests: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tests[report.nodeid] = None


def _pytest(*arguments: str, plugins: Sequence[object] = ()) -> int:
    given = ["--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), *arguments]
    return int(pytest.main(given, plugins=list(plugins)))


def _default_path(arguments: Sequence[str]) -> list[str]:
    """All tests, unless the arguments name some."""
    paths = [argument.partition("::")[0] for argument in arguments if not argument.startswith("-")]
    return [] if any(Path(path).exists() for path in paths) else [str(ROOT / "shopkart_pipeline_tests")]
