"""What a measurement gives: every sample, the median, the limit, and the same of each peer."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measure:
    """One quantity of one subject."""

    subject: str
    """Who was measured: `shopkart`, or the name of a peer."""
    quantity: str
    """In words, such as `POST to first stage`."""
    unit: str
    samples: tuple[float, ...]
    limit: float | None = None
    """What the median should not exceed; only the pipeline itself has limits."""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def is_reached(self) -> bool | None:
        """Whether the median keeps the limit; None where there is no limit."""
        return None if self.limit is None else self.median <= self.limit

    def as_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "quantity": self.quantity,
            "unit": self.unit,
            "median": self.median,
            "limit": self.limit,
            "reached": self.is_reached,
            "samples": list(self.samples),
        }


@dataclass(frozen=True)
class Measurement:
    """What one module of the bench found."""

    name: str
    title: str
    measures: tuple[Measure, ...]
    notes: tuple[str, ...] = ()
    """What is included, what is not, and what was odd, in whole sentences."""
    wide: bool = False
    """Whether the table has one column for each subject, and medians alone."""

    def ratios(self) -> list[dict[str, Any]]:
        """By quantity, the pipeline's median over that of each peer."""
        own = {each.quantity: each for each in self.measures if each.subject == SHOPKART}
        return [
            {
                "quantity": peer.quantity,
                "peer": peer.subject,
                "shopkart_over_peer": own[peer.quantity].median / peer.median,
            }
            for peer in self.measures
            if peer.subject != SHOPKART and peer.quantity in own and peer.median > 0
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "measures": [each.as_json() for each in self.measures],
            "ratios": self.ratios(),
            "wide": self.wide,
            "notes": list(self.notes),
        }


SHOPKART = "shopkart"


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` of them do not exceed."""
    ordered = sorted(samples)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]
