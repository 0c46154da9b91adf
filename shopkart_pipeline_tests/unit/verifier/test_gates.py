"""The stand-alone verifier judges gates as the pipeline does: two judges of one rule must never differ."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.evidence import Evidence, Finding, Severity, Tool
from shopkart_pipeline.domain.policy import Comparison, FindingsRule, Gate, MeasureRule
from shopkart_pipeline.domain.verdict import Outcome, Waived, evaluate_stage
from shopkart_pipeline.domain.waiver import Waiver
from shopkart_pipeline.verifier.claims import FALSE, MISSING, PROVED
from shopkart_pipeline.verifier.gates import judged

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
_STATES = {Outcome.PASS: PROVED, Outcome.FAIL: FALSE, Outcome.MISSING: MISSING}
_NAMES = st.sampled_from(["CVE-1", "cve-2", "S1*", "s100"])
_VALUES = st.sampled_from([0.0, 0.5, 1.0, 2.0, 19.0, 20.0])
_MAYBE = st.none() | st.sampled_from(["a", "b"])

findings = st.builds(
    Finding,
    rule=_NAMES,
    severity=st.sampled_from(Severity),
    message=st.just("bad"),
    fingerprint=st.sampled_from(["f1", "f2"]),
    path=_MAYBE,
    package=_MAYBE,
    fixed_in=st.none() | st.just("2.0"),
    fix_unknown=st.booleans(),
    is_new=st.booleans(),
)
waivers = st.builds(
    Waiver,
    stage=st.sampled_from(["scan", "other"]),
    reason=st.just("known"),
    owner=st.just("maya@shopkart.example"),
    expires_at=st.sampled_from([NOON, NOON + timedelta(seconds=1)]),
    place=st.just("waivers.yaml:1"),
    finding=st.none() | st.just("f1"),
    rule=st.none() | _NAMES,
    package=_MAYBE,
    path=_MAYBE,
)
exemptions = st.tuples(st.none() | st.just("new_lines"), _VALUES)
measure_rules = st.builds(
    lambda comparison, limit, exempt: MeasureRule("coverage", comparison, limit, *exempt),
    st.sampled_from(Comparison),
    _VALUES,
    exemptions,
)
finding_rules = st.builds(
    lambda severity, new, fixable, limit, rules, exempt: FindingsRule(
        severity, new, fixable, limit, tuple(rules), *exempt
    ),
    st.sampled_from(Severity),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
    st.lists(st.sampled_from(["CVE-*", "s1*", "S100"]), max_size=2),
    exemptions,
)


@given(
    rule=measure_rules | finding_rules,
    found=st.lists(findings, max_size=4),
    given_waivers=st.lists(waivers, max_size=2),
    measures=st.dictionaries(st.sampled_from(["coverage", "new_lines"]), _VALUES),
)
def test_both_judge_alike(
    rule: MeasureRule | FindingsRule, found: list[Finding], given_waivers: list[Waiver], measures: dict[str, float]
) -> None:
    gate = Gate("gate", "scan", "", rule)
    evidence = Evidence(Tool("tool", "1"), "fine", measures, tuple(found))
    [line] = evaluate_stage("scan", (gate,), evidence, Waived(tuple(given_waivers), NOON))
    told = json.loads(canonical_json(gate)), json.loads(canonical_json(evidence))
    of_stage = [json.loads(canonical_json(each)) for each in given_waivers if each.stage == "scan"]

    state, _ = judged(*told, of_stage, NOON)

    assert state == _STATES[line.outcome]
