"""Gates, judged again from records, by the rules that the pipeline judges by."""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from .bundle import Bundle
from .claims import FALSE, MISSING, PROVED, Fault
from .documents import moment_of, the_text
from .envelopes import STAGE_RESULT


def judged(
    gate: dict[str, Any], result: dict[str, Any], waivers: list[dict[str, Any]], at: datetime
) -> tuple[str, str]:
    """How a gate comes out for the evidence of its stage: the state of the claim that it passed, and why.

    Args:
        gate: as `policy.json` names it.
        result: the stage's evidence.
        waivers: those that may count.
        at: the moment that decides whether a waiver has expired.
    """
    rule, measures = gate["rule"], result["measures"]
    size = None if rule["exempt_measure"] is None else measures.get(rule["exempt_measure"])
    if size is not None and size < rule["exempt_below"]:
        return PROVED, f"exempt: {rule['exempt_measure']} {size:g} < {rule['exempt_below']:g}"
    if "measure" in rule:
        value, sign, name = measures.get(rule["measure"]), rule["comparison"], rule["measure"]
        if value is None:
            return MISSING, f"the evidence holds no {name}"
        if sign not in ("<=", ">="):
            raise ValueError("no comparison")
        passed = value <= rule["limit"] if sign == "<=" else value >= rule["limit"]
    else:
        value, sign, name = sum(_counts(each, rule, waivers, at) for each in result["findings"]), "<=", "findings"
        passed = value <= rule["limit"]
    return (PROVED if passed else FALSE), f"{name} {value:g}, has to be {sign} {rule['limit']:g}"


def are_those_of_then(bundle: Bundle, stage: str, gates: list[dict[str, Any]]) -> None:
    """Raises `Fault` where the same declaration had other gates or limits when the stage's result was signed."""
    rules = {the_text(gate["name"]): gate["rule"] for gate in gates}
    for signed in bundle.signed:
        same = signed.kind == STAGE_RESULT and signed.predicate.get("stage") == stage
        if same and signed.predicate.get("policy") == bundle.policy["declaration"]:
            lines = [line for line in signed.predicate.get("gates", []) if line["outcome"] != "skipped"]
            then = {the_text(line["gate"]) for line in lines} - {"evidence"}
            if then != set(rules):
                named = ", ".join(sorted(then ^ set(rules)))
                raise Fault(f"the policy here has other gates than the stage was judged by: {named}")
            for line in lines:
                rule = rules.get(line["gate"])
                limit = None if rule is None else (rule.get("comparison", "<="), rule["limit"])
                if limit is not None and (line["comparison"], line["limit"]) != limit:
                    raise Fault(f"the policy here has another limit than the stage was judged by: {line['gate']}")


def declared_waivers(bundle: Bundle) -> list[Any]:
    """The waivers that the release's commit holds, as the record of its checkout says, which is signed."""
    source = next((each["name"] for each in bundle.policy["stages"] if each["kind"] == "source"), None)
    record = bundle.records.get(str(source))
    return [] if record is None else record["result"].get("waivers", [])


def _counts(finding: dict[str, Any], rule: dict[str, Any], waivers: list[dict[str, Any]], at: datetime) -> bool:
    severity = 4 if finding["severity"] == 3 else finding["severity"]  # An unknown severity counts as high.
    named = any(fnmatchcase(finding["rule"].lower(), pattern.lower()) for pattern in rule["rules"])
    if severity < rule["severity"] or (rule["rules"] and not named):
        return False
    known = rule["only_new"] and not finding["is_new"]
    unfixable = rule["only_fixable"] and finding["fixed_in"] is None and not finding["fix_unknown"]
    waived = any(_covers(waiver, finding) and at < moment_of(waiver["expires_at"]) for waiver in waivers)
    return not (known or unfixable or waived)


def _covers(waiver: dict[str, Any], finding: dict[str, Any]) -> bool:
    if waiver["finding"] is not None:
        return finding["fingerprint"] == waiver["finding"]
    same = all(waiver[name] in (None, finding[name]) for name in ("package", "path"))
    return same and (waiver["package"], waiver["path"]) != (None, None) and finding["rule"] == waiver["rule"]
