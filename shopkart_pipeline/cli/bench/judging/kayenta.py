"""Kayenta's rule: Mann-Whitney on the error ratios of ten minutes, every ten minutes.

As in `NetflixACAJudge` with its defaults: confidence 0.98, tolerance 0.25 of the Hodges-Lehmann estimate, minutes
without data removed; equal series and series without any data pass. The interval is the normal approximation that
Kayenta itself uses (from R's `wilcox.test`, with the correction for continuity and ties left out), which for a shift
is an order statistic of all differences. A failed metric gives a score of 0, and the canary is turned back.
"""

import math
from statistics import NormalDist, median

from shopkart_pipeline.cli.bench.judging.traffic import Look

_MINUTE_SECONDS = 60.0
_MINUTES = 10
_CONFIDENCE = 0.98
_TOLERANCE = 0.25


class Kayenta:
    """A canary analysis with a lifetime as long as the trial, judged every ten minutes on the last ten."""

    def __init__(self) -> None:
        self._canary: list[float] = []
        self._stable: list[float] = []
        self._minutes = 0
        self._counts = [0, 0, 0, 0]

    def aborts(self, look: Look) -> bool:
        if look.canary is not None and look.stable is not None:
            for index, count in enumerate((*look.canary, *look.stable)):
                self._counts[index] += count
        if look.seconds < (self._minutes + 1) * _MINUTE_SECONDS:
            return False
        self._minutes += 1
        requests, errors, stable_requests, stable_errors = self._counts
        self._counts = [0, 0, 0, 0]
        if requests and stable_requests:
            self._canary.append(errors / requests)
            self._stable.append(stable_errors / stable_requests)
        if self._minutes % _MINUTES:
            return False
        canary, stable, self._canary, self._stable = self._canary, self._stable, [], []
        return is_high(canary, stable)


def is_high(canary: list[float], stable: list[float]) -> bool:
    """Whether a metric of which less is better is classified as high."""
    if not canary or not stable or canary == stable:
        return False
    differences = sorted(one - other for one in canary for other in stable)
    sizes = len(canary), len(stable)
    spread = math.sqrt(sizes[0] * sizes[1] * (sum(sizes) + 1) / 12)
    quantile = NormalDist().inv_cdf(1 - (1 - _CONFIDENCE) / 2)
    below = math.floor(sizes[0] * sizes[1] / 2 - quantile * spread - 0.5)
    lower = differences[max(0, below)]
    return lower > _TOLERANCE * abs(median(differences))
