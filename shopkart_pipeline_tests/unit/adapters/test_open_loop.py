"""The generator in virtual time: what it counts, and whom it blames."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from shopkart_pipeline.adapters import _open_loop
from shopkart_pipeline.adapters._open_loop import OpenLoop, Stopped
from shopkart_pipeline.domain.load_report import NO_CONNECTION, LoadReport, StepResult
from shopkart_pipeline.domain.load_test import LoadRequest, LoadTest
from shopkart_pipeline_tests.fakes.virtual_time import VirtualLoop, run

Answer = Callable[[LoadRequest], Awaitable[str]]


def after(seconds: float, status: str = "200") -> Answer:
    async def answer(request: LoadRequest) -> str:
        await asyncio.sleep(seconds)
        return status

    return answer


def load_of(answer: Answer, *multiples: float, **details: float) -> LoadReport:
    given = {"connections": 50, **details}
    plan = LoadTest(multiples or (1.0,), 1.0, 10.0, (LoadRequest("/"),), (), 20.0, **given)  # pyright: ignore

    async def test() -> LoadReport:
        return await OpenLoop(plan, answer).run()

    return run(test())


def only(report: LoadReport) -> StepResult:
    [result] = report.steps
    return result


def test_every_multiple_is_sent_at_its_rate_and_measured_by_itself() -> None:
    first, second = load_of(after(0.1), 1.0, 3.0).steps
    assert (first.ends, second.ends) == ({"200": 200}, {"200": 600})
    assert first.measures()["x1_latency_p99_seconds"] == pytest.approx(0.1, rel=0.05)
    assert (first.measures()["x1_request_rate"], second.measures()["x3_request_rate"]) == (20.0, 60.0)
    assert first.saturation is second.saturation is None


def test_a_stall_is_felt_by_all_who_would_have_come_meanwhile() -> None:
    """A closed loop would have sent one request into the stall, and called the 99th percentile fine."""

    async def stalls(request: LoadRequest) -> str:
        clock = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.01, 6.0 - clock) if clock > 4.0 else 0.01)
        return "200"

    result = only(load_of(stalls))
    assert result.measures()["x1_latency_p50_seconds"] < 0.02
    assert result.measures()["x1_latency_p95_seconds"] > 1.4
    assert result.longest_seconds == pytest.approx(2.0, abs=0.06)
    assert result.saturation is None, "the service stood still, not the generator"


def test_what_waits_for_a_connection_waits_as_long_as_a_customer_does() -> None:
    result = only(load_of(after(0.5), connections=5))
    measures = result.measures()
    assert result.most_in_flight == 5
    assert measures["x1_request_rate"] < 11, "five connections, half a second each"
    assert measures["x1_sent_ratio"] < 0.6
    assert measures["x1_latency_p50_seconds"] > 2.0
    assert result.saturation is None, "the service stood still, not the generator"


def test_who_got_no_answer_in_time_has_failed_and_is_as_slow_as_that() -> None:
    result = only(load_of(after(3600.0), connections=5, request_timeout_seconds=2.0))
    assert set(result.ends) <= {"timeout", "no free connection"}
    assert result.measures()["x1_error_ratio"] == 1.0
    assert result.longest_seconds == pytest.approx(2.0)


def test_refused_connections_count_as_errors_and_have_no_latency() -> None:
    result = only(load_of(after(0.0, NO_CONNECTION)))
    assert result.failed == 200
    assert not result.latencies


@pytest.mark.parametrize(("status", "failed"), [("204", 0), ("303", 0), ("404", 200), ("429", 200), ("503", 200)])
def test_statuses_from_400_on_are_failures(status: str, failed: int) -> None:
    result = only(load_of(after(0.01, status)))
    assert (result.failed, result.ends) == (failed, {status: 200})


def test_a_generator_that_can_not_keep_up_says_so() -> None:
    async def works(request: LoadRequest) -> str:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.hold_up(0.1)  # So ten a second are all that one processor does.
        return "200"

    saturation = only(load_of(works, 2.0)).saturation
    assert saturation is not None
    assert re.fullmatch(r"the generator could not send 40/s: (8|9)(\.\d+)?/s", saturation)


def test_a_generator_that_is_behind_for_good_gives_up() -> None:
    async def works(request: LoadRequest) -> str:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.hold_up(1.0)
        return "200"

    result = only(load_of(works, request_timeout_seconds=2.0))
    assert result.ends.total() < 20
    assert result.saturation is not None


def test_seconds_tell_when_it_was() -> None:
    report = load_of(after(0.2))
    assert sorted(report.seconds) == list(range(11))
    assert {second.sent for at, second in report.seconds.items() if at} == {20}
    assert report.seconds[5].latency_seconds(0.5) == pytest.approx(0.2, rel=0.05)


def test_a_cancelled_run_ends_the_test() -> None:
    sent = list[LoadRequest]()

    async def answer(request: LoadRequest) -> str:
        sent.append(request)
        if len(sent) == 30:
            _open_loop.stop_all()
        return "200"

    with pytest.raises(Stopped):
        load_of(answer)
    assert len(sent) < 35


def test_what_is_no_end_of_a_request_ends_the_test_and_is_raised() -> None:
    async def breaks(request: LoadRequest) -> str:
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError):
        load_of(breaks)


def test_no_request_is_told_apart_from_no_answer() -> None:
    assert LoadReport(load_of(after(0.0)).steps, {}).is_empty
    assert not load_of(after(0.0, NO_CONNECTION)).is_empty
