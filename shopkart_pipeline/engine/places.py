"""Which run may start next: the order among runs that wait, and how many may be at work.

Rules, in this order:

- Runs of one queue run one after another, in the order in which they came. A run that can't start yet keeps back those
  that came after it in its queue, and nobody else.
- At most `runs` runs are at work, and of each group at most as many as is said for it.
- A run that is under no limit (a rollback) starts at once, and takes no place from others.

A run says its queue and its group by tags. Pure: no clock, no processes.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

QUEUE_TAG = "shopkart/queue"
GROUP_TAG = "shopkart/limit"
NO_LIMIT = "none"
"""The group of runs that never wait for a place."""
DEFAULT_RUNS = 6


@dataclass(frozen=True)
class RunLimits:
    """How many runs may be at work. The module of the definitions may have one, as `RUN_LIMITS`."""

    runs: int = DEFAULT_RUNS
    groups: Mapping[str, int] = field(default_factory=dict[str, int])


class Placed(Protocol):
    """A run that waits or is at work."""

    @property
    def queue(self) -> str:
        """The queue that it is in; empty for none."""
        ...

    @property
    def group(self) -> str:
        """The group that it counts in; empty for none."""
        ...


Waiting = TypeVar("Waiting", bound=Placed)


def next_to_start(waiting: Iterable[Waiting], at_work: Collection[Placed], limits: RunLimits) -> Waiting | None:
    """The first of those that wait, in order, that may start now."""
    held = {run.queue for run in at_work}
    groups = Counter(run.group for run in at_work)
    free = limits.runs - sum(count for group, count in groups.items() if group != NO_LIMIT)
    for run in waiting:
        allowed = free > 0 and groups[run.group] < limits.groups.get(run.group, limits.runs)
        if (run.queue not in held or not run.queue) and (allowed or run.group == NO_LIMIT):
            return run
        held.add(run.queue)
    return None
