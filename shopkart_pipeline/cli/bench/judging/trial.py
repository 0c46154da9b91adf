"""Many streams of one scenario under every rule: who aborted when, and what that had cost by then."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shopkart_pipeline.cli.bench.judging.kayenta import Kayenta
from shopkart_pipeline.cli.bench.judging.rules import ArgoRollouts, Flagger, OwnJudge, Rule
from shopkart_pipeline.cli.bench.judging.traffic import Look, Scenario
from shopkart_pipeline.cli.bench.measures import SHOPKART
from shopkart_pipeline.domain.history import ERRORS, History, dispersion_of
from shopkart_pipeline.domain.judge_policy import JudgePolicy

HISTORY_SECONDS = 3600.0
_HISTORY_SEED = 1_000_000_000
WITHOUT_HISTORY = "shopkart without history"
ARGO, ARGO_STRICT = "argo 95 %, 5 min, limit 3", "argo 99 %, 1 min, limit 0"
FLAGGER, KAYENTA = "flagger 99 %, 1 min, threshold 5", "kayenta"
RULES = (SHOPKART, WITHOUT_HISTORY, ARGO, ARGO_STRICT, FLAGGER, KAYENTA)

_PEERS: Mapping[str, Callable[[], Rule]] = {
    ARGO: lambda: ArgoRollouts(300.0, 0.95, 3),
    ARGO_STRICT: lambda: ArgoRollouts(60.0, 0.99, 0),
    FLAGGER: lambda: Flagger(60.0, 0.99, 5),
    KAYENTA: Kayenta,
}


@dataclass(frozen=True)
class Abort:
    """Where one rollout was turned back."""

    seconds: float
    failed: int
    """Requests that had failed on the canary by then."""


def trial(
    scenario: Scenario, policy: JudgePolicy, seeds: Sequence[int], seconds: float, look_seconds: float
) -> Mapping[str, tuple[Abort | None, ...]]:
    """Run every rule on the same streams.

    Args:
        scenario: what happens.
        policy: of our judge.
        seeds: one stream each.
        seconds: how long each canary bakes.
        look_seconds: between two looks of everybody.

    Returns:
        By rule, for each seed where it aborted; None where it did not.
    """
    found: dict[str, list[Abort | None]] = {name: [] for name in RULES}
    for seed in seeds:
        aborts = _one(scenario, policy, seed, seconds, look_seconds)
        for name in RULES:
            found[name].append(aborts.get(name))
    return {name: tuple(each) for name, each in found.items()}


def history_of(scenario: Scenario, seed: int, look_seconds: float) -> History:
    """What stable's halves showed against each other in the hour before."""
    looks = scenario.halves().looks(_HISTORY_SEED + seed, HISTORY_SECONDS, look_seconds)
    learned = dispersion_of((look.canary, look.stable) for look in looks if look.canary and look.stable)
    unknown = History.unknown()
    return History(unknown.since, unknown.until, {ERRORS: learned})


def _one(
    scenario: Scenario, policy: JudgePolicy, seed: int, seconds: float, look_seconds: float
) -> Mapping[str, Abort]:
    rules: dict[str, Rule] = {
        SHOPKART: OwnJudge(policy, history_of(scenario, seed, look_seconds)),
        WITHOUT_HISTORY: OwnJudge(policy, None),
        **{name: make() for name, make in _PEERS.items()},
    }
    aborts, failed = dict[str, Abort](), 0
    for look in scenario.looks(seed, seconds, look_seconds):
        failed += look.canary.hits if look.canary else 0
        for name in _aborting(rules, look):
            aborts[name] = Abort(look.seconds, failed)
            del rules[name]
        if not rules:
            break
    return aborts


def _aborting(rules: Mapping[str, Rule], look: Look) -> list[str]:
    return [name for name, rule in rules.items() if rule.aborts(look)]
