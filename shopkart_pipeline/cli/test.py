"""`shopkart test`: the project's tests, with pytest's own arguments."""

import argparse
import sys

import pytest

from shopkart_pipeline.cli.stack import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to pytest")


def run(options: argparse.Namespace) -> int:
    arguments = [argument for argument in options.arguments if argument != "--"]
    sys.dont_write_bytecode = True
    return int(pytest.main(["--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), *(arguments or [str(ROOT)])]))
