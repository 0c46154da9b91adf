"""`shopkart test`: the project's tests, with pytest's own arguments."""

import argparse
import sys
from collections.abc import Sequence

import pytest

from shopkart_pipeline.cli.stack import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(passed_on=())
    parser.epilog = "Everything that follows is passed on to pytest, such as `-k rollout` or a path."
    parser.usage = "shopkart test [PYTEST ARGUMENT ...]"


def run(options: argparse.Namespace) -> int:
    sys.dont_write_bytecode = True
    return int(
        pytest.main(
            [
                "--rootdir",
                str(ROOT),
                "-c",
                str(ROOT / "pyproject.toml"),
                *_default_path(options.passed_on),
                *options.passed_on,
            ]
        )
    )


def _default_path(arguments: Sequence[str]) -> list[str]:
    """All tests, unless the arguments name some."""
    named = any(
        not argument.startswith("-") and (ROOT / argument.partition("::")[0]).exists() for argument in arguments
    )
    return [] if named else [str(ROOT / "shopkart_pipeline_tests")]
