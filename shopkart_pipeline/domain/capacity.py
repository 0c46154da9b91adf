"""How many builds an hour the pipeline takes, and what limits it.

A build is continuous integration of a merge. Each part that it needs is a limit of its own: what there is of the part
in an hour, divided by what one build takes of it. The least of them is the bottleneck. What a build takes was counted;
what there is comes from the declaration and the installation. Nothing here models waiting: close to its bottleneck a
pipeline has a queue, so plan with a part of the number.
"""

from dataclasses import dataclass

_HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class BuildCost:
    """What one build takes of the pipeline itself, its tools left out."""

    processor_seconds: float
    """Of all processes of one machine together."""
    held_seconds: float
    """For which its run has a place on one machine."""
    deliveries: float
    """Webhooks that come with it."""
    pod_seconds: float
    """Processor time of the run's pod, which imports everything first."""
    written_rows: float
    """Inserted and updated in PostgreSQL."""
    written_bytes: float
    """To PostgreSQL's write-ahead log."""
    database_seconds: float
    """Processor time of PostgreSQL."""


@dataclass(frozen=True)
class Tools:
    """What the tools of a build take."""

    seconds: float
    cores: float
    """That they keep busy meanwhile."""


@dataclass(frozen=True)
class Queues:
    """What the declaration allows at the same time."""

    services: int
    runs: int
    """Over all services."""


@dataclass(frozen=True)
class Machine:
    """One machine with everything on it, less what is used with nothing to build."""

    cores: float
    deliveries_per_second: float
    """That its receiver answers."""


@dataclass(frozen=True)
class Cluster:
    """What there is on Kubernetes, less what is used with nothing to build."""

    cores: float
    """For pods of runs."""
    run_cores: float
    """That the pod of a build asks for."""
    start_seconds: float
    """From a free place to a pod that runs."""
    deliveries_per_second: float
    """Over all receivers."""
    database_cores: float
    rows_per_second: float
    """As if each were written to disk alone."""
    written_bytes_per_second: float


@dataclass(frozen=True)
class Limit:
    """One part that builds need."""

    part: str
    builds_per_hour: float
    formula: str
    """What there is each second, and what a build takes."""


def on_one_machine(cost: BuildCost, tools: Tools, queues: Queues, machine: Machine) -> tuple[Limit, ...]:
    """Limits, the bottleneck first."""
    held = cost.held_seconds + tools.seconds
    return _sorted(
        _limit("processor", machine.cores, cost.processor_seconds + tools.seconds * tools.cores),
        *_queues(queues, held),
        _limit("receiver", machine.deliveries_per_second, cost.deliveries),
    )


def on_kubernetes(cost: BuildCost, tools: Tools, queues: Queues, cluster: Cluster) -> tuple[Limit, ...]:
    """Limits, the bottleneck first."""
    held = cluster.start_seconds + cost.pod_seconds + tools.seconds
    return _sorted(
        *_queues(queues, held),
        _limit("cores of the nodes", cluster.cores / cluster.run_cores, held),
        _limit("PostgreSQL: processor", cluster.database_cores, cost.database_seconds),
        _limit("PostgreSQL: rows written", cluster.rows_per_second, cost.written_rows),
        _limit("PostgreSQL: bytes written", cluster.written_bytes_per_second, cost.written_bytes),
        _limit("receivers", cluster.deliveries_per_second, cost.deliveries),
    )


def _queues(queues: Queues, held_seconds: float) -> tuple[Limit, Limit]:
    """Builds of one service run one after another; all share the places."""
    return (
        _limit("a queue for each service", queues.services, held_seconds),
        _limit("places (`concurrency.runs`)", queues.runs, held_seconds),
    )


def _limit(part: str, there_is: float, taken: float) -> Limit:
    return Limit(part, _HOUR_SECONDS * there_is / taken, f"{there_is:,.6g} / {taken:,.6g}")


def _sorted(*limits: Limit) -> tuple[Limit, ...]:
    return tuple(sorted(limits, key=lambda limit: limit.builds_per_hour))
