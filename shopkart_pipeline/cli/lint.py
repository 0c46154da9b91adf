"""`shopkart lint`: linter, formatting, types and import contracts; all of them run, then the first failure counts."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.adapters._process import Command
from shopkart_pipeline.adapters._process import run as run_command
from shopkart_pipeline.cli.stack import ROOT

_BIN = Path(sys.executable).parent
_CHECKS = {
    "linter": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["basedpyright", "--level", "error"],
    "import contracts": ["lint-imports"],
}
_TIMEOUT_SECONDS = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Settings are in pyproject.toml."


def run(options: argparse.Namespace) -> int:
    del options
    console, failed = Console(), list[str]()
    for name, (program, *arguments) in _CHECKS.items():
        command = Command([str(_BIN / program), *arguments], ROOT, _TIMEOUT_SECONDS, capture=True, confined=False)
        done = run_command(command)
        problem = done.failure(name)
        console.print(f"{name}: [green]passed[/]" if problem is None else f"{name}: [bold red]failed[/]")
        if problem is not None:
            failed.append(name)
            console.print(done.stdout.decode(errors="replace") + done.tail, markup=False, highlight=False)
    return 1 if failed else 0
