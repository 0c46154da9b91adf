"""The embedded load generator: an open loop over HTTP, in this process.

It needs a declared test with a known peak and an address, and knows nothing of environments: which address that is,
and what runs there, is for `services/run_load_test.py` to say. What it finds is evidence only if the load was really
sent: a generator that could not keep up, or never sent anything, has none.
"""

import asyncio
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from shopkart_pipeline.adapters import _open_loop
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Tool, ToolRun
from shopkart_pipeline.domain.load_report import LOAD_REPORT, LoadReport
from shopkart_pipeline.domain.load_test import MOST_REQUESTS, PEAK_RATE, LoadTest
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest


class LoadGenerator(Scanner):
    """Sends the declared requests to `request.url`.

    Args:
        clock: says when the test began.
    """

    name = "open-loop"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def unavailable(self) -> str | None:
        return None

    def scan(self, request: ScanRequest) -> ToolRun:
        plan, url = _plan(request), request.url
        # A client that few services need, and that takes a while to import.
        from shopkart_pipeline.adapters._http_load import VERSION, sending

        tool = Tool(self.name, version("shopkart-pipeline"), f"aiohttp {VERSION}")
        if plan is None or plan.peak_rate is None or url is None:
            return ToolRun(EvidenceMissing("there is nothing to send, or nowhere to send it", tool))
        if plan.request_count > MOST_REQUESTS:
            what = f"{plan.request_count} requests are more than the {MOST_REQUESTS} that a test may have"
            return ToolRun(EvidenceMissing(f"{what}; shorten `duration`, or lower `multiples`", tool))

        async def run() -> LoadReport:
            async with asyncio.timeout(request.stage.timeout_seconds), sending(url, plan.connections) as send:
                return await _open_loop.OpenLoop(plan, send).run()

        began_at = self._clock.now()
        _log(request.log, f"sending {plan.request_count} requests in {plan.duration_seconds:g} s to {url}")
        try:
            report = asyncio.run(run())
        except TimeoutError:
            return ToolRun(EvidenceMissing("the load test ran out of time", tool))
        except _open_loop.Stopped:
            return ToolRun(EvidenceMissing("the load test was cancelled", tool))
        return _judged(request.log, plan, report, tool, began_at)


def _plan(request: ScanRequest) -> LoadTest | None:
    """What is declared, at the peak that was measured where none is."""
    plan, measured = request.stage.load, request.variables.get(PEAK_RATE)
    return plan if plan is None or plan.peak_rate is not None or measured is None else plan.at_peak(float(measured))


def _judged(log: Path, plan: LoadTest, report: LoadReport, tool: Tool, began_at: datetime) -> ToolRun:
    raw = (RawReport(LOAD_REPORT, "application/json", report.document(began_at)),)
    for result in report.steps:
        _log(log, " ".join(f"{name}={value:.4g}" for name, value in result.measures().items()))
        _log(log, f"{result.step.name} ended: {dict(sorted(result.ends.items()))}")
    if report.is_empty:
        return ToolRun(EvidenceMissing("no request was sent", tool), raw)
    saturated = [
        f"at {each.step.multiple:g} times the peak {reason}" for each in report.steps if (reason := each.saturation)
    ]
    if saturated:
        what = "; ".join(saturated)
        fix = "lower the multiples, or run the stage where the machine has room"
        return ToolRun(EvidenceMissing(f"{what}; {fix}", tool), raw)
    measures = {name: value for result in report.steps for name, value in result.measures().items()}
    summary = "; ".join(_in_words(result.step.name, measures) for result in report.steps)
    return ToolRun(Evidence(tool, summary, {"peak_request_rate": plan.peak_rate or 0.0, **measures}), raw)


def _in_words(name: str, measures: dict[str, float]) -> str:
    rate, errors = measures[f"{name}_request_rate"], measures[f"{name}_error_ratio"]
    p99 = measures.get(f"{name}_latency_p99_seconds")
    latency = "nothing was answered" if p99 is None else f"p99 {1000 * p99:.0f} ms"
    return f"{name}: {rate:.4g}/s, {latency}, {100 * errors:.3g} % failed"


def _log(log: Path, line: str) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
