"""Drift: what runs differs from what the pipeline put there, because somebody changed it by hand.

It is told in words and fought over nowhere. The number of replicas that somebody chose stays: the next update of stable
keeps it, for as long as the declared number stays the same, since people scale by hand when it is urgent. Where the
platform scales by itself, the number is nobody's drift. A service that was scaled to nothing has no number to keep.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from shopkart_pipeline.domain.release_unit import ReleaseUnit
from shopkart_pipeline.domain.workload import ServiceStatus, WorkloadSpec, WorkloadStatus


@dataclass(frozen=True)
class Expected:
    """What the pipeline left behind."""

    unit: ReleaseUnit
    replicas: Collection[int]
    """Any of them is as the pipeline wanted it; none where nobody knows."""


def scale_by_hand(found: WorkloadSpec, replicas: Collection[int]) -> int | None:
    """The number of replicas that somebody chose by hand; None where it is one of those that the pipeline wanted."""
    return None if found.autoscale is not None or found.replicas in replicas else found.replicas


def keeping_scale(wanted: WorkloadSpec, found: WorkloadSpec | None, replicas: Collection[int]) -> WorkloadSpec:
    """The wanted state with the number of replicas that somebody chose by hand, if somebody did."""
    by_hand = None if found is None else scale_by_hand(found, replicas)
    return replace(wanted, replicas=by_hand) if by_hand else wanted


def scale_line(found: WorkloadSpec, replicas: Collection[int]) -> str | None:
    """Somebody's own number of replicas, in words."""
    by_hand = scale_by_hand(found, replicas)
    if by_hand is None:
        return None
    kept = "the number is kept" if by_hand else "nothing answers"
    return f"drift: stable was scaled to {by_hand} by hand (wanted {min(replicas)}): {kept}"


def unit_line(found: ReleaseUnit, expected: ReleaseUnit) -> str | None:
    """Somebody's own image or configuration, in words."""
    if found.is_same(expected):
        return None
    last = expected.told_beside(found)
    return f"drift: stable runs {found.told_beside(expected)}, and what the pipeline put there last is {last}"


def by_hand_line(found: WorkloadStatus) -> str | None:
    """What somebody set in the configuration beside the pipeline, in words."""
    return None if found.by_hand is None else f"drift: stable's configuration was changed by hand: {found.by_hand}"


def drift_at_rest(expected: Expected, observed: ServiceStatus) -> tuple[str, ...]:
    """What differs while no rollout is under way, one line each."""
    stable, lines = observed.stable, list[str | None]()
    if stable is None:
        lines.append(f"drift: nothing runs, and what the pipeline put there last is {expected.unit.digest}")
    else:
        lines.append(unit_line(stable.spec.unit, expected.unit))
        lines.append(by_hand_line(stable))
        lines.append(scale_line(stable.spec, expected.replicas) if expected.replicas else None)
    if observed.canary is not None:
        lines.append(f"drift: a canary with {observed.canary.spec.digest} is there, which no rollout started")
    return tuple(line for line in lines if line is not None)
