"""Growth curves: the same quantity at several sizes, as measures whose limit holds at one of them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from shopkart_pipeline.cli.bench.measures import SHOPKART, Measure


def curve(quantity: str, unit: str, samples: Mapping[int, Iterable[float]], things: str) -> list[Measure]:
    """One measure per size, such as `sensor tick, 1,000 services`."""
    return [Measure(SHOPKART, f"{quantity}, {size:,} {things}", unit, tuple(found)) for size, found in samples.items()]


def limited(measures: list[Measure], limits: Mapping[str, float]) -> list[Measure]:
    """The same, with limits for some quantities."""
    return [replace(measure, limit=limits.get(measure.quantity, measure.limit)) for measure in measures]
