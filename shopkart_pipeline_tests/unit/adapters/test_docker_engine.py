"""Docker's builder where there is no engine: that is normal, and said in one line, at once."""

import socket
import time
from dataclasses import replace
from pathlib import Path

from shopkart_pipeline.adapters.docker_engine import DockerEngineBuilder
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline_tests.contract.images import a_request


def test_no_engine_is_said_in_one_line(tmp_path: Path) -> None:
    builder = DockerEngineBuilder(tmp_path / "cache", f"unix://{tmp_path}/no.sock")

    reason = builder.unavailable()

    assert reason is not None
    assert reason.endswith(f"no engine is reachable at unix://{tmp_path}/no.sock")
    assert "\n" not in reason


def test_an_engine_that_does_not_answer_is_given_up_within_a_second_and_remembered(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        builder = DockerEngineBuilder(tmp_path / "cache", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        first = builder.unavailable()
        asked = time.monotonic()
        second = builder.unavailable()

        assert first == second is not None
        assert asked - started < 2.0
        assert time.monotonic() - asked < 0.1


def test_building_without_an_engine_is_missing_evidence(tmp_path: Path) -> None:
    request = a_request(tmp_path)

    result = DockerEngineBuilder(tmp_path / "cache", f"unix://{tmp_path}/no.sock").build(request)

    assert isinstance(result, EvidenceMissing)
    assert "can't be built" in result.reason
    assert not request.layout.exists()


def test_no_time_is_no_image(tmp_path: Path) -> None:
    request = replace(a_request(tmp_path), timeout_seconds=0.0)

    result = DockerEngineBuilder(tmp_path / "cache", f"unix://{tmp_path}/no.sock").build(request)

    assert isinstance(result, EvidenceMissing)
    assert "within 0 s" in result.reason
