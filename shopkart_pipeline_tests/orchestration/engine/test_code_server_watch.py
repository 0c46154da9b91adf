"""A web interface whose code server died gets another one."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.remote_representation.code_location import GrpcServerCodeLocation

from shopkart_pipeline.engine.code_server_watch import CodeServerWatch


@dataclass
class Server:
    """A code server's client; a dead one is replaced by the next, which may not come up."""

    is_dead: bool = False

    def ping(self, echo: str) -> str:
        if self.is_dead:
            raise DagsterUserCodeUnreachableError("Could not reach user code server.")
        return echo


class Location(GrpcServerCodeLocation):
    """Of that server, and of nothing else."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __del__(self) -> None: ...


@dataclass
class Context:
    """A workspace with one code location."""

    server: Server | None = field(default_factory=Server)
    successors: list[Server | None] = field(default_factory=list[Server | None])

    def get_current_workspace(self) -> Any:
        location: Any = None
        if self.server is not None:
            location = Location(self.server)
        return SimpleNamespace(code_location_entries={"pipeline": SimpleNamespace(code_location=location)})

    def reload_code_location(self, name: str) -> None:
        assert name == "pipeline"
        self.server = self.successors.pop(0)


def watch(context: Any) -> CodeServerWatch:
    return CodeServerWatch(context)


def test_a_server_that_answers_is_left_alone() -> None:
    watched = watch(Context())
    assert [watched.look() for _ in range(3)] == [[], [], []]


def test_a_server_that_is_silent_once_is_left_alone_and_one_that_is_dead_is_replaced() -> None:
    context = Context(successors=[Server()])
    watched, first = watch(context), context.server
    assert first is not None
    first.is_dead = True
    assert watched.look() == []
    first.is_dead = False
    assert watched.look() == []
    first.is_dead = True
    assert [watched.look(), watched.look(), watched.look()] == [[], ["pipeline"], []]
    assert context.server is not first


def test_a_replacement_that_does_not_come_up_is_tried_again() -> None:
    context = Context(Server(is_dead=True), [None, None, Server()])
    watched = watch(context)
    assert [watched.look() for _ in range(6)] == [[], ["pipeline"], ["pipeline"], ["pipeline"], [], []]


def test_a_location_that_never_loaded_is_for_people_to_mend() -> None:
    watched = watch(Context(None))
    assert [watched.look() for _ in range(3)] == [[], [], []]
