"""`shopkart controls [--out FILE]`: which evidence answers which requirement, for this declaration, gaps marked."""

import argparse
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.services.render_controls import controls_page
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.spec.loader import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to write it (Markdown; default: the terminal)")


def run(options: argparse.Namespace) -> int:
    settings = from_environment()
    page = controls_page(load(settings.declaration, home=settings.home))
    if options.out is None:
        print(page, end="")
        return 0
    try:
        options.out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise PipelineError(f"{options.out} can't be written: {error.strerror}.", "Name another file.") from error
    return 0
