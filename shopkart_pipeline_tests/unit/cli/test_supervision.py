"""Processes that end by themselves are started again, the later the more often they do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.cli import stack as stack_module
from shopkart_pipeline.cli import supervision as module
from shopkart_pipeline.cli.stack import Stack
from shopkart_pipeline.cli.supervision import Supervision
from shopkart_pipeline.settings import from_environment


@dataclass
class Started:
    """A process that ends when a test says so."""

    name: str
    arguments: Any
    variables: Any
    log: Path
    exit_code: int | None = None
    pid: int = 0
    stopped: list[float] = field(default_factory=list[float])

    def stop(self, grace_seconds: float) -> None:
        self.stopped.append(grace_seconds)


class Served:
    """An engine that somebody else has started, or not."""

    by_another = False

    def __init__(self, home: Path) -> None: ...

    def is_served(self) -> bool:
        return Served.by_another


@dataclass
class Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(stack_module, "Background", Started)
    monkeypatch.setattr(module, "WarmClient", Served)
    monkeypatch.setattr(stack_module, "_created", lambda pid: 0.0)
    monkeypatch.setattr(Served, "by_another", False)
    stack = Stack(from_environment({"SHOPKART_HOME": str(tmp_path)}))
    for name in ("engine", "receiver", "daemon"):
        stack.start(name, [f"run-{name}"], {"WHO": name})
    return stack


def end(stack: Stack, name: str) -> None:
    next(each for each in stack.processes if each.name == name).exit_code = -9  # type: ignore[misc]


def runs(stack: Stack, name: str) -> bool:
    return next(each for each in stack.processes if each.name == name).exit_code is None


def test_who_ends_is_started_again_in_its_place_and_the_others_are_left_alone(stack: Stack) -> None:
    clock, others = Seconds(), [stack.processes[0], stack.processes[2]]
    supervision = Supervision(stack, clock)
    supervision.look()
    ended: Any = stack.processes[1]
    end(stack, "receiver")

    told = supervision.look()
    assert "receiver ended with code -9" in told[0]
    assert str(ended.log) in told[0]
    clock.now += 0.5
    assert supervision.look() == ["receiver is started again."]

    again: Any = stack.processes[1]
    assert [stack.processes[0], stack.processes[2]] == others
    assert (again.name, again.arguments, again.variables["WHO"]) == ("receiver", ["run-receiver"], "receiver")
    assert ended.stopped == [0.0], "what it has left running is gone"
    assert supervision.look() == []


def test_who_ends_again_and_again_waits_longer_but_is_never_given_up(stack: Stack) -> None:
    clock, pauses = Seconds(), list[float]()
    supervision = Supervision(stack, clock)
    for _ in range(12):
        end(stack, "daemon")
        supervision.look()
        ended_at = clock.now
        while not runs(stack, "daemon"):
            clock.now += 0.5
            supervision.look()
        pauses.append(clock.now - ended_at)
    assert pauses[:5] == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert set(pauses[6:]) == {30.0}

    clock.now += 60
    end(stack, "daemon")
    supervision.look()
    clock.now += 0.5
    supervision.look()
    assert runs(stack, "daemon"), "who ran for a minute is started again soon"


def test_an_engine_that_a_launcher_has_replaced_is_not_started_beside_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Seconds()
    supervision = Supervision(stack, clock)
    monkeypatch.setattr(Served, "by_another", True)
    end(stack, "engine")
    supervision.look()
    clock.now += 100
    assert supervision.look() == []
    assert not runs(stack, "engine")

    monkeypatch.setattr(Served, "by_another", False)
    assert supervision.look() == ["engine is started again."]


def test_who_can_not_be_started_stops_nobody_and_is_tried_again(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Started:
        raise OSError(28, "No space left on device")

    clock = Seconds()
    supervision = Supervision(stack, clock)
    end(stack, "receiver")
    supervision.look()
    clock.now += 0.5
    with monkeypatch.context() as patched:
        patched.setattr(stack_module, "Background", full)
        assert supervision.look() == ["receiver can't be started: No space left on device; it is tried again in 30 s."]
        assert supervision.look() == []
    clock.now += 30
    assert supervision.look() == ["receiver is started again."]
    assert runs(stack, "receiver")
