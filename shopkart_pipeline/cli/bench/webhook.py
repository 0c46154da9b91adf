"""From a signed POST to the first stage, and to the end of eleven stages whose tools do nothing.

Included on our side: the receiver (HTTP, HMAC, one fsync), the wake-up, `git fetch` of the pushed commit and its
export, the decision what is affected, the release and eleven evidence records in the evidence store (two fsyncs each),
the search for a result that could be reused and the verdict over everything before each stage, a fork for the run,
eleven processes `true`, and all of Dagster's events and checks, until the run is a success. Not included: the push
itself, and anything that a tool would do. The daemon runs beside it with its sensors.
"""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from shopkart_pipeline.cli.bench.buildbot_peer import running_buildbot
from shopkart_pipeline.cli.bench.dagster_peer import running_dagster
from shopkart_pipeline.cli.bench.make_peer import running_make
from shopkart_pipeline.cli.bench.measures import SHOPKART, Measure, Measurement
from shopkart_pipeline.cli.bench.peers import Peer, Timing
from shopkart_pipeline.cli.bench.surroundings import RunningPipeline, Surroundings, Told, running_pipeline

NAME = "webhook"
NO_OP = Path(__file__).with_name("no_op.yaml")
NO_OP_DEFINITIONS = "shopkart_pipeline.bench_processes.no_op_definitions"
REPOSITORY = "bench/services"
WARM_UP = 2
_FIRST, _FINISHED = "POST to first stage started", "POST to eleven stages finished"
_FIRST_LIMIT_SECONDS, _FINISHED_LIMIT_SECONDS = 0.4, 1.5


def measure(around: Surroundings) -> Measurement:
    """The pipeline and its peers, taking turns."""
    with ExitStack() as stack:
        folder = stack.enter_context(around.folder())
        pipeline = stack.enter_context(running_pipeline(folder / "home", NO_OP, REPOSITORY, NO_OP_DEFINITIONS))
        peers = [stack.enter_context(_running(name, folder / name, around.cache)) for name in around.peers]
        own, others = _take_turns(pipeline, peers, around.repeats)
        ends = pipeline.run_ends([told.run_id for told in own])
    timings = [
        Timing(told.first_stage_at - told.posted_at, end - told.posted_at) for told, end in zip(own, ends, strict=True)
    ]
    measures = [*_measures(SHOPKART, timings, _FIRST_LIMIT_SECONDS, _FINISHED_LIMIT_SECONDS)]
    for peer in peers:
        measures += _measures(peer.name, others[peer.name])
    return Measurement(NAME, "Signed POST to eleven no-op stages", tuple(measures), tuple(_notes(peers)))


def _running(name: str, folder: Path, cache: Path) -> AbstractContextManager[Peer]:
    match name:
        case "make":
            return running_make(folder)
        case "buildbot":
            return running_buildbot(folder, cache)
        case "dagster":
            return running_dagster(folder)
        case _:
            raise ValueError(f"no peer is called {name}")


def _take_turns(
    pipeline: RunningPipeline, peers: list[Peer], repeats: int
) -> tuple[list[Told], dict[str, list[Timing]]]:
    own: list[Told] = []
    others: dict[str, list[Timing]] = {peer.name: [] for peer in peers}
    for number in range(WARM_UP + repeats):
        pushed = pipeline.repository.push(f"Change {number}", {"graph/app.txt": f"{number}\n"})
        told = pipeline.release("graph", pushed)
        timings = {peer.name: peer.sample() for peer in peers}
        if number >= WARM_UP:
            own.append(told)
            for name, timing in timings.items():
                others[name].append(timing)
    return own, others


def _measures(
    subject: str, timings: list[Timing], first_limit: float | None = None, finished_limit: float | None = None
) -> list[Measure]:
    first = Measure(subject, _FIRST, "s", tuple(each.first_stage for each in timings), first_limit)
    return [first, Measure(subject, _FINISHED, "s", tuple(each.finished for each in timings), finished_limit)]


def _notes(peers: list[Peer]) -> list[str]:
    return [
        "ShopKart fetches and exports the pushed commit and stores evidence durably; the peers do neither.",
        *(f"{peer.name}: {peer.version}." for peer in peers),
    ]
