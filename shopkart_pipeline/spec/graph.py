"""Directed graphs of names: order, reachability, and every cycle."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

Graph = Mapping[str, Sequence[str]]
"""By name, the names that it needs."""


def order(graph: Graph) -> tuple[str, ...]:
    """Names such that each comes after those that it needs, otherwise as given.

    Raises:
        graphlib.CycleError: there is no such order.
    """
    return tuple(TopologicalSorter(graph).static_order())


def cycles(graph: Graph) -> Iterator[tuple[str, ...]]:
    """Cycles, each as names of which every one needs the next, the first again at the end.

    Each cycle is opened at its last edge before the next is looked for, so that one fault is not told many times;
    after twenty cycles the rest is not worth the wait.
    """
    remaining = {name: list(needs) for name, needs in graph.items()}
    for _ in range(20):
        try:
            TopologicalSorter(remaining).prepare()
        except CycleError as error:
            cycle = tuple(reversed(error.args[1]))
            yield cycle
            remaining[cycle[-2]] = [need for need in remaining[cycle[-2]] if need != cycle[-1]]
        else:
            return


def reachable(graph: Graph, start: str) -> frozenset[str]:
    """All that `start` needs, directly or not; includes `start` only if it is on a cycle."""
    found: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(graph.get(name, ()))
    return frozenset(found)


def waves(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Groups of names that can run at the same time, in order; needs that are no names of the graph are ignored."""
    sorter = TopologicalSorter({name: [need for need in needs if need in graph] for name, needs in graph.items()})
    sorter.prepare()
    groups: list[tuple[str, ...]] = []
    while sorter.is_active():
        ready = sorter.get_ready()
        groups.append(ready)
        sorter.done(*ready)
    return tuple(groups)
