"""Python's garbage collector rests while definitions are made: they are millions of objects, none of which is garbage,
and looking through all of them again and again takes a third of the time."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def paused() -> Generator[None]:
    """Keep the collector from running; it goes on afterwards if it did before."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
