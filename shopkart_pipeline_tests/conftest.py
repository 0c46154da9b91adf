"""Options of the checks on a real cluster, how many requests failed under load, and properties without a clock."""

import os
import shutil
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cluster", action="store_true", help="run on the cluster that SHOPKART_TEST_KUBECONFIG names")
    parser.addoption("--registry", help="where images for a real cluster are pushed to: HOST[:PORT], or an address")
    parser.addoption(
        "--load-command",
        help="what puts an image on the nodes instead, with {archive} for its OCI archive; it has to be known there as "
        "shopkart.test/shopkart-test/replica@DIGEST (default: containerd's `ctr`, where this machine is the node)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--cluster"):
        return
    if not os.environ.get("SHOPKART_TEST_KUBECONFIG"):
        raise pytest.UsageError("SHOPKART_TEST_KUBECONFIG names no kubeconfig: there is no cluster to run on.")
    if not (config.getoption("--registry") or config.getoption("--load-command") or shutil.which("ctr")):
        raise pytest.UsageError("Say where images go: `--registry HOST`, or `--load-command 'COMMAND {archive}'`.")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many requests were sent and failed in each scenario."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    for report in reports:
        for name, value in report.user_properties:
            if name == "requests" and report.when == "call":
                sent, failed, examples = value
                scenario = report.nodeid.rpartition("::")[2]
                terminalreporter.write_line(f"{scenario}: {sent} requests, {failed} failed {'; '.join(examples)}")
