"""`shopkart validate [FILE]`: every fault of a declaration, or one line that says what it declares.

Needs no instance and does not import Dagster.
"""

import argparse
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.errors import DeclarationError
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.spec.loader import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="the declaration; default: shopkart.yaml")


def run(options: argparse.Namespace) -> int:
    settings = from_environment()
    return validate(options.file or beside(settings.declaration), settings.home, Console(soft_wrap=True))


def validate(file: Path, home: Path, console: Console) -> int:
    """Print every fault as `file:line: path: message` and their number, or one line where all is well.

    Args:
        file: the declaration; printed as it is given.
        home: what `{home}` stands for.
        console: where to print.

    Returns:
        The exit code: 0, or 2 where there are faults.
    """
    try:
        pipeline = load(file, home=home)
    except DeclarationError as error:
        for fault in error.faults:
            console.print(str(fault), markup=False, highlight=False)
        console.print(counted(len(error.faults), "fault"), style="bold red", highlight=False)
        return error.exit_code
    console.print(f"{file}: {summary(pipeline)}", markup=False, highlight=False, style="green")
    for warning in warnings(pipeline):
        console.print(f"{file}: warning: {warning}", markup=False, highlight=False, style="yellow")
    return 0


def warnings(pipeline: Pipeline) -> list[str]:
    """What is valid and can't come to a good end."""
    return [
        f"services.{service.name}.environments.{name}: {why}"
        for service in pipeline.services.values()
        for name, deployment in service.deployments.items()
        if (why := pipeline.environments[name].cannot_judge(deployment)) is not None
    ]


def summary(pipeline: Pipeline) -> str:
    """What is declared, in numbers."""
    services = pipeline.services.values()
    counts = [
        counted(len(services), "service"),
        counted(sum(len(service.stages) for service in services), "stage"),
        counted(sum(len(service.gates) for service in services), "gate"),
        counted(len(pipeline.environments), "environment"),
    ]
    without = sum(len(service.left_out) for service in services)
    left_out = f"; {without} left out, see `shopkart plan`" if without else ""
    return f"valid: {', '.join(counts)}{left_out}"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def beside(file: Path) -> Path:
    """The file as a person here would name it."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file
