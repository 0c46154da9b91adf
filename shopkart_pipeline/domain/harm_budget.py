"""What a release may cost at worst, and the canary's step that keeps it.

- A regression matters if it would spend the budget within an hour of the whole traffic; smaller ones are left to the
  service's objectives. So the smallest effect to be found is `1 + budget / (hits per second * 3600)`, and at least the
  declared minimum effect (for events of which fewer is worse: `1 - budget / ...`, and its inverse at most).
- The harm of a regression is what it costs on the canary until it is seen nine times in ten, and the time to shift the
  traffic back: `hits per second * share * |rate - 1| * (seconds + REACTION_SECONDS)`.
- The weight is the largest one up to `LARGEST_WEIGHT_PERCENT` at which no regression that matters costs more than the
  budget; a larger share finds everything sooner. The step bakes until the smallest effect is found nine times in ten.

How much the judge must see is nearly the same at any weight, so there is a least budget, and a smaller one is a fault.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shopkart_pipeline.domain.detection import CONFIDENCE, Detection, Stream, detect, harm, seconds_until
from shopkart_pipeline.domain.sequential_test import Worse

LARGEST_WEIGHT_PERCENT = 50
MATTERS_WITHIN_SECONDS = 3600.0


@dataclass(frozen=True)
class HarmBudget:
    """What a release may cost at worst."""

    count: int
    """Requests that fail, or events that are lost, beyond what happens anyway."""
    event: str | None = None
    """None: failed requests."""


@dataclass(frozen=True)
class Choice:
    """The step of a canary that keeps a harm budget."""

    weight_percent: int
    bake_seconds: float
    smallest_effect: float
    worst: Detection


def choose(stream: Stream, budget: int, minimum_effect: float, warm_up_seconds: float = 0.0) -> Choice | float:
    """The step that keeps a harm budget, or what the budget would have to be at least.

    Args:
        stream: what the budget counts.
        budget: failed requests or lost events.
        minimum_effect: the declared one, a ratio above one.
        warm_up_seconds: as in `detect`.
    """
    smallest = _smallest_effect(stream, budget, minimum_effect)
    tried = _effects_from(smallest, stream)
    least = math.inf
    for weight in range(LARGEST_WEIGHT_PERCENT, 0, -1):
        share = weight / 100
        seconds = [seconds_until(stream, share, effect, CONFIDENCE, warm_up_seconds) for effect in tried]
        worst, effect = max((harm(stream, share, each, wait), each) for each, wait in zip(tried, seconds, strict=True))
        if worst <= budget:
            found = detect(stream, share, effect, warm_up_seconds)
            return Choice(weight, float(math.ceil(seconds[0])), smallest, found)
        least = min(least, worst)
    return least


def _smallest_effect(stream: Stream, budget: int, minimum_effect: float) -> float:
    change = budget / (stream.hits_per_second * MATTERS_WITHIN_SECONDS)
    if stream.worse is Worse.MORE:
        return min(max(minimum_effect, 1 + change), stream.largest_effect)
    return max(0.0, min(1 / minimum_effect, 1 - change))


def _effects_from(smallest: float, stream: Stream, steps: int = 12) -> Sequence[float]:
    """Effects from the smallest one that matters to the largest one that is possible."""
    largest = stream.largest_effect
    if stream.worse is Worse.FEWER:
        return [smallest * (1 - step / steps) for step in range(steps + 1)]
    return [smallest * (largest / smallest) ** (step / steps) for step in range(steps + 1)]
