"""Who judges: our judge, and the published rules of Argo Rollouts and Flagger with the values of their own examples.

Each takes the same looks and says at which one it would abort. Of the others only the rule is here, not the product:
windows are exact, and no scrape is ever late, which is kinder than life.

- Argo Rollouts, documentation "Analysis & Progressive Delivery": `interval: 5m`, `successCondition: result[0] >= 0.95`,
  `failureLimit: 3`; it aborts when failed measurements exceed the limit. Its default limit is 0: so a second one
  measures every minute against 0.99. A measurement without data is an error; five in a row (`consecutiveErrorLimit: 4`
  exceeded) end the analysis as an error, and that aborts.
- Flagger, documentation "Metrics Analysis" and its tutorials: `request-success-rate` with `min: 99`, `interval: 1m`,
  `threshold: 5`; failed checks add up, no data is a failed check, and the rollback comes one tick later.
"""

from typing import Protocol

from shopkart_pipeline.cli.bench.judging.traffic import Look
from shopkart_pipeline.domain.history import ERRORS, History
from shopkart_pipeline.domain.judge_policy import JudgePolicy
from shopkart_pipeline.domain.sequential_test import SequentialTest, Worse, effects


class Rule(Protocol):
    """Judges one rollout."""

    def aborts(self, look: Look) -> bool:
        """Whether this look makes it abort."""
        ...


class OwnJudge:
    """`domain.judge`, without the bookkeeping of a rollout: the same test and the same floor, look by look.

    Args:
        policy: as declared.
        history: what stable showed against itself.
    """

    def __init__(self, policy: JudgePolicy, history: History | None) -> None:
        self._prior = (history or History.unknown()).prior(ERRORS)
        self._test = SequentialTest(effects(policy.minimum_effect, Worse.MORE), self._prior)
        self._policy = policy
        self._requests = self._errors = 0
        self._last_seconds = 0.0

    def aborts(self, look: Look) -> bool:
        if look.canary is None or look.stable is None:
            return False
        policy, began, self._last_seconds = self._policy, self._last_seconds, look.seconds
        self._requests += look.canary.requests
        self._errors += look.canary.hits
        if began >= policy.warm_up_seconds:
            self._test.add(look.canary, look.stable)
        if policy.is_over_floor(self._requests, self._errors, self._prior.value):
            return True
        return self._test.ratio >= policy.error_limit


class Window:
    """Sums looks up to an interval; None while it is not over."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._ends = interval_seconds
        self._requests = self._errors = 0

    def add(self, look: Look) -> tuple[int, int] | None:
        """Requests and errors of the canary in an interval that this look ends."""
        if look.canary is not None:
            self._requests += look.canary.requests
            self._errors += look.canary.hits
        if look.seconds < self._ends:
            return None
        counted, self._requests, self._errors = (self._requests, self._errors), 0, 0
        self._ends += self._interval_seconds
        return counted


class ArgoRollouts:
    """An AnalysisRun in the background of a rollout.

    Args:
        interval_seconds: of its measurements.
        success_ratio: a measurement below failed.
        failure_limit: more failed measurements than that abort.
    """

    _CONSECUTIVE_ERROR_LIMIT = 4

    def __init__(self, interval_seconds: float, success_ratio: float, failure_limit: int) -> None:
        self._window = Window(interval_seconds)
        self._success_ratio, self._failure_limit = success_ratio, failure_limit
        self._failed = self._errors_in_a_row = 0

    def aborts(self, look: Look) -> bool:
        counted = self._window.add(look)
        if counted is None:
            return False
        requests, errors = counted
        if requests == 0:
            self._errors_in_a_row += 1
        else:
            self._errors_in_a_row = 0
            self._failed += 1 - errors / requests < self._success_ratio
        return self._failed > self._failure_limit or self._errors_in_a_row > self._CONSECUTIVE_ERROR_LIMIT


class Flagger:
    """A Canary's analysis.

    Args:
        interval_seconds: of its ticks.
        success_ratio: a check below failed.
        threshold: so many failed checks roll back.
    """

    def __init__(self, interval_seconds: float, success_ratio: float, threshold: int) -> None:
        self._window = Window(interval_seconds)
        self._success_ratio, self._threshold = success_ratio, threshold
        self._failed = 0

    def aborts(self, look: Look) -> bool:
        counted = self._window.add(look)
        if counted is None:
            return False
        if self._failed >= self._threshold:
            return True
        requests, errors = counted
        self._failed += requests == 0 or 1 - errors / requests < self._success_ratio
        return False
