"""How long questions about the past take: what an advisory or a package affects, and gates replayed.

The store holds two services with half of the releases each (`past_releases`). `shopkart affected` is asked in this
process, with everything that it reads: index, ledger, evidence and git; starting Python and the command is not counted.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from shopkart_pipeline.cli.bench.growth import curve, limited
from shopkart_pipeline.cli.bench.measures import Measurement
from shopkart_pipeline.cli.bench.past_releases import ADVISORY, PACKAGE, fill
from shopkart_pipeline.cli.bench.surroundings import Surroundings
from shopkart_pipeline.cli.gate import advisories_of
from shopkart_pipeline.services.advisories_at_hand import ports
from shopkart_pipeline.services.find_affected import affected_by_advisory, affected_by_package
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.replay_gates import Replay, replay_gates

NAME = "past"
_ADVISORY, _PACKAGE, _REPLAY = "affected by an advisory", "affected by a package", "gates replayed, today's advisories"
_LIMITS = {f"{_ADVISORY}, 10,000 releases": 1.0, f"{_PACKAGE}, 10,000 releases": 1.0}
_REPLAYS = 1


def measure(around: Surroundings) -> Measurement:
    """Ask each size of the store."""
    found: dict[str, dict[int, list[float]]] = {_ADVISORY: {}, _PACKAGE: {}, _REPLAY: {}}
    with around.folder() as folder:
        for size in around.release_counts:
            for quantity, samples in _asked(fill(folder / str(size), size), around.repeats).items():
                found[quantity][size] = samples
    measures = [each for quantity, samples in found.items() for each in curve(quantity, "s", samples, "releases")]
    notes = ("Half of the releases belong to each of two services; an image holds 120 packages.",)
    return Measurement(NAME, "Questions about the past", tuple(limited(measures, _LIMITS)), notes)


def _asked(platform: Platform, repeats: int) -> dict[str, list[float]]:
    return {
        _ADVISORY: _timed(lambda: affected_by_advisory(platform, ADVISORY), repeats),
        _PACKAGE: _timed(lambda: affected_by_package(platform, PACKAGE, "<1.3"), repeats),
        _REPLAY: _timed(lambda: _replayed(platform), _REPLAYS),
    }


def _replayed(platform: Platform) -> int:
    _, advisories = advisories_of(platform, platform.pipeline, "today")
    since = platform.clock.now() - timedelta(days=366)
    replay = Replay(platform.pipeline, since, advisories, ports(platform)[0])
    return sum(1 for _ in replay_gates(platform, replay))


def _timed(ask: Callable[[], object], times: int) -> list[float]:
    taken: list[float] = []
    for _ in range(times):
        began = time.monotonic()
        ask()
        taken.append(time.monotonic() - began)
    return taken
