"""The shipped definitions over a platform on which no run comes further than its checkout: runs are launched and wait.

`python -m ... HOME` drains the inbox of a home over and over, as the daemon's sensor does.
"""

import sys
import time
from pathlib import Path
from typing import Any

from dagster import DagsterInstance

from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.dispatch import drain
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.wiring import build_platform

_TICK_SECONDS = 0.5


def _never_returns(*_: Any) -> None:
    while True:
        time.sleep(3600)


platform = build_platform(from_environment())
platform.scm.export = _never_returns  # type: ignore[method-assign]
defs = build_definitions(platform)


def drain_inbox(instance: DagsterInstance) -> None:
    """What the warm server calls when the receiver rings."""
    drain(instance, platform)


if __name__ == "__main__":
    with DagsterInstance.from_config(str(Path(sys.argv[1]) / "dagster")) as instance:
        print("ready", flush=True)
        while True:
            drain(instance, platform, at_most_seconds=40)
            time.sleep(_TICK_SECONDS)
