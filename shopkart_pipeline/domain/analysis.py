"""How a canary is judged, and what production promises, as declared and complete."""

from dataclasses import dataclass

from shopkart_pipeline.domain.detection import ExpectedTraffic
from shopkart_pipeline.domain.harm_budget import HarmBudget
from shopkart_pipeline.domain.judge_policy import EventRule, JudgePolicy, LatencyRule


@dataclass(frozen=True)
class Objective:
    """What production promises for a service, such as an error ratio of at most 0.01 over 60 seconds."""

    measure: str
    """`error_ratio` (0 to 1) or `latency_p95_seconds`."""
    limit: float
    window_seconds: float


@dataclass(frozen=True)
class Analysis:
    """How the canary is judged; see `domain.judge`."""

    minimum_effect: float = 2.0
    """The smallest ratio of error rates that counts as a regression."""
    false_abort_probability: float = 0.005
    floor_error_ratio: float = 0.2
    """An error ratio of the canary that aborts at once, whatever stable does."""
    floor_minimum_requests: int = 20
    minimum_canary_requests: int = 20
    """Requests that the canary must have answered before a step may pass: silence is never a pass."""
    warm_up_seconds: float = 0.0
    """What the canary shows in its first seconds is compared with nothing; the floor holds."""
    events: tuple[EventRule, ...] = ()
    latency: LatencyRule | None = None
    """None: is not judged."""
    traffic: ExpectedTraffic | None = None
    """What production usually gets; None where that is not said."""
    harm_budget: HarmBudget | None = None
    """What a release may cost at worst; it has chosen the steps."""

    @property
    def policy(self) -> JudgePolicy:
        """The part that the judge goes by."""
        return JudgePolicy(
            minimum_effect=self.minimum_effect,
            false_abort_probability=self.false_abort_probability,
            floor_error_ratio=self.floor_error_ratio,
            floor_minimum_requests=self.floor_minimum_requests,
            minimum_canary_requests=self.minimum_canary_requests,
            warm_up_seconds=self.warm_up_seconds,
            events=self.events,
            latency=self.latency,
        )
