"""`shopkart test`: the project's tests, with pytest's own arguments."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from shopkart_pipeline.cli.stack import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(passed_on=())
    parser.epilog = "Everything that follows is passed on to pytest, such as `-k rollout` or a path."
    parser.usage = "shopkart test [PYTEST ARGUMENT ...]"


def run(options: argparse.Namespace) -> int:
    passed_on: Sequence[str] = options.passed_on
    sys.dont_write_bytecode = True
    configuration = ["--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml")]
    return int(pytest.main([*configuration, *_default_path(passed_on), *passed_on]))


def _default_path(arguments: Sequence[str]) -> list[str]:
    """All tests, unless the arguments name some."""
    paths = [argument.partition("::")[0] for argument in arguments if not argument.startswith("-")]
    return [] if any(Path(path).exists() for path in paths) else [str(ROOT / "shopkart_pipeline_tests")]
