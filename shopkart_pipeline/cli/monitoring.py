"""`shopkart monitoring --out FOLDER`: rules, routing, dashboards and manifests, generated from the declaration.

Files that are no longer generated are taken away, where an earlier call has written them. With `--check` nothing is
written: the folder is compared with what would be, and whatever differs is told.
"""

import argparse
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.adapters.monitoring import render_monitoring
from shopkart_pipeline.cli.generated_folder import compare_folder, write_folder
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.monitoring import targets_of
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.spec.loader import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where the files are")
    parser.add_argument("--environment", metavar="ENVIRONMENT", help="only of this one; default: all of them")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a file is not up to date")


def run(options: argparse.Namespace) -> int:
    settings, console = from_environment(), Console(soft_wrap=True, highlight=False)
    files = _files(load(settings.declaration, home=settings.home), options.environment)
    return (compare_folder if options.check else write_folder)(options.out, files, console)


def _files(pipeline: Pipeline, environment: str | None) -> dict[str, str]:
    if environment is not None and environment not in pipeline.environments:
        known = ", ".join(pipeline.environments)
        raise NotFound(f"No environment {environment!r} is declared.", f"Declared are: {known}.")
    return dict(render_monitoring(targets_of(pipeline, environment), pipeline.alerting, pipeline.recovery))
