"""`shopkart stores copy`: take what a home holds along into PostgreSQL, when one machine becomes several.

Nothing may run meanwhile: what is written to the home afterwards stays behind.
"""

import argparse
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline.stores_wiring import copy_home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["copy"], help="into the empty database that SHOPKART_STORES names")
    parser.add_argument("--home", metavar="FOLDER", type=Path, help="where the stores are; default: SHOPKART_HOME")


def run(options: argparse.Namespace) -> int:
    settings, console = from_environment(), Console(soft_wrap=True, highlight=False)
    home = settings.home if options.home is None else options.home.absolute()
    pipeline = load(settings.declaration, home=settings.home)
    for name, count in copy_home(settings, home, pipeline.evidence_bucket, SystemClock()).items():
        console.print(f"{count:>8} {name}")
    console.print("Copied. `shopkart affected --rebuild` makes the index of components anew.")
    return 0
