"""What stable's replicas showed against each other: every second one, by name, against the others.

In each interval only replicas count that were there at its beginning and its end, and whose counters did not begin
anew. Intervals are as long as two scrapes usually are; shorter ones would see one half scraped and the other not yet.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from shopkart_pipeline.adapters._prometheus_api import Series
from shopkart_pipeline.adapters._prometheus_counts import Answered, Cells, Labels, answered, matching
from shopkart_pipeline.adapters._prometheus_queries import REPLICA
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.history import History, learn
from shopkart_pipeline.domain.judge_policy import EventRule
from shopkart_pipeline.domain.traffic import Counts

STEP_SECONDS = 30.0
_Moments = dict[float, dict[str, Cells]]
"""What each replica had counted, by time."""


def learned(
    answer: Iterable[Series], labels: Labels, since: datetime, until: datetime, rules: Sequence[EventRule]
) -> History:
    """Learn from requests of stable's replicas over a time.

    Raises:
        ToolUnavailable: there were never two replicas to compare.
    """
    moments: _Moments = {}
    for series in answer:
        cell, name = answered(series, labels), series.labels.get(REPLICA, "")
        for at, value in series.points:
            cells = moments.setdefault(at, {}).setdefault(name, {})
            cells[cell] = cells.get(cell, 0.0) + value
    times = sorted(moments)
    halves = [
        pair
        for before, after in pairwise(times)
        if (pair := _halves(moments[before], moments[after], rules)) is not None
    ]
    if not halves:
        raise ToolUnavailable("there were never two replicas of stable to compare with each other", "")
    return learn(halves, since, until)


def _halves(
    before: dict[str, Cells], after: dict[str, Cells], rules: Sequence[EventRule]
) -> tuple[Counts, Counts] | None:
    grown = [growth for name in sorted(before.keys() & after.keys()) if (growth := _growth(before[name], after[name]))]
    if len(grown) < 2:
        return None
    one, other = (sum((_counts(each, rules) for each in half), Counts(0, 0)) for half in (grown[::2], grown[1::2]))
    return one, other


def _growth(before: Cells, after: Cells) -> Cells | None:
    """What a replica counted meanwhile; None where it began anew."""
    grown = {cell: value - before.get(cell, 0.0) for cell, value in after.items()}
    return None if any(value < 0 for value in grown.values()) else grown


def _counts(cells: Cells, rules: Sequence[EventRule]) -> Counts:
    errors = sum(value for cell, value in cells.items() if isinstance(cell, Answered) and cell.first_status >= 500)
    events = {rule.name: int(matching(cells, rule)) for rule in rules}
    return Counts(int(sum(cells.values())), int(errors), events)
