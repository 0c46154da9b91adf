"""Which replicas of a track to add and which to let go: a rolling update with surge one and unavailable none.

A decision without effects; it is asked again after every change. Rules, in order:

1. Never more than one replica above the wanted number. Replicas that are leaving no longer count.
2. An old replica leaves only when a new one that serves takes its place, one that doesn't serve first.
3. A serving replica leaves only if the wanted number of serving ones stays.
4. Of too many new ones those leave first that don't serve, then the youngest.

Serving is what `ReplicaRecord.serves` says: ready, and reached by requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shopkart_pipeline.adapters.local_cluster.state import ReplicaRecord
from shopkart_pipeline.domain.workload import WorkloadSpec

SURGE = 1


@dataclass(frozen=True)
class Change:
    """What to do about a track."""

    add: int = 0
    release: tuple[str, ...] = ()
    """Names of the replicas that shall leave."""


def next_change(wanted: WorkloadSpec | None, replicas: Sequence[ReplicaRecord]) -> Change:
    """What brings the replicas of one track a step nearer to what is wanted.

    Args:
        wanted: the specification, or None if the track shall go.
        replicas: all that exist, oldest first.
    """
    active = [replica for replica in replicas if not replica.leaving]
    if wanted is None:
        return Change(release=tuple(replica.name for replica in active))
    new = [replica for replica in active if replica.runs(wanted)]
    old = [replica for replica in active if not replica.runs(wanted)]
    release = _released(wanted.replicas, new, old)
    room = wanted.replicas + SURGE - (len(active) - len(release))
    return Change(add=max(0, min(wanted.replicas - len(new), room)), release=release)


def _released(wanted: int, new: Sequence[ReplicaRecord], old: Sequence[ReplicaRecord]) -> tuple[str, ...]:
    new_serving = sum(replica.serves for replica in new)
    spare = new_serving + sum(replica.serves for replica in old) - wanted
    excess_old = len(old) - max(0, wanted - new_serving)
    excess_new = len(new) - wanted
    names: list[str] = []
    for excess, candidates in ((excess_old, _dispensable(old)), (excess_new, _dispensable(new))):
        for replica in candidates[: max(0, excess)]:
            if replica.serves:
                if spare <= 0:
                    continue
                spare -= 1
            names.append(replica.name)
    return tuple(names)


def _dispensable(replicas: Sequence[ReplicaRecord]) -> list[ReplicaRecord]:
    """Those that don't serve first, then the youngest."""
    youngest_first = replicas[::-1]
    return sorted(youngest_first, key=lambda replica: replica.serves)
