"""How often a good canary is aborted, and how soon a bad one is found: our judge beside the rules of others.

A simulation, see `judging`: nothing of the machine is measured, and the same seeds give the same numbers anywhere. One
policy of ours holds in all scenarios. A limit is on what the issue asks for: false aborts of at most 0.5 % over thirty
minutes, and a tenfold error rate at 50 requests a second and 10 % weight found within 30 seconds (median).
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

from shopkart_pipeline.cli.bench.judging.together import TOGETHER, false_aborts_together
from shopkart_pipeline.cli.bench.judging.traffic import Scenario
from shopkart_pipeline.cli.bench.judging.trial import RULES, Abort, trial
from shopkart_pipeline.cli.bench.measures import SHOPKART, Measure, Measurement
from shopkart_pipeline.cli.bench.surroundings import Surroundings
from shopkart_pipeline.domain.analysis import Analysis

NAME = "judge"
BAKE_SECONDS = 1800.0
POLICY = replace(Analysis(), warm_up_seconds=3.0).policy
GOOD = (
    Scenario("independent errors"),
    Scenario("bursts of five", burst=5.0),
    Scenario("daily cycle", cycle=True),
    Scenario("low traffic (5 requests/s)", requests_per_second=5.0),
    Scenario("warm-up errors (20x for 3 s)", warm_up_seconds=3.0, warm_up_effect=20.0),
    Scenario("no data after a minute", silent_from_seconds=60.0),
)
UNDECLARED = Scenario("warm-up longer than declared (10x for 10 s)", warm_up_seconds=10.0, warm_up_effect=10.0)
TENFOLD = Scenario("10x (0.5 to 5 %)", effect=10.0)
BAD = (
    TENFOLD,
    Scenario("3x (0.5 to 1.5 %)", effect=3.0),
    Scenario("100x (0.5 to 50 %)", effect=100.0),
    Scenario("10x at 5 requests/s", effect=10.0, requests_per_second=5.0),
    Scenario("10x, bursts of five", effect=10.0, burst=5.0),
)
FALSE, FOUND, COST = "false aborts", "found", "failed by then"
_FALSE_LIMIT_PERCENT, _FOUND_LIMIT_SECONDS = 0.5, 30.0
_LOOK_SECONDS, _CLOSE_LOOK_SECONDS = 5.0, 1.0
_STREAMS_EACH_REPEAT = 100
_PROCESSES = 2


def measure(around: Surroundings) -> Measurement:
    """Simulate a hundred streams of each scenario for every repeat that was asked for."""
    return simulate(around.repeats * _STREAMS_EACH_REPEAT)


def simulate(streams: int, *, processes: int = _PROCESSES) -> Measurement:
    """Every scenario under every rule.

    Args:
        streams: of each good scenario; bad ones have a quarter of them.
        processes: to share the work.
    """
    seeds, fewer = range(streams), range(max(1, streams // 4))
    judge_good = partial(trial, policy=POLICY, seeds=seeds, seconds=BAKE_SECONDS, look_seconds=_LOOK_SECONDS)
    judge_bad = partial(trial, policy=POLICY, seeds=fewer, seconds=BAKE_SECONDS, look_seconds=_CLOSE_LOOK_SECONDS)
    with ProcessPoolExecutor(processes, get_context("forkserver")) as pool:
        together = pool.submit(false_aborts_together, POLICY, seeds, BAKE_SECONDS, _LOOK_SECONDS)
        good = list(pool.map(judge_good, (*GOOD, UNDECLARED)))
        bad = list(pool.map(judge_bad, BAD))
    measures = [
        _false(scenario, rule, found[rule])
        for scenario, found in zip((*GOOD, UNDECLARED), good, strict=True)
        for rule in RULES
    ]
    measures.append(
        Measure(SHOPKART, f"{FALSE}: {TOGETHER}", "%", (100 * together.result() / streams,), _FALSE_LIMIT_PERCENT)
    )
    measures += [
        each
        for scenario, found in zip(BAD, bad, strict=True)
        for rule in RULES
        for each in _found(scenario, rule, found)
    ]
    return Measurement(
        NAME, "Good canaries aborted, bad canaries found (simulated)", tuple(measures), _notes(streams), wide=True
    )


def _false(scenario: Scenario, rule: str, aborts: Sequence[Abort | None]) -> Measure:
    share = 100 * sum(abort is not None for abort in aborts) / len(aborts)
    limit = _FALSE_LIMIT_PERCENT if rule == SHOPKART and scenario is not UNDECLARED else None
    return Measure(rule, f"{FALSE}: {scenario.name}", "%", (share,), limit)


def _found(scenario: Scenario, rule: str, by_rule: Mapping[str, Sequence[Abort | None]]) -> list[Measure]:
    aborts = by_rule[rule]
    limit = _FOUND_LIMIT_SECONDS if rule == SHOPKART and scenario is TENFOLD else None
    seconds = tuple(abort.seconds if abort else BAKE_SECONDS for abort in aborts)
    found = [Measure(rule, f"{FOUND}: {scenario.name}", "s", seconds, limit)]
    if all(abort is not None for abort in aborts):
        failed = tuple(float(abort.failed) for abort in aborts if abort)
        found.append(Measure(rule, f"{COST}: {scenario.name}", "requests", failed))
    return found


def _notes(streams: int) -> tuple[str, ...]:
    return (
        f"{streams} streams of thirty minutes for each good scenario, looked at every {_LOOK_SECONDS:g} s; "
        f"{max(1, streams // 4)} for each bad one, looked at every {_CLOSE_LOOK_SECONDS:g} s. Seeds count from 0.",
        "50 requests a second, 10 % canary, 0.5 % errors unless a scenario says otherwise; every rule sees the same.",
        f"Our policy everywhere: a declared warm-up of {POLICY.warm_up_seconds:g} s, else the defaults. "
        "What stable showed against itself in the hour before is simulated too; `shopkart without history` does not "
        "know it.",
        f"What was not found in {BAKE_SECONDS:g} s counts as that; then there is no number of failed requests.",
        "Without data our judge aborts nothing and passes nothing: the rollout's deadline turns it back. Others count "
        "it as a failed check (Flagger), as an error of which five in a row abort (Argo Rollouts), or not at all "
        "(Kayenta).",
        "Of the others only their published rules are simulated, with the values of their own examples; see "
        "`cli/bench/judging`.",
    )
