"""A signer for a command that signs while nothing else runs, such as `shopkart evidence` when the pipeline is down."""

import contextlib
import sys
import time
from collections.abc import Generator
from pathlib import Path

from shopkart_pipeline.adapters._process import Background
from shopkart_pipeline.adapters.signer_client import SignerClient
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.settings import Settings, variables_for

_START_SECONDS = 20.0
_STOP_SECONDS = 5.0


@contextlib.contextmanager
def signer_at_hand(platform: Platform, settings: Settings) -> Generator[None]:
    """The signer that runs, or else one that is started for this and ends with it. One that does not start says why in
    its log, and whoever signs is told that nobody answers."""
    client = platform.attestor
    if not isinstance(client, SignerClient) or client.answers():
        yield
        return
    program = [str(Path(sys.executable).parent / "shopkart"), "signer"]
    log = settings.home / "logs" / "processes" / "signer.log"
    signer = Background("signer", program, variables_for(settings), log)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while signer.exit_code is None and not client.answers() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield
    finally:
        signer.stop(_STOP_SECONDS)
