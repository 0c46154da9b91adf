"""Windows in which there are more replicas than otherwise, before the requests come: a sale, an evening, a campaign.

An autoscaler that follows the load comes minutes too late for a crowd that comes at once. In a window the fewest
replicas are raised; the autoscaler goes on between them and the most that is declared. Where a number is fixed, it is
raised itself. The window begins its lead time early, as nodes and replicas take time to start. Where several are on,
the one with the most replicas holds. What holds follows from the declaration and the time alone, so whoever was killed,
and whatever was missed, the next look knows what has to be.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.pod import Autoscale
from shopkart_pipeline.domain.scale_window import ScaleWindow, Span


@dataclass(frozen=True)
class Scale:
    """How many replicas of stable there are to be: a number, or bounds between which the platform chooses."""

    replicas: int
    autoscale: Autoscale | None = None

    @property
    def words(self) -> str:
        if self.autoscale is None:
            return f"{self.replicas} replicas"
        return f"{self.autoscale.minimum} to {self.autoscale.maximum} replicas"

    @property
    def fewest(self) -> int:
        return self.replicas if self.autoscale is None else self.autoscale.minimum

    def at_least(self, minimum: int) -> "Scale":
        """With so many replicas at least, and never more than the most that is declared."""
        if self.autoscale is None:
            return replace(self, replicas=max(self.replicas, minimum))
        fewest = min(max(self.autoscale.minimum, minimum), self.autoscale.maximum)
        return Scale(max(self.replicas, fewest), replace(self.autoscale, minimum=fewest))


@dataclass(frozen=True)
class Ahead:
    """What holds at a moment."""

    scale: Scale
    span: Span | None
    """For which window; None: as is declared for every day."""

    @property
    def key(self) -> str:
        """Tells one time of a window from every other; empty outside of all."""
        return "" if self.span is None else self.span.key


def scale_of(deployment: Deployment) -> Scale:
    """As it is declared for every day."""
    return Scale(deployment.replicas, deployment.autoscale)


def ahead_at(deployment: Deployment, now: datetime) -> Ahead:
    """What holds for a deployment at a moment."""
    daily = scale_of(deployment)
    found = [(span, minimum(window, daily)) for window in deployment.scale_ahead if (span := window.on_at(now))]
    if not found:
        return Ahead(daily, None)
    # Whichever has the most; between equals the one that lasts longest, so that its name stays.
    span, fewest = max(found, key=lambda each: (each[1], each[0].ends_at.astimezone(UTC), each[0].name))
    return Ahead(daily.at_least(fewest), span)


def minimum(window: ScaleWindow, daily: Scale) -> int:
    """The fewest replicas that a window asks for."""
    if window.minimum is not None:
        return window.minimum
    return math.ceil(daily.fewest * (window.factor or 1.0))


def scaled_ahead(deployment: Deployment, now: datetime) -> Deployment:
    """The deployment with the number of replicas that holds at a moment, and no window left to count again."""
    scale = ahead_at(deployment, now).scale
    return replace(deployment, replicas=scale.replicas, autoscale=scale.autoscale, scale_ahead=())


def next_span(deployment: Deployment, now: datetime) -> Span | None:
    """The window whose warming up begins next."""
    coming = [span for window in deployment.scale_ahead if (span := window.next_after(now)) is not None]
    return min(coming, key=lambda span: span.warm_at.astimezone(UTC), default=None)


def raised(wanted: Scale, found: Scale) -> bool:
    """Whether what is wanted is more than what is there, of the same kind."""
    same_kind = (wanted.autoscale is None) == (found.autoscale is None)
    return same_kind and wanted.fewest > found.fewest
