"""`shopkart capacity`: how many builds an hour the pipeline takes, and what limits it.

Computed from what a build takes, as it was measured (`capacity.json`, where each number says where it is from), and
from the declaration: its services, places, and what it gives to the pod of a build.
"""

import argparse
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from shopkart_pipeline.domain.capacity import (
    BuildCost,
    Cluster,
    Limit,
    Machine,
    Queues,
    Tools,
    on_kubernetes,
    on_one_machine,
)
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.run_pods import RunKind

INPUTS = Path(__file__).with_name("capacity.json")
ONE_MACHINE, KUBERNETES = "One machine", "Kubernetes"
_MILLI = "m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tools", type=float, default=0.0, metavar="SECONDS", help="that the tools of a build take (default: none)"
    )
    parser.add_argument(
        "--tool-cores", type=float, default=1.0, metavar="CORES", help="that they keep busy meanwhile (default: 1)"
    )
    parser.add_argument(
        "--inputs", type=Path, default=INPUTS, metavar="FILE", help="other numbers than the shipped ones"
    )


def run(options: argparse.Namespace) -> int:
    from shopkart_pipeline.settings import from_environment
    from shopkart_pipeline.spec.loader import load

    if min(options.tools, options.tool_cores) < 0:
        raise PipelineError("Tools can't take less than nothing.", "Give `--tools` and `--tool-cores` of 0 or more.")
    settings = from_environment()
    pipeline = load(settings.declaration, home=settings.home)
    console = Console(soft_wrap=True, highlight=False)
    for title, limits in capacity(read(options.inputs), pipeline, Tools(options.tools, options.tool_cores)).items():
        table = Table(
            "limit", "builds an hour", "there is a second / a build takes", title=title, title_justify="left", box=None
        )
        for limit in limits:
            table.add_row(*row(limit))
        console.print(table)
        console.print(f"  bottleneck: {limits[0].part}", style="bold", markup=False)
    return 0


def read(path: Path) -> dict[str, float]:
    """The numbers of a file of inputs, by their names.

    Raises:
        PipelineError: it can't be read, or a number is missing or none that can be calculated with.
    """
    try:
        document: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        found = {name: float(each["value"]) for name, each in document.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise PipelineError(f"{path} can't be read as inputs: {error}.", f"Begin with a copy of {INPUTS}.") from error
    if wrong := [name for name, value in found.items() if not 0 < value < float("inf")]:
        raise PipelineError(f"{path}: {wrong[0]} is not a number above 0.", "Measure it, or take the shipped number.")
    return found


def capacity(inputs: Mapping[str, float], pipeline: Pipeline, tools: Tools) -> dict[str, tuple[Limit, ...]]:
    """Limits by where the pipeline runs, each time with the bottleneck first."""
    try:
        cost = BuildCost(**{name: inputs[name] for name in BuildCost.__dataclass_fields__})
        machine = Machine(
            inputs["machine_cores"] - inputs["machine_idle_cores"], inputs["receiver_deliveries_per_second"]
        )
        cluster = Cluster(
            inputs["cluster_cores"],
            cores(pipeline.run_pods[RunKind.BUILDS].resources.cpu),
            inputs["dequeue_seconds"] + inputs["pod_start_seconds"],
            inputs["receiver_deliveries_per_second"] * inputs["receiver_pods"],
            inputs["database_cores"] - inputs["database_idle_cores"],
            inputs["database_rows_per_second"] - inputs["database_idle_rows_per_second"],
            inputs["database_bytes_per_second"],
        )
    except KeyError as error:
        raise PipelineError(f"The inputs lack {error}.", f"Begin with a copy of {INPUTS}.") from error
    if min(machine.cores, cluster.database_cores, cluster.rows_per_second) <= 0:
        raise PipelineError(
            "With these inputs nothing is left for builds: what is used without one is all there is.",
            "Correct the inputs whose names have `idle` in them, or give it more cores.",
        )
    queues = Queues(len(pipeline.services), pipeline.concurrency.runs)
    return {
        ONE_MACHINE: on_one_machine(cost, tools, queues, machine),
        KUBERNETES: on_kubernetes(cost, tools, queues, cluster),
    }


def cores(quantity: str) -> float:
    """A quantity of Kubernetes, such as `500m`, as cores."""
    if quantity.endswith(_MILLI):
        return float(Decimal(quantity.removesuffix(_MILLI)) / 1000)
    return float(quantity)


def row(limit: Limit) -> tuple[str, str, str]:
    """As pages and terminals show it."""
    return limit.part, f"{limit.builds_per_hour:,.0f}", limit.formula
