"""How the pipeline grows with the number of releases of one service: the launch of the next one, and the asset's page.

Launch latency is from the signed POST to the start of the first stage, with everything between them. The asset page is
what the web interface asks for one asset: its partitions with their states, its latest events and its checks. Live
partitions are kept to the declared number, as the sweep does; older releases stay in the evidence store and in the
event log of Dagster.
"""

import statistics

from shopkart_pipeline.cli.bench.asset_page import ask_asset_page, running_web
from shopkart_pipeline.cli.bench.growth import curve, limited
from shopkart_pipeline.cli.bench.measures import SHOPKART, Measure, Measurement
from shopkart_pipeline.cli.bench.surroundings import RunningPipeline, Surroundings, ask_process, running_pipeline
from shopkart_pipeline.cli.bench.webhook import NO_OP, NO_OP_DEFINITIONS, REPOSITORY, WARM_UP

NAME = "releases"
LIVE_RELEASES = 1000
_SERVICE = "graph"
_GROWTH_LIMIT = 1.5


def measure(around: Surroundings) -> Measurement:
    """Launch and look at each size of the history."""
    launches: dict[int, list[float]] = {}
    pages: dict[int, list[float]] = {}
    with (
        around.folder() as folder,
        running_pipeline(folder / "home", NO_OP, REPOSITORY, NO_OP_DEFINITIONS) as pipeline,
    ):
        _launch(pipeline, WARM_UP)
        with running_web(pipeline) as url:
            for size in around.release_counts:
                ask_process(pipeline.settings, "multiply_releases", _SERVICE, str(size), str(LIVE_RELEASES))
                launches[size] = _launch(pipeline, around.repeats)
                pages[size] = [ask_asset_page(url, _SERVICE, "unit_tests") for _ in range(around.repeats)]
    measures = curve("POST to first stage started", "s", launches, "releases")
    measures += curve("the asset page's query", "s", pages, "releases")
    return Measurement(NAME, "Releases of one service", tuple(limited(measures + _growth(launches), {})))


def _launch(pipeline: RunningPipeline, times: int) -> list[float]:
    taken: list[float] = []
    for _ in range(times):
        pipeline.changes += 1
        pushed = pipeline.repository.push("Change", {f"{_SERVICE}/app.txt": f"{pipeline.changes}\n"})
        told = pipeline.release(_SERVICE, pushed)
        taken.append(told.first_stage_at - told.posted_at)
    return taken


def _growth(launches: dict[int, list[float]]) -> list[Measure]:
    least, most = min(launches), max(launches)
    base = statistics.median(launches[least])
    quantity = f"launch latency at {most:,} releases over that at {least:,}"
    return [Measure(SHOPKART, quantity, "times", tuple(each / base for each in launches[most]), _GROWTH_LIMIT)]
