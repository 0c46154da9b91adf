"""The generator as a scanner: what it is told, and what it says where there is nothing to send."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.load_generator import LoadGenerator
from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline.domain.load_test import LoadRequest, LoadTest
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.scan_requests import a_request


@pytest.fixture
def request_(tmp_path: Path) -> ScanRequest:
    """Of a peak that is to be measured, to a port at which nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    load = LoadTest((1.0,), 0.0, 1.0, (LoadRequest("/"),), ())
    stage = Stage("load_test", StageKind.LOAD_TEST, Phase.STAGING, ("staging",), timeout_seconds=60.0, load=load)
    return a_request(tmp_path, {}, stage=stage, url=address)


def test_a_measured_peak_comes_as_a_variable_so_that_a_pod_of_its_own_knows_it(request_: ScanRequest) -> None:
    run = LoadGenerator(FakeClock()).scan(replace(request_, variables={"SHOPKART_PEAK_RATE": "8.0"}))
    assert isinstance(run.result, Evidence), run.result
    measures = run.result.measures
    assert (measures["peak_request_rate"], measures["x1_requests"], measures["x1_error_ratio"]) == (8.0, 8.0, 1.0)
    assert "x1_latency_p99_seconds" not in measures, "nobody answered"


def test_without_a_peak_or_an_address_there_is_nothing_to_send(request_: ScanRequest) -> None:
    for lacking in (request_, replace(request_, url=None, variables={"SHOPKART_PEAK_RATE": "8.0"})):
        assert isinstance(LoadGenerator(FakeClock()).scan(lacking).result, EvidenceMissing)


def test_more_than_a_test_may_send_is_refused_before_anything_is_sent(request_: ScanRequest) -> None:
    result = LoadGenerator(FakeClock()).scan(replace(request_, variables={"SHOPKART_PEAK_RATE": "3e6"})).result
    assert isinstance(result, EvidenceMissing)
    assert "3000000 requests are more than the 2000000" in result.reason
