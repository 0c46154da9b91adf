"""`shopkart rebuild RELEASE`: does building it once more give the same image?

Exit codes: 0 the same, 1 another one.
"""

import argparse

from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.cli.arguments import add_release, find_release, open_platform
from shopkart_pipeline.domain.evidence import Tool
from shopkart_pipeline.services.verify_rebuild import verify_rebuild


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_release(parser)


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    release = find_release(platform, options.release)
    rebuild = verify_rebuild(platform, release)
    if rebuild.release != release.name:
        console.print(f"{escape(release.name)} took over the image of {escape(rebuild.release)}, which was built again")
    console.print("[green]same[/]" if rebuild.same else "[bold red]different[/]")
    console.print(f"  recorded {rebuild.recorded_digest} by {escape(_words(rebuild.recorded_by))}")
    console.print(f"  rebuilt  {rebuild.rebuilt_digest} by {escape(_words(rebuild.rebuilt_by))}")
    if rebuild.difference is not None:
        console.print(f"  first difference: {escape(rebuild.difference)}")
    return 0 if rebuild.same else 1


def _words(tool: Tool) -> str:
    return f"{tool.name} {tool.version}"
