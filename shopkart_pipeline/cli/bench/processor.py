"""Processor time that a build of eleven stages costs whose tools do nothing: a busy machine changes it little, other
than the clock.

Included is what `webhook` includes, over all processes of the pipeline. What they use when there is nothing to build
(sensors that look, heartbeats) is measured first and taken off.
"""

import time

import psutil

from shopkart_pipeline.cli.bench.measures import SHOPKART, Measure, Measurement
from shopkart_pipeline.cli.bench.repository import Pushed
from shopkart_pipeline.cli.bench.surroundings import RunningPipeline, Surroundings, running_pipeline
from shopkart_pipeline.cli.bench.webhook import NO_OP, NO_OP_DEFINITIONS, REPOSITORY, WARM_UP

NAME = "processor"
_IDLE_SECONDS = 10.0


def measure(around: Surroundings) -> Measurement:
    """Seconds of processor time for each build, and cores in use without one."""
    samples: list[float] = []
    with (
        around.folder() as folder,
        running_pipeline(folder / "home", NO_OP, REPOSITORY, NO_OP_DEFINITIONS) as pipeline,
    ):
        processes = psutil.Process().children()
        for number in range(WARM_UP):
            pipeline.release("graph", _change(pipeline, number))
        used, began = _used(processes), time.monotonic()
        time.sleep(min(_IDLE_SECONDS, 3 * around.receiver_seconds))
        idle_cores = (_used(processes) - used) / (time.monotonic() - began)
        for number in range(around.repeats):
            pushed = _change(pipeline, WARM_UP + number)
            used, began = _used(processes), time.monotonic()
            pipeline.release("graph", pushed)
            samples.append(_used(processes) - used - idle_cores * (time.monotonic() - began))
    measures = (
        Measure(SHOPKART, "processor time of a build", "s", tuple(samples)),
        Measure(SHOPKART, "in use with nothing to build", "cores", (idle_cores,)),
    )
    return Measurement(NAME, "Processor time of eleven no-op stages", measures)


def _change(pipeline: RunningPipeline, number: int) -> Pushed:
    return pipeline.repository.push(f"Change {number}", {"graph/app.txt": f"{number}\n"})


def _used(processes: list[psutil.Process]) -> float:
    return sum(processor_seconds(each.pid) for each in processes)


def processor_seconds(pid: int) -> float:
    """User and system time of the process, of its children that were waited for, and of those that still run."""
    process = psutil.Process(pid)
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
