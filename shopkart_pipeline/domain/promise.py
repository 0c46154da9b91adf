"""What can be promised before a release: for each step of its canary, how soon which regression is seen.

Nothing is measured for it, so it is as good as the traffic that it is told. Latency has no promise: how many requests
are slow after a regression does not follow from how many are slow before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shopkart_pipeline.domain.detection import CONFIDENCE, Detection, ExpectedTraffic, Stream, detect
from shopkart_pipeline.domain.detection import error_stream as _errors
from shopkart_pipeline.domain.detection import event_stream as _event
from shopkart_pipeline.domain.history import ERRORS, History
from shopkart_pipeline.domain.judge_policy import JudgePolicy
from shopkart_pipeline.domain.sequential_test import Worse

EFFECTS = (3.0, 10.0)
"""Rates of the canary over stable's that promises are about, beside whole failure; inverted where fewer is worse."""
_LARGEST_WEIGHT_PERCENT = 99
_TIMES = {2.0: "doubled", 3.0: "tripled", 10.0: "tenfold"}
_PARTS = {2.0: "half", 3.0: "a third", 10.0: "a tenth"}


@dataclass(frozen=True)
class Promise:
    """One stream at one step."""

    stream: str
    weight_percent: int
    requests_per_second: float
    usual_ratio: float
    """Hits per request on stable."""
    worse: Worse
    detections: tuple[Detection, ...]
    false_abort_probability: float
    """At most, of this stream."""


def promises(
    weights_percent: Sequence[int], policy: JudgePolicy, traffic: ExpectedTraffic, history: History | None = None
) -> tuple[Promise, ...]:
    """What holds for each weight of a canary.

    Args:
        weights_percent: of the canary's steps.
        policy: as declared.
        traffic: what the service usually gets; events without a rate get no promise.
        history: what stable showed against itself.
    """
    past = history or History.unknown()
    streams = {ERRORS: _errors(traffic, policy, past.prior(ERRORS))}
    for rule in policy.events:
        if rule.name in traffic.events_per_second:
            streams[rule.name] = _event(traffic, policy, rule.name, past.prior(rule.name))
    return tuple(
        _promise(name, stream, min(weight, _LARGEST_WEIGHT_PERCENT), policy.warm_up_seconds)
        for weight in weights_percent
        for name, stream in streams.items()
    )


def _promise(name: str, stream: Stream, weight: int, warm_up_seconds: float) -> Promise:
    if stream.worse is Worse.MORE:
        tried = [effect for effect in EFFECTS if effect < stream.largest_effect]
    else:
        tried = [1 / effect for effect in EFFECTS]
    found = (detect(stream, weight / 100, effect, warm_up_seconds) for effect in (*tried, stream.largest_effect))
    return Promise(
        name, weight, stream.requests_per_second, stream.hit_ratio, stream.worse, tuple(found), 1 / stream.limit
    )


def in_words(promise: Promise) -> str:
    """A promise as a sentence."""
    *some, everything = promise.detections
    what = "errors" if promise.stream == ERRORS else promise.stream
    seen = [f"{_effect_in_words(promise, each)} within {_time(each.within_seconds)}" for each in some]
    if promise.stream == ERRORS:
        whole, harmed = "a canary that fails whatever it gets", "failed requests"
    elif promise.worse is Worse.MORE:
        whole, harmed = f"a canary with nothing but {what}", f"more {what}"
    else:
        whole, harmed = f"a canary without any {what}", f"lost {what}"
    cost = f"after about {everything.harm:.0f} {harmed}"
    seen.append(f"{whole} is turned back {cost}, in {_time(everything.within_seconds)}")
    return (
        f"At {promise.requests_per_second:g} requests a second, {100 * promise.usual_ratio:.3g} % {what} and "
        f"{promise.weight_percent} % canary: {', '.join(seen)} "
        f"({CONFIDENCE:.0%} of the time); false aborts at most {100 * promise.false_abort_probability:.2g} %."
    )


def _effect_in_words(promise: Promise, detection: Detection) -> str:
    if promise.worse is Worse.MORE:
        return f"a {_TIMES.get(detection.effect, f'{detection.effect:g}-fold')} rate is seen"
    return f"{_PARTS.get(round(1 / detection.effect, 6), f'{detection.effect:.2g}')} of the {promise.stream} is seen"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
