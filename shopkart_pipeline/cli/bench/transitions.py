"""What the pipeline adds between two stages that follow each other: from the end of one tool to the start of the next.

That covers storing the evidence, its gates, Dagster's events and checks, the choice of the next stage and its
admission. The stages stand in a row, so nothing else runs meanwhile.
"""

from itertools import pairwise

from shopkart_pipeline.cli.bench.measures import SHOPKART, Measure, Measurement
from shopkart_pipeline.cli.bench.surroundings import Surroundings, Told, running_pipeline
from shopkart_pipeline.cli.bench.webhook import NO_OP, NO_OP_DEFINITIONS, REPOSITORY, WARM_UP
from shopkart_pipeline.domain.evidence import Evidence

NAME = "transitions"
_LIMIT_MS = 60.0
_IN_A_ROW = ("lint", "secret_scan", "dependency_scan", "dependencies", "unit_tests", "quality", "application")


def measure(around: Surroundings) -> Measurement:
    """Transitions of the stages in a row whose tools tell when they began and ended."""
    with (
        around.folder() as folder,
        running_pipeline(folder / "home", NO_OP, REPOSITORY, NO_OP_DEFINITIONS) as pipeline,
    ):
        told: list[Told] = []
        for number in range(WARM_UP + around.repeats):
            pushed = pipeline.repository.push(f"Change {number}", {"chain/app.txt": f"{number}\n"})
            told.append(pipeline.release("chain", pushed))
    samples = tuple(ms for each in told[WARM_UP:] for ms in transitions_ms(each))
    whole = tuple(_per_stage_ms(each) for each in told[WARM_UP:])
    measures = (
        Measure(SHOPKART, "end of a tool to start of the next", "ms", samples, _LIMIT_MS),
        Measure(SHOPKART, "start of a stage to start of the next, tool `true` included", "ms", whole),
    )
    return Measurement(NAME, "Transition between stages", measures)


def transitions_ms(told: Told) -> list[float]:
    """Milliseconds between the tools of stages that follow each other."""
    times = [_tool_times(told, name) for name in _IN_A_ROW]
    return [1000 * (after[0] - before[1]) for before, after in pairwise(times)]


def _tool_times(told: Told, stage: str) -> tuple[float, float]:
    result = told.records[stage].result
    if not isinstance(result, Evidence):
        raise TypeError(f"{stage} left no evidence")
    return float(result.facts["began"]), float(result.facts["ended"])


def _per_stage_ms(told: Told) -> float:
    starts = sorted(record.started_at.timestamp() for record in told.records.values())
    return 1000 * (starts[-1] - starts[0]) / (len(starts) - 1)
