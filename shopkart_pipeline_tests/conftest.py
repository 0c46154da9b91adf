"""Options of the checks on a real cluster, how many requests failed under load, and properties without a clock."""

import gc
import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from shopkart_pipeline.known_secrets import KNOWN

settings.register_profile(
    "shared machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="SHOPKART_TEST_EXPLORE" not in os.environ,
)
settings.load_profile("shared machine")
"""The same examples in every run of the same code, so that a check says something about the change and not about luck.
`SHOPKART_TEST_EXPLORE=1 ./shopkart test` looks for new ones."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """While tests are collected nothing is garbage, and looking for some takes a quarter of the time; what was imported
    stays until the end, so nobody looks through it again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def nothing_is_known_yet() -> Iterator[None]:
    """What one test gives as a secret is no secret in the next."""
    yield
    KNOWN.forget()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cluster", action="store_true", help="run on the cluster that SHOPKART_TEST_KUBECONFIG names")
    parser.addoption("--namespace", help="where on that cluster (default: the namespace of the kubeconfig's context)")
    parser.addoption("--registry", help="where images for a real cluster are pushed to: HOST[:PORT][/PREFIX]")
    parser.addoption("--pull-from", help="what the nodes call that registry, where they know it by another name")
    parser.addoption(
        "--load-command",
        help="what puts an image on the nodes instead, with {archive} for its OCI archive; it has to be known there as "
        "shopkart.test/shopkart-test/replica@DIGEST (default: containerd's `ctr`, in kind's nodes or on this machine)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--cluster"):
        return
    kubeconfig = os.environ.get("SHOPKART_TEST_KUBECONFIG")
    if not kubeconfig:
        raise pytest.UsageError("SHOPKART_TEST_KUBECONFIG names no kubeconfig: there is no cluster to run on.")
    from shopkart_pipeline_tests.cluster.images import ImageWays, why_no_way
    from shopkart_pipeline_tests.cluster.real_bed import context_of

    ways = ImageWays(*(config.getoption(name) for name in ("--registry", "--pull-from", "--load-command")))
    reason = why_no_way(ways, context_of(kubeconfig)[0])
    if reason is not None:
        raise pytest.UsageError(reason)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many requests were sent and failed in each scenario, and what was left out."""
    reports = [report for how in ("passed", "failed", "skipped") for report in terminalreporter.getreports(how)]
    sums, scenarios = [0, 0], 0
    for report in reports:
        scenario = report.nodeid.rpartition("::")[2]
        for name, value in report.user_properties if report.when == "call" else ():
            if name == "requests":
                sent, failed, examples = value
                sums, scenarios = [sums[0] + sent, sums[1] + failed], scenarios + 1
                terminalreporter.write_line(f"{scenario}: {sent} requests, {failed} failed {'; '.join(examples)}")
            elif name == "left out":
                terminalreporter.write_line(f"{scenario}: left out {value}")
    if scenarios:
        terminalreporter.write_line(f"{scenarios} scenarios: {sums[0]} requests, {sums[1]} failed")
    if terminalreporter.config.getoption("numprocesses", None):
        # Others have collected the contract suites; this process says for them what took part.
        from shopkart_pipeline_tests.contract import conftest

        conftest.pytest_terminal_summary(terminalreporter)
