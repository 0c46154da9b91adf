"""How a canary is judged, and the step that a declared harm budget chooses for it.

Declared steps and a harm budget both say what the canary does, so both together are a fault rather than a riddle which
one holds; shipped steps give way. A budget needs the usual traffic: without it nobody can say what a release costs.
"""

from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.detection import ExpectedTraffic, Stream, error_stream, event_stream
from shopkart_pipeline.domain.harm_budget import Choice, HarmBudget, choose
from shopkart_pipeline.domain.history import ERRORS
from shopkart_pipeline.domain.judge_policy import EventRule, LatencyRule
from shopkart_pipeline.domain.rollout import RolloutStep
from shopkart_pipeline.domain.sequential_test import Worse
from shopkart_pipeline.domain.traffic import LATENCY
from shopkart_pipeline.spec.faults import nearest
from shopkart_pipeline.spec.models.analysis import AnalysisSpec, EventSpec, HarmBudgetSpec
from shopkart_pipeline.spec.scope import Scope

_PLAIN = (
    "minimum_effect",
    "false_abort_probability",
    "floor_error_ratio",
    "floor_minimum_requests",
    "minimum_canary_requests",
)


def compile_analysis(spec: AnalysisSpec) -> Analysis:
    """The analysis with defaults filled in; what does not fit together is for `steps_of_budget` to find."""
    plain = {name: value for name in _PLAIN if (value := getattr(spec, name)) is not None}
    traffic, budget = spec.traffic, spec.harm_budget
    return Analysis(
        **plain,
        warm_up_seconds=spec.warm_up or 0.0,
        events=tuple(_event(name, event) for name, event in (spec.events or {}).items()),
        latency=LatencyRule(**spec.latency.model_dump(exclude_none=True)) if spec.latency else None,
        traffic=ExpectedTraffic(traffic.requests_per_second, traffic.error_ratio, traffic.events or {})
        if traffic
        else None,
        harm_budget=_budget(budget) if budget else None,
    )


def steps_of_budget(scope: Scope, environment: str, analysis: Analysis) -> tuple[RolloutStep, ...]:
    """The canary's only step, as the harm budget chooses it; nothing, with a fault, where it can't."""
    where = ("environments", environment, "analysis", "harm_budget")
    budget, traffic = analysis.harm_budget, analysis.traffic
    if budget is None:
        return ()
    if budget.count == 0:
        scope.fault("say either `failed_requests: 200`, or `event: checkouts` and `lost: 30`", *where)
        return ()
    if scope.says("environments", environment, "canary"):
        message = "the harm budget chooses the canary's steps; leave `canary` out, or the budget"
        scope.fault(message, "environments", environment, "canary")
        return ()
    if traffic is None:
        message = "a harm budget needs the usual traffic: `traffic: {requests_per_second: 12, error_ratio: 0.005}`"
        scope.missing(message, "environments", environment, "analysis", "traffic")
        return ()
    stream = _stream(scope, environment, analysis, budget, traffic)
    if stream is None:
        return ()
    chosen = choose(stream, budget.count, _minimum_effect(analysis, budget), analysis.warm_up_seconds)
    if isinstance(chosen, Choice):
        return (RolloutStep(chosen.weight_percent, chosen.bake_seconds),)
    message = f"no canary can keep that: until a regression is seen, {chosen:.0f} may be harmed even at the best weight"
    scope.fault(message, *where)
    return ()


def check_names(scope: Scope, environment: str, analysis: Analysis) -> None:
    """Faults in names: events that are called like something else, and traffic of events that nobody declared."""
    where = ("environments", environment, "analysis")
    names = {rule.name for rule in analysis.events}
    for name in names & {ERRORS, LATENCY}:
        scope.fault(f"{name} is judged under that name already; call the event something else", *where, "events", name)
    for name in analysis.traffic.events_per_second if analysis.traffic else ():
        if name not in names:
            scope.fault(f"there is no event {name}; {nearest(name, names)}", *where, "traffic", "events", name)


def _stream(
    scope: Scope, environment: str, analysis: Analysis, budget: HarmBudget, traffic: ExpectedTraffic
) -> Stream | None:
    policy, where = analysis.policy, ("environments", environment, "analysis")
    if budget.event is None:
        return error_stream(traffic, policy)
    names = [rule.name for rule in analysis.events]
    if budget.event not in names:
        message = f"there is no event {budget.event}; {nearest(budget.event, names)}"
        scope.fault(message, *where, "harm_budget", "event")
        return None
    if budget.event not in traffic.events_per_second:
        scope.missing(f"say how many {budget.event} there are a second", *where, "traffic", "events", budget.event)
        return None
    return event_stream(traffic, policy, budget.event)


def _minimum_effect(analysis: Analysis, budget: HarmBudget) -> float:
    rules = {rule.name: rule.minimum_effect for rule in analysis.events}
    return rules[budget.event] if budget.event else analysis.minimum_effect


def _event(name: str, spec: EventSpec) -> EventRule:
    first = int(spec.status.replace("x", "0"))
    last = int(spec.status.replace("x", "9"))
    rule = EventRule(name, spec.method, (first, last))
    worse, effect = Worse(spec.worse or rule.worse), spec.minimum_effect or rule.minimum_effect
    return EventRule(name, spec.method, (first, last), worse, effect)


def _budget(spec: HarmBudgetSpec) -> HarmBudget:
    """The budget; one of nothing where it says neither of both, or both."""
    if (spec.failed_requests is None) == (spec.event is None) or (spec.event is None) != (spec.lost is None):
        return HarmBudget(0)
    return HarmBudget(spec.failed_requests or spec.lost or 0, spec.event)
