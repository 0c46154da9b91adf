"""SonarQube's measures under the names that the embedded analysis uses, so that the same gates judge both.

| measure | metric of the server | where the server has no value |
| --- | --- | --- |
| `new_violations` | `new_violations` | missing |
| `new_coverage_percent` | `new_coverage` | 100 if there is no new line, or none to cover in an imported report |
| `new_duplicated_lines_percent` | `new_duplicated_lines_density` | 0 if there is no new line |
| `new_security_hotspots_reviewed_percent` | `new_security_hotspots_reviewed` | 100 if there is no new hotspot |
| `new_lines` | `new_lines`, which the server itself exempts small changes by | missing |
| `violations` | `violations` | missing |

For the server a condition without a value has passed. Here a measure that is absent is missing evidence, unless the
server says by another metric that there is nothing to measure; then a note says so.

Where the server knows no earlier version there is no new code for it, and its gate passes whatever the code is like.
Then all code is new: the measures over all code stand for those of new code.
"""

from dataclasses import dataclass, field

from shopkart_pipeline.adapters._sonarqube_answers import GateStatus, MeasuresAnswer

_OVERALL = {
    "new_violations": "violations",
    "new_coverage": "coverage",
    "new_lines_to_cover": "lines_to_cover",
    "new_duplicated_lines_density": "duplicated_lines_density",
    "new_security_hotspots_reviewed": "security_hotspots_reviewed",
    "new_security_hotspots": "security_hotspots",
    "new_lines": "lines",
}


@dataclass
class Measured:
    """What the server measured."""

    all_is_new: bool
    values: dict[str, float] = field(default_factory=dict[str, float])
    notes: list[str] = field(default_factory=list[str])

    def put(self, name: str, value: float | None) -> None:
        """Take a value over, if there is one."""
        if value is not None:
            self.values[name] = value


def measured(answer: MeasuresAnswer, *, coverage_imported: bool) -> Measured:
    """Read the measures.

    Args:
        answer: what the server says after the analysis.
        coverage_imported: whether the scanner was handed the unit tests' coverage.

    Raises:
        ValueError: something in it is no number.
    """
    all_is_new = answer.period is None or not answer.period.has_begin
    found = Measured(all_is_new)

    def value(metric: str) -> float | None:
        return answer.value(_OVERALL[metric] if all_is_new else metric, new=not all_is_new)

    if all_is_new:
        found.notes.append("SonarQube knows no earlier version of this project: all code counts as new.")
    found.put("violations", answer.value("violations", new=False))
    found.put("new_violations", value("new_violations"))
    lines = value("new_lines")
    found.put("new_lines", lines)
    found.put("new_coverage_percent", value("new_coverage"))
    nothing_to_cover = lines == 0 or (coverage_imported and value("new_lines_to_cover") == 0)
    _fill(found, "new_coverage_percent", 100.0, nothing_to_cover, "no new line to cover")
    found.put("new_duplicated_lines_percent", value("new_duplicated_lines_density"))
    _fill(found, "new_duplicated_lines_percent", 0.0, lines == 0, "no new line that could be a copy")
    found.put("new_security_hotspots_reviewed_percent", value("new_security_hotspots_reviewed"))
    no_hotspot = value("new_security_hotspots") == 0
    _fill(found, "new_security_hotspots_reviewed_percent", 100.0, no_hotspot, "no new security hotspot")
    return found


def _fill(found: Measured, name: str, value: float, is_empty: bool, words: str) -> None:
    if name not in found.values and is_empty:
        found.values[name] = value
        found.notes.append(f"SonarQube gives no {name}, because there is {words}: it counts as {value:g}.")


def judged(gate: GateStatus, found: Measured) -> None:
    """Add how the server's own gate came out: `quality_gate_ok` and the conditions that failed."""
    if gate.status == "NONE":
        found.notes.append("The project has no quality gate on the server.")
        return
    found.values["quality_gate_ok"] = float(gate.status == "OK")
    for one in gate.conditions:
        if one.status in ("ERROR", "WARN"):
            sign = {"GT": ">", "LT": "<"}.get(one.comparator, one.comparator)
            words = f"{one.metricKey} {one.actualValue or 'unknown'} {sign} {one.errorThreshold}".strip()
            found.notes.append(f"The server's quality gate fails: {words}.")
    if gate.ignoredConditions:
        found.notes.append("The server ignored coverage and duplication in its gate, since few lines are new.")
