"""`shopkart release-notes [VERSION]`: what changed in a version of the pipeline, out of its changelog.

Needs no instance. The workflow that publishes a version calls it, so a version without notes is not published.
"""

import argparse
from importlib.metadata import version
from pathlib import Path

from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.release_notes import release_notes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", metavar="VERSION", nargs="?", help="default: the version of this installation")
    parser.add_argument(
        "--file", type=Path, default=Path("CHANGELOG.md"), help="the changelog; default: CHANGELOG.md here"
    )


def run(options: argparse.Namespace) -> int:
    try:
        text = options.file.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFound(
            f"{options.file} can't be read: {error.strerror}.", "Call this in a checkout, or name it by --file."
        ) from None
    notes = release_notes(text, options.version or version("shopkart-pipeline"), options.file.name)
    print(notes.text, end="")
    return 0
