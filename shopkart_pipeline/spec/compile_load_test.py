"""A declared load test to domain, and its objectives as gates of its stage.

The stage is there where a service or `defaults` says something about it. Each objective becomes a gate for each
multiple, beside two of which nobody should have to think: the load has to have reached the service, and no replica may
have been started again under it. A gate that is declared under the same name stands in the place of such a one.
"""

from collections.abc import Iterable

from shopkart_pipeline.domain.declaration import LeftOut, Stage, StageKind
from shopkart_pipeline.domain.load_test import MOST_REQUESTS, LoadObjective, LoadRequest, LoadTest, name_of
from shopkart_pipeline.domain.policy import Comparison, Gate, MeasureRule
from shopkart_pipeline.spec.models.load_test import PRODUCTION, LoadObjectivesSpec, LoadTestStage
from shopkart_pipeline.spec.scope import Scope
from shopkart_pipeline.spec.words import rule_in_words, seconds_in_words

STAGE = StageKind.LOAD_TEST.value
RESTARTS = "restarts"
_LEAST_SENT_RATIO = 0.95
_WINDOW_SECONDS, _LONGEST_WINDOW_SECONDS = 7 * 86_400.0, 31 * 86_400.0
_HOLD_SECONDS, _RAMP_SECONDS = 30.0, 10.0
_SHORTEST_HOLD_SECONDS = 1.0
_CONNECTIONS, _REQUEST_TIMEOUT_SECONDS = 200, 10.0
_MEASURES = {
    "latency_p50": "latency_p50_seconds",
    "latency_p95": "latency_p95_seconds",
    "latency_p99": "latency_p99_seconds",
    "latency_max": "latency_max_seconds",
    "error_ratio": "error_ratio",
}


def absent_load_test(scope: Scope) -> tuple[str, ...]:
    """The stage's name where nobody asks for it."""
    return () if scope.says("stages", STAGE) else (STAGE,)


def compile_load_test(scope: Scope, spec: LoadTestStage, timeout_seconds: float) -> LoadTest:
    """The test with defaults filled in; faults go to the scope, and then it is of no use."""
    objectives = spec.objectives or LoadObjectivesSpec()
    plan = LoadTest(
        multiples=tuple(float(each) for each in spec.multiples or [1.0]),
        ramp_seconds=_RAMP_SECONDS if spec.ramp is None else spec.ramp,
        hold_seconds=spec.duration or _HOLD_SECONDS,
        requests=tuple(
            LoadRequest(each.path, each.method or "GET", each.weight or 1, each.body or "", each.content_type or "")
            for each in spec.requests or []
        ),
        objectives=tuple(
            LoadObjective(measure, limit)
            for name, measure in _MEASURES.items()
            if (limit := getattr(objectives, name)) is not None
        ),
        peak_rate=spec.peak if isinstance(spec.peak, float) else None,
        peak_window_seconds=spec.window or _WINDOW_SECONDS,
        connections=spec.connections or _CONNECTIONS,
        request_timeout_seconds=spec.request_timeout or _REQUEST_TIMEOUT_SECONDS,
    )
    if not spec.disabled:
        _check_said(scope, spec, plan)
        _check_requests(scope, plan)
        _check_size(scope, plan, timeout_seconds)
    return plan


def load_gates(stages: Iterable[Stage], declared: Iterable[Gate], left_out: Iterable[LeftOut]) -> tuple[Gate, ...]:
    """The gates of load tests, without those that are declared, or left out, under the same name."""
    taken = {(gate.stage, gate.name) for gate in declared} | {(line.stage, line.gate) for line in left_out}
    return tuple(
        gate
        for stage in stages
        if stage.load is not None
        for gate in _gates(stage.name, stage.load)
        if (gate.stage, gate.name) not in taken
    )


def _gates(stage: str, plan: LoadTest) -> Iterable[Gate]:
    for multiple in plan.multiples:
        prefix, at = name_of(multiple), f"At {multiple:g} times the peak"
        for objective in plan.objectives:
            rule = MeasureRule(f"{prefix}_{objective.measure}", Comparison.AT_MOST, objective.limit)
            yield Gate(rule.measure, stage, f"{at}: {rule_in_words(rule)}", rule)
        sent = MeasureRule(f"{prefix}_sent_ratio", Comparison.AT_LEAST, _LEAST_SENT_RATIO)
        yield Gate(sent.measure, stage, f"{at} the service took what was sent, and connections were free for it", sent)
    again = MeasureRule(RESTARTS, Comparison.AT_MOST, 0.0)
    yield Gate(RESTARTS, stage, "No replica was started again under the load", again)


def _check_said(scope: Scope, spec: LoadTestStage, plan: LoadTest) -> None:
    keys = ("stages", STAGE)
    if spec.peak is None:
        message = f"say production's peak, such as `peak: 120/s`, or `peak: {PRODUCTION}` to have it from its metrics"
        scope.missing(message, *keys, "peak")
    if not plan.requests:
        scope.missing("say what is sent, such as `requests: [{path: /}]`", *keys, "requests")
    if not plan.objectives:
        message = "say what has to hold, such as `objectives: {latency_p99: 300ms, error_ratio: 0.1 %}`"
        scope.missing(message, *keys, "objectives")
    if spec.window is not None and spec.peak != PRODUCTION:
        scope.fault(f"only a peak from {PRODUCTION} has a window; take it away", *keys, "window")
    if plan.peak_window_seconds > _LONGEST_WINDOW_SECONDS:
        scope.fault("the window can't be longer than 31d", *keys, "window")


def _check_requests(scope: Scope, plan: LoadTest) -> None:
    for index, request in enumerate(plan.requests):
        if bool(request.body) != bool(request.content_type):
            missing = "content_type" if request.body else "body"
            scope.fault("a `body` and its `content_type` go together", "stages", STAGE, "requests", index, missing)
        elif request.body and request.method in ("GET", "HEAD"):
            scope.fault(f"{request.method} has no body", "stages", STAGE, "requests", index, "body")


def _check_size(scope: Scope, plan: LoadTest, timeout_seconds: float) -> None:
    keys = ("stages", STAGE)
    if not plan.multiples or list(plan.multiples) != sorted(set(plan.multiples)):
        scope.fault("the multiples have to grow, such as [1, 2]", *keys, "multiples")
    if plan.hold_seconds < _SHORTEST_HOLD_SECONDS:
        scope.fault("less than a second says nothing", *keys, "duration")
    needed = plan.duration_seconds + plan.request_timeout_seconds
    if needed > timeout_seconds:
        message = f"the test takes {seconds_in_words(needed)}, and may take {seconds_in_words(timeout_seconds)}"
        scope.fault(message, *keys, "duration" if scope.says(*keys, "duration") else "timeout")
    if plan.peak_rate is None:
        return
    said = "duration" if scope.says(*keys, "duration") else "peak"
    if plan.request_count > MOST_REQUESTS:
        scope.fault(f"the test would send {plan.request_count} requests, and may send {MOST_REQUESTS}", *keys, said)
    elif plan.too_few is not None:
        scope.fault(plan.too_few, *keys, said)
