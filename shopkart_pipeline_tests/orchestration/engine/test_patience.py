"""Operations of Dagster's database are done again where the connection is lost, and only there."""

from dataclasses import dataclass, field

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from shopkart_pipeline.engine.patience import Patience


class Lost(Exception):
    """What psycopg2 says of a server that has gone."""


class Refused(Exception):
    """What psycopg2 says of a statement that took too long."""

    pgcode = "57014"


class DagsterPostgresException(Exception):
    """As dagster-postgres names what it raises once it has given a connection up."""


def lost() -> Exception:
    return OperationalError("SELECT 1", {}, Lost("server closed the connection unexpectedly"))


def given_up() -> Exception:
    error = DagsterPostgresException("too many retries for DB connection")
    error.__cause__ = lost()
    return error


@dataclass
class World:
    """An operation that fails for some time, and a clock that only pauses move."""

    failures: list[Exception]
    now: float = 0.0
    again: list[bool] = field(default_factory=list[bool])

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def operation(self, is_again: bool) -> str:
        self.again.append(is_again)
        if self.failures:
            raise self.failures.pop(0)
        return "done"

    def outcome(self, seconds: float = 120.0) -> str:
        return Patience(seconds, self.pause, lambda: self.now).keep_trying(self.operation)


def test_what_lost_its_connection_is_done_again_and_knows_it() -> None:
    world = World([lost(), given_up(), lost()])
    assert world.outcome() == "done"
    assert world.again == [False, True, True, True]


def test_patience_ends() -> None:
    world = World([lost() for _ in range(1000)])
    with pytest.raises(OperationalError):
        world.outcome(120.0)
    assert 120 <= world.now < 126


@pytest.mark.parametrize(
    "error",
    [
        IntegrityError("INSERT", {}, Lost("duplicate key value")),
        OperationalError("SELECT", {}, Refused("canceling statement due to statement timeout")),
        OperationalError("connect", {}, Lost('FATAL:  password authentication failed for user "dagster"')),
        OperationalError("connect", {}, Lost('FATAL:  database "dagster" does not exist')),
        ValueError("something else"),
    ],
)
def test_what_the_server_refuses_is_an_error_at_once(error: Exception) -> None:
    world = World([error])
    with pytest.raises(type(error)):
        world.outcome()
    assert world.again == [False]


def test_of_operations_within_operations_the_outermost_alone_is_patient() -> None:
    inner = World([lost()])
    outer = World([])

    def operation(is_again: bool) -> str:
        outer.again.append(is_again)
        return inner.outcome()

    assert Patience(60.0, outer.pause, lambda: outer.now).keep_trying(operation) == "done"
    assert outer.again == [False, True]
    assert inner.again == [False, False]


def test_one_absence_is_waited_out_once_and_the_next_one_again() -> None:
    world = World([lost() for _ in range(1000)])
    patience = Patience(120.0, world.pause, lambda: world.now)
    for _ in range(2):
        with pytest.raises(OperationalError):
            patience.keep_trying(world.operation)
    assert world.now < 126

    world.failures = []
    patience.keep_trying(world.operation)
    world.failures = [lost()]
    assert patience.keep_trying(world.operation) == "done"
