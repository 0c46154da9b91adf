"""What a gate asks of evidence: a limit on a measure, or on the number of findings of some severity.

A gate belongs to one stage and is shown as one asset check. It never says what to do when evidence is missing:
that is not for a policy to decide (`domain.verdict`: missing evidence blocks).
"""

from dataclasses import dataclass
from enum import StrEnum

from shopkart_pipeline.domain.evidence import Severity


class Comparison(StrEnum):
    """How a value has to stand to its limit for the gate to pass."""

    AT_MOST = "<="
    AT_LEAST = ">="

    def holds(self, value: float, limit: float) -> bool:
        return value <= limit if self is Comparison.AT_MOST else value >= limit


@dataclass(frozen=True)
class MeasureRule:
    """A limit on one measure of the stage's evidence."""

    measure: str
    comparison: Comparison
    limit: float
    exempt_measure: str | None = None
    """The rule doesn't apply while this measure is below `exempt_below`, and the verdict says so."""
    exempt_below: float = 0.0


@dataclass(frozen=True)
class FindingsRule:
    """A limit on the number of findings that count."""

    severity: Severity
    """Findings of this severity or worse count; an unknown severity counts as high."""
    only_new: bool = True
    """Findings that the base of the release already had don't count."""
    only_fixable: bool = False
    """Findings that no version fixes don't count; where that is unknown, they do."""
    limit: int = 0
    rules: tuple[str, ...] = ()
    """Names of the rules whose findings count, with `*` for anything; empty: those of every rule."""
    exempt_measure: str | None = None
    """As for a `MeasureRule`: findings of a look that declaredly did not happen are not to be counted."""
    exempt_below: float = 0.0


@dataclass(frozen=True)
class Gate:
    """One named rule on one stage."""

    name: str
    stage: str
    description: str
    rule: MeasureRule | FindingsRule
