"""Stopping what runs together."""

import os
import signal
from pathlib import Path

import pytest

from shopkart_pipeline.cli import stack as module
from shopkart_pipeline.cli.stack import Stack
from shopkart_pipeline.settings import from_environment


class Nobody:
    """Stands for a client of an engine that does not run."""

    def __init__(self, home: Path) -> None: ...

    def shutdown(self, *, stop_runs: bool) -> None: ...


class Impatient:
    """A process during whose stop somebody asks once more."""

    def __init__(self, number: signal.Signals) -> None:
        self.number, self.stopped = number, False

    def stop(self) -> None:
        os.kill(os.getpid(), self.number)
        self.stopped = True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_told_twice_to_stop_stops_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    processes = [Impatient(number), Impatient(number)]
    stack = Stack(from_environment({"SHOPKART_HOME": str(tmp_path)}))
    before = signal.getsignal(number)

    def stop_processes(_: Stack) -> None:
        for each in processes:
            each.stop()

    monkeypatch.setattr(Stack, "stop_processes", stop_processes)
    monkeypatch.setattr(module, "WarmClient", Nobody)

    stack.stop()

    assert [each.stopped for each in processes] == [True, True]
    assert signal.getsignal(number) is before
