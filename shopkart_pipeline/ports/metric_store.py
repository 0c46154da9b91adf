"""Where counts of the past are kept, so that nobody has to read the past again to know them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shopkart_pipeline.domain.metric import Sample


@dataclass(frozen=True)
class Step:
    """What some more of the past adds."""

    positions: Mapping[str, int]
    """How far each source was read before, by its name."""
    reached: Mapping[str, int]
    """How far it is read now."""
    growth: Sequence[Sample] = ()
    """By how much series grow."""
    states: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """Where releases stand now, by service and key."""


class MetricStore(ABC):
    """Durable. Raises `ToolUnavailable` when the store can't be used."""

    @abstractmethod
    def positions(self) -> Mapping[str, int]:
        """How far each source was read; those that never were are not among them."""

    @abstractmethod
    def apply(self, step: Step) -> bool:
        """Take a step, all of it or none; False where somebody else has gone on from the same place by now."""

    @abstractmethod
    def totals(self) -> tuple[Sample, ...]:
        """Every series as it has grown, in the order of names and labels."""

    @abstractmethod
    def states(self, service: str, keys: Sequence[str]) -> Mapping[str, str]:
        """Where some releases stand, by key; those that nothing is known of are not among them."""

    @abstractmethod
    def standing(self, service: str, state: str) -> tuple[str, ...]:
        """The keys of the releases of a service that stand there."""

    @abstractmethod
    def count(self) -> Mapping[tuple[str, str], int]:
        """How many releases stand where, by service and state."""
