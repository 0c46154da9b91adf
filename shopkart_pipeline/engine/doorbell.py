"""Tell the warm worker that the inbox has something new. It only makes things faster: a sensor looks by itself."""

import contextlib
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.engine.warm_client import WarmClient

DRAIN = ":drain_inbox"
"""What the worker is to call, in the module of the definitions that it serves; the engine lies below them."""


def ring(dagster_home: Path) -> None:
    """Ring at the worker of an instance home; nobody being at home is no error."""
    with contextlib.suppress(PipelineError):
        WarmClient(dagster_home).call(DRAIN)
