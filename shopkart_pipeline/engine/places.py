"""Which run may start next: the order among runs that wait, and how many may be at work.

Rules, in this order:

- Runs of one queue run one after another, in the order in which they came. A run that can't start yet keeps back those
  that came after it in its queue, and nobody else.
- At most `runs` runs are at work, and of each group at most as many as is said for it. A run may be in several: the one
  that it names, that of its service, and that of the environment that it changes.
- A run that is under no limit (a rollback) starts at once, and takes no place from others.

A run says its queue and its groups by tags. Pure: no clock, no processes.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

QUEUE_TAG = "shopkart/queue"
GROUP_TAG = "shopkart/limit"
SERVICE_TAG = "shopkart/service"
ENVIRONMENT_TAG = "shopkart/environment"
"""The environment that a run changes."""
NO_LIMIT = "none"
"""The group of runs that never wait for a place."""
DEFAULT_RUNS = 6


@dataclass(frozen=True)
class RunLimits:
    """How many runs may be at work. The module of the definitions may have one, as `RUN_LIMITS`."""

    runs: int = DEFAULT_RUNS
    groups: Mapping[str, int] = field(default_factory=dict[str, int])


def service_group(service: str) -> str:
    """The group of all runs of a service."""
    return f"service:{service}"


def environment_group(environment: str) -> str:
    """The group of all runs that change an environment."""
    return f"environment:{environment}"


def groups_of(tags: Mapping[str, str]) -> str:
    """The groups that a run with these tags counts in, as `Placed` has them."""
    named = tags.get(GROUP_TAG, "")
    if named == NO_LIMIT:
        return NO_LIMIT
    found = [named] if named else []
    if service := tags.get(SERVICE_TAG):
        found.append(service_group(service))
    if environment := tags.get(ENVIRONMENT_TAG):
        found.append(environment_group(environment))
    return " ".join(found)


class Placed(Protocol):
    """A run that waits or is at work."""

    @property
    def queue(self) -> str:
        """The queue that it is in; empty for none."""
        ...

    @property
    def group(self) -> str:
        """The groups that it counts in, with a space between two; empty for none."""
        ...


Waiting = TypeVar("Waiting", bound=Placed)


def next_to_start(waiting: Iterable[Waiting], at_work: Collection[Placed], limits: RunLimits) -> Waiting | None:
    """The first of those that wait, in order, that may start now."""
    held = {run.queue for run in at_work}
    counted = [run for run in at_work if run.group != NO_LIMIT]
    groups = Counter(group for run in counted for group in run.group.split())
    free = limits.runs - len(counted)
    for run in waiting:
        allowed = free > 0 and all(groups[group] < limits.groups.get(group, limits.runs) for group in run.group.split())
        if (run.queue not in held or not run.queue) and (allowed or run.group == NO_LIMIT):
            return run
        held.add(run.queue)
    return None
