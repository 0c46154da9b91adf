"""The entry of a step's pod: `python -m shopkart_pipeline.engine.step`.

Dagster Pipes says in the environment where the run is, and by which word it lets in. Before anything foreign is run,
no other process of the same user may look into this one any more, so the word stays here: neither memory nor
environment of it can be read. Commands get an environment of their own.

It ends itself when its run is away: nobody waits for it any more. What its tool logs is written to its own output.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from dagster_pipes import PipesDefaultContextLoader, PipesEnvVarParamsLoader

from shopkart_pipeline.adapters import _process
from shopkart_pipeline.adapters.step_pod.carry_out import Tools, carry_out
from shopkart_pipeline.adapters.step_pod.errand import ADDRESS, PACKAGE_DIGEST, WORD
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.confinement_wiring import confine_commands
from shopkart_pipeline.domain.errors import PipelineError, words_of
from shopkart_pipeline.known_secrets import know, masked
from shopkart_pipeline.scanner_wiring import build_scanners
from shopkart_pipeline.settings import Settings, from_environment
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline.wiring import build_application_builder

_PR_SET_DUMPABLE = 4
_LOOK_SECONDS = 15.0
_MOST_MISSED = 4
_ECHO_SECONDS = 0.5
_PIECE_BYTES = 64 * 1024
_ALONE, _FAILED, _STOPPED = 70, 1, 143


def main() -> int:
    """Carry out what the environment says; returns the exit code."""
    _close()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        with PipesDefaultContextLoader().load_context(PipesEnvVarParamsLoader().load_context_params()) as told:
            extras = told["extras"]
            address, word, digest = (str(extras[name]) for name in (ADDRESS, WORD, PACKAGE_DIGEST))
    except Exception as error:
        print(f"Nothing says what is to be done here: {type(error).__name__}.", flush=True)
        return _FAILED
    know(word)
    threading.Thread(target=_leave_when_alone, args=(address,), daemon=True).start()
    return done(from_environment(), address, word, digest)


def done(settings: Settings, address: str, word: str, digest: str) -> int:
    """Do the step, and show what its tool logs meanwhile."""
    log = settings.home / "logs" / "step.log"
    over = threading.Event()
    echo = threading.Thread(target=_echo, args=(log, over), daemon=True)
    echo.start()
    try:
        carry_out(address, word, digest, _tools(settings))
    except (PipelineError, OSError) as error:
        print(masked(words_of(error)), flush=True)
        return _FAILED
    finally:
        over.set()
        echo.join(10.0)
    return 0


def _tools(settings: Settings) -> Tools:
    """The tools of the same image, for the same declaration."""
    pipeline, clock = load(settings.declaration, home=settings.home), SystemClock()
    confine_commands(settings, pipeline)
    return Tools(
        service=lambda name: pipeline.services[name],
        scanners=lambda scm: build_scanners(settings, scm, clock, pipeline.environments),
        builder=build_application_builder(settings),
        home=settings.home,
    )


def _close() -> None:
    """No other process of this user may read our memory or environment (prctl(2), proc(5))."""
    if ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        print("This system does not let a process close itself to others.", flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    """As the first process of a container, nobody else would."""
    del number, frame
    _process.stop_all()
    os._exit(_STOPPED)


def _leave_when_alone(address: str) -> None:
    where, missed = urlsplit(address), 0
    while missed < _MOST_MISSED:
        time.sleep(_LOOK_SECONDS)
        try:
            socket.create_connection((where.hostname or "", where.port or 0), timeout=5.0).close()
            missed = 0
        except OSError:
            missed += 1
    print("The run that this step is for is away.", flush=True)
    _process.stop_all()
    os._exit(_ALONE)


def _echo(log: Path, over: threading.Event) -> None:
    """Write what is appended to a log to our own output."""
    position = 0
    while True:
        last = over.wait(_ECHO_SECONDS)
        if log.is_file():
            with log.open("rb") as stream:
                stream.seek(position)
                while piece := stream.read(_PIECE_BYTES):
                    position += len(piece)
                    sys.stdout.write(piece.decode(errors="replace"))
                sys.stdout.flush()
        if last:
            return


if __name__ == "__main__":
    sys.exit(main())
