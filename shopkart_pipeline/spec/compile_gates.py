"""Gates of a service: what a stage's evidence has to show.

A gate limits the measure of its own name, unless it names another measure or counts findings. It has one limit, in
one direction; whoever wants the other direction gives a gate of another name. Percentages end at 100.
"""

from collections.abc import Collection

from shopkart_pipeline.domain.declaration import LeftOut
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline.domain.policy import Comparison, FindingsRule, Gate, MeasureRule
from shopkart_pipeline.spec.faults import nearest
from shopkart_pipeline.spec.models.gates import GateSpec
from shopkart_pipeline.spec.scope import Scope
from shopkart_pipeline.spec.words import rule_in_words


def compile_gates(scope: Scope, left_out_stages: Collection[str]) -> tuple[tuple[Gate, ...], tuple[LeftOut, ...]]:
    """The gates of a service, and those that it leaves out. Faults go to the scope.

    Args:
        scope: the service.
        left_out_stages: names of the stages that it leaves out; their gates go with them.
    """
    stages = scope.spec.stages.by_name() if scope.spec.stages else {}
    gates: list[Gate] = []
    left_out: list[LeftOut] = []
    for stage, declared in (scope.spec.gates or {}).items():
        if stage in left_out_stages:
            continue
        if stage not in stages:
            scope.fault(f"there is no stage {stage}; {nearest(stage, stages)}", "gates", stage)
            continue
        for name, gate in (declared or {}).items():
            if gate is not None and gate.disabled:
                left_out.append(LeftOut(scope.service, stage, name, gate.disabled))
                continue
            rule = _rule(scope, stage, name, gate or GateSpec())
            if rule is not None:
                description = (gate and gate.description) or rule_in_words(rule)
                gates.append(Gate(name, stage, description, rule))
    return tuple(gates), tuple(left_out)


def _rule(scope: Scope, stage: str, name: str, gate: GateSpec) -> MeasureRule | FindingsRule | None:
    return _findings_rule(scope, stage, name, gate) if gate.findings else _measure_rule(scope, stage, name, gate)


def _findings_rule(scope: Scope, stage: str, name: str, gate: GateSpec) -> FindingsRule | None:
    for key in ("measure", "at_least"):
        if getattr(gate, key) is not None:
            message = "a gate that counts `findings` has no such key; take it away, or take `findings` away"
            scope.fault(message, "gates", stage, name, key)
            return None
    limit = gate.at_most or 0.0
    if not limit.is_integer():
        scope.fault(f"findings are counted: write a whole number instead of {limit:g}", "gates", stage, name, "at_most")
    only_new = FindingsRule.only_new if gate.only_new is None else gate.only_new
    only_fixable = FindingsRule.only_fixable if gate.only_fixable is None else gate.only_fixable
    severity = Severity[(gate.findings or "high").upper()]
    exempt_measure, exempt_below = _exemption(scope, stage, name, gate)
    rules = tuple(gate.rules or ())
    return FindingsRule(severity, only_new, only_fixable, int(limit), rules, exempt_measure, exempt_below)


def _measure_rule(scope: Scope, stage: str, name: str, gate: GateSpec) -> MeasureRule | None:
    for key in ("only_new", "only_fixable", "rules"):
        if getattr(gate, key) is not None and not scope.faulty("gates", stage, name, "findings"):
            scope.fault("only a gate with `findings` has this key", "gates", stage, name, key)
    limits = [(key, limit) for key in ("at_most", "at_least") if (limit := getattr(gate, key)) is not None]
    if not limits:
        message = "the gate has no limit; write `at_most` or `at_least`, or count `findings`"
        scope.missing(message, "gates", stage, name)
        return None
    if len(limits) > 1:
        said = [key for key, _ in limits if scope.says("gates", stage, name, key)]
        message = (
            f"the gate has both at_least {gate.at_least:g} and at_most {gate.at_most:g} (one may be inherited); "
            "a gate has one limit: give the other one a name of its own, with `measure`"
        )
        scope.fault(message, "gates", stage, name, *said[-1:])
        return None
    [(key, limit)] = limits
    measure = gate.measure or name
    _check_percent(scope, measure, limit, stage, name, key)
    comparison = Comparison.AT_MOST if key == "at_most" else Comparison.AT_LEAST
    exempt_measure, exempt_below = _exemption(scope, stage, name, gate)
    return MeasureRule(measure, comparison, float(limit), exempt_measure, exempt_below)


def _exemption(scope: Scope, stage: str, name: str, gate: GateSpec) -> tuple[str | None, float]:
    """The measure below which the gate does not apply, and that bound."""
    if gate.unless is None:
        return None, 0.0
    _check_percent(scope, gate.unless.measure, gate.unless.below, stage, name, "unless", "below")
    return gate.unless.measure, float(gate.unless.below)


def _check_percent(scope: Scope, measure: str, limit: float, stage: str, name: str, *keys: str) -> None:
    if measure.endswith("_percent") and limit > 100:
        scope.fault(f"{measure} can't be more than 100 %, got {limit:g}", "gates", stage, name, *keys)
